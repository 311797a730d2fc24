//! Three months of runs, ending now. The same `now` gives the same bytes.
//!
//! What happens, in days before today:
//! - every 13 days a load of payments fails and is repeated;
//! - 60: the copy of the old orders runs for the last time, 55: its table is dropped;
//! - 45: `PAYMENT_LINES` is renamed to `PAYMENTS`;
//! - 40: the dbt build is aborted half way, so nothing behind it runs;
//! - 30: the column `email` of the customers becomes `contact_email`;
//! - 25: the marketing export gets another owner; 20: a design-time flow changes;
//! - 7: a test finds rows without a currency.
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    estate::{Estate, Job},
    facets::{self, Shape},
};
use crate::domain::time::{DAY, MINUTE, Micros};

/// How many days the history covers, today included.
pub const DAYS: i64 = 92;

const OLD_ORDERS_LAST: i64 = 60;
const OLD_ORDERS_DROPPED: i64 = 55;
const PAYMENTS_RENAMED: i64 = 45;
const BUILD_ABORTED: i64 = 40;
const EMAIL_RENAMED: i64 = 30;
const EXPORT_HANDED_OVER: i64 = 25;
const TAX_EXTRACT_CHANGED: i64 = 20;
const CURRENCY_MISSING: i64 = 7;

const RUN_EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const JOB_EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent";
const DATASET_EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent";

/// OpenLineage events in order of their time, none later than `now`.
pub fn events(now: Micros) -> impl Iterator<Item = Value> {
    let estate = Estate::load();
    let today = now.0.div_euclid(DAY) * DAY;
    (0..DAYS).rev().flat_map(move |age| {
        let day = Day { estate: &estate, midnight: today - age * DAY, age };
        let mut events = day.events();
        events.retain(|(at, _)| *at <= now);
        events.sort_by_key(|(at, _)| *at);
        events.into_iter().map(|(_, event)| event)
    })
}

/// One day of the history.
struct Day<'a> {
    estate: &'a Estate,
    /// Microseconds since the epoch.
    midnight: i64,
    /// Days before today.
    age: i64,
}

type Timed = (Micros, Value);

/// How a run ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Complete,
    Fail(&'static str),
    Abort,
}

impl End {
    fn word(self) -> &'static str {
        match self {
            Self::Complete => "COMPLETE",
            Self::Fail(_) => "FAIL",
            Self::Abort => "ABORT",
        }
    }
}

impl<'a> Day<'a> {
    fn at(&self, minute: u32) -> Micros {
        Micros(self.midnight + i64::from(minute) * MINUTE)
    }

    fn events(&self) -> Vec<Timed> {
        let mut events = self.design_time();
        for job in self.estate.jobs.iter().filter(|j| self.age % i64::from(j.every) == 0) {
            self.runs(job, &mut events);
        }
        events
    }

    fn runs(&self, job: &'a Job, events: &mut Vec<Timed>) {
        let after_abort = job.start > 194 && !job.namespace.starts_with("studio:");
        match job.name.as_str() {
            "nightly.copy_old_orders" if self.age < OLD_ORDERS_LAST => {}
            "nightly.load_payments" if self.age % 13 == 5 => {
                let message = "charge ch_48211 of \"Anna Bell\" <anna.bell@example.org>: amount is null";
                self.run(job, 0, job.start, job.lasts / 3, End::Fail(message), events);
                self.run(job, 1, job.start + 15, job.lasts, End::Complete, events);
            }
            "shop.build" | "shop.build.fct_orders" if self.age == BUILD_ABORTED => self.run(job, 0, job.start, 17, End::Abort, events),
            _ if self.age == BUILD_ABORTED && after_abort => {}
            "shop.test.fct_orders" if self.age == CURRENCY_MISSING => {
                self.run(job, 0, job.start, job.lasts, End::Fail("1 of 4 assertions failed"), events);
            }
            _ => self.run(job, 0, job.start, job.lasts, End::Complete, events),
        }
    }

    /// The events of one run: START, in long Spark runs RUNNING, and its end.
    fn run(&self, job: &'a Job, attempt: u32, start: u32, lasts: u32, end: End, events: &mut Vec<Timed>) {
        let run_id = self.run_id(&job.namespace, &job.name, attempt);
        let producer = self.producer(job);
        let inputs: Vec<Value> = job.inputs.iter().filter_map(|key| self.input(job, key)).collect();
        let mut facets = Map::new();
        facets.insert("nominalTime".into(), facets::nominal_time(&producer, &self.at(0).rfc3339(), &Micros(self.midnight + DAY).rfc3339()));
        if let Some(parent) = &job.parent {
            facets.insert("parent".into(), facets::parent(&producer, &self.run_id(&job.namespace, parent, 0), &job.namespace, parent));
        }
        if job.integration == "STUDIO" {
            facets.insert("studio_deployment".into(), json!({ "_producer": producer, "_schemaURL": "https://studio.example.org/facets/1-0-0/Deployment.json", "release": format!("r{}", 310 + (DAYS - self.age) / 9), "stage": "production" }));
        }
        let event = |state: &str, facets: &Map<String, Value>, outputs: Vec<Value>| {
            json!({
                "eventType": state,
                "run": { "runId": run_id, "facets": facets },
                "job": { "namespace": job.namespace, "name": job.name, "facets": facets::of_job(job, &producer) },
                "inputs": inputs,
                "outputs": outputs,
                "producer": producer,
                "schemaURL": RUN_EVENT,
            })
        };

        events.push(dated(self.at(start), event("START", &facets, Vec::new())));
        if job.integration == "SPARK" {
            events.push(dated(self.at(start + lasts / 2), event("RUNNING", &facets, Vec::new())));
        }
        if let End::Fail(message) = end {
            facets.insert("errorMessage".into(), facets::error_message(&producer, message));
        }
        let outputs =
            if end == End::Complete { job.outputs.iter().filter_map(|key| self.output(job, key, &producer)).collect() } else { Vec::new() };
        events.push(dated(self.at(start + lasts), event(end.word(), &facets, outputs)));
    }

    fn input(&self, job: &Job, key: &str) -> Option<Value> {
        let shape = self.shape(key)?;
        let producer = self.producer(job);
        let mut input = json!({ "namespace": shape.table.namespace, "name": shape.name, "facets": { "schema": shape.schema(&producer) } });
        if job.tests.as_deref() == Some(key) {
            let missing = if self.age == CURRENCY_MISSING { 14 } else { 0 };
            input["inputFacets"] = Value::Object(facets::quality(&producer, self.rows(key), missing));
        }
        Some(input)
    }

    fn output(&self, job: &'a Job, key: &str, producer: &str) -> Option<Value> {
        let shape = self.shape(key)?;
        let mut owners = shape.table.owners.clone();
        if key == "marketing_export" && self.age <= EXPORT_HANDED_OVER {
            owners = vec!["user:jun.park@example.org:OWNER".to_owned()];
        }
        let mut described = shape.describe(producer, &owners);
        if let Some(made) = facets::column_lineage(job, key, producer, |k| self.shape(k)) {
            described.insert("columnLineage".into(), made);
        }
        if job.integration == "SPARK" {
            described.insert("version".into(), facets::dataset_version(producer, &format!("{}", 7_000_000 + self.midnight / DAY)));
        }
        if key == "raw_payments" && self.age == PAYMENTS_RENAMED {
            described.insert(
                "lifecycleStateChange".into(),
                facets::lifecycle(producer, "RENAME", Some((&shape.table.namespace, PAYMENTS_BEFORE))),
            );
        }
        if key == "raw_customers" && self.age == EMAIL_RENAMED {
            described.insert("lifecycleStateChange".into(), facets::lifecycle(producer, "ALTER", None));
        }
        Some(json!({
            "namespace": shape.table.namespace,
            "name": shape.name,
            "facets": described,
            "outputFacets": { "outputStatistics": facets::output_statistics(producer, self.rows(key)) },
        }))
    }

    /// A table as it is on this day.
    fn shape(&self, key: &str) -> Option<Shape<'a>> {
        let table = self.estate.table(key)?;
        let name = if key == "raw_payments" && self.age > PAYMENTS_RENAMED { PAYMENTS_BEFORE } else { &table.name };
        let renamed = match key {
            "pg_customers" if self.age <= EMAIL_RENAMED => Some(("email", "contact_email")),
            "raw_customers" if self.age <= EMAIL_RENAMED => Some(("EMAIL", "CONTACT_EMAIL")),
            _ => None,
        };
        Some(Shape { table, name, renamed })
    }

    /// Events without runs: designs and changes by hand.
    fn design_time(&self) -> Vec<Timed> {
        let mut events = Vec::new();
        let by_hand = "https://studio.example.org/catalog/1.4.0";
        if self.age == DAYS - 1 || self.age == TAX_EXTRACT_CHANGED {
            let inputs = if self.age == TAX_EXTRACT_CHANGED { vec!["revenue_daily", "fct_orders"] } else { vec!["revenue_daily"] };
            let inputs: Vec<Value> =
                inputs.iter().filter_map(|k| self.estate.table(k)).map(|t| json!({ "namespace": t.namespace, "name": t.name })).collect();
            let job = json!({
                "eventTime": self.at(540).rfc3339(),
                "job": { "namespace": "bi://reports.shop.example.org", "name": "finance/Tax extract", "facets": {
                    "documentation": facets::facet(by_hand, "1-1-0/DocumentationJobFacet.json#/$defs/DocumentationJobFacet", json!({ "description": "Made by hand once a quarter." })),
                } },
                "inputs": inputs,
                "outputs": [{ "namespace": "s3://shop-exports", "name": "finance/tax" }],
                "producer": by_hand,
                "schemaURL": JOB_EVENT,
            });
            events.push((self.at(540), job));
        }
        let dataset = |minute: u32, namespace: &str, name: &str, facets: Map<String, Value>| {
            let event = json!({
                "eventTime": self.at(minute).rfc3339(),
                "dataset": { "namespace": namespace, "name": name, "facets": facets },
                "producer": by_hand,
                "schemaURL": DATASET_EVENT,
            });
            (self.at(minute), event)
        };
        if self.age == DAYS - 1
            && let Some(form) = self.estate.table("form_orders")
        {
            let shape = Shape { table: form, name: &form.name, renamed: None };
            events.push(dataset(2, &form.namespace, &form.name, shape.describe(by_hand, &form.owners)));
        }
        if self.age == OLD_ORDERS_DROPPED
            && let Some(old) = self.estate.table("orders_old")
        {
            let dropped = Map::from_iter([("lifecycleStateChange".to_owned(), facets::lifecycle(by_hand, "DROP", None))]);
            events.push(dataset(600, &old.namespace, &old.name, dropped));
        }
        events
    }

    /// Who says so. dbt's producer was upgraded half way: it stays the same source.
    fn producer(&self, job: &Job) -> String {
        match job.integration.as_str() {
            "AIRFLOW" => "https://github.com/apache/airflow/tree/providers-openlineage/2.7.3".to_owned(),
            "DBT" => format!("https://github.com/OpenLineage/OpenLineage/tree/1.{}.0/integration/dbt", if self.age > 50 { 53 } else { 54 }),
            "SPARK" => "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/integration/spark".to_owned(),
            "BI" => "https://bi.example.org/connector/3.1.0".to_owned(),
            _ => "https://studio.example.org/platform/4.2.0".to_owned(),
        }
    }

    /// Rows of a table on this day: it grows, and less is sold on some days.
    fn rows(&self, key: &str) -> u64 {
        let grown = u64::try_from(DAYS - self.age).unwrap_or(0) * 131;
        grown + u64::from(digest(&[key, &self.midnight.to_string()])[0])
    }

    /// A run's id: the same for the same day, job and attempt.
    fn run_id(&self, namespace: &str, name: &str, attempt: u32) -> String {
        let digest = digest(&[namespace, name, &self.midnight.to_string(), &attempt.to_string()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid().hyphenated().to_string()
    }
}

/// What `raw_payments` was called before its rename.
const PAYMENTS_BEFORE: &str = "RAW.SHOP.PAYMENT_LINES";

fn dated(at: Micros, mut event: Value) -> Timed {
    event["eventTime"] = at.rfc3339().into();
    (at, event)
}

fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// 2026-11-24T12:00:00Z.
    const NOW: Micros = Micros(1_795_521_600_000_000);

    #[test]
    fn the_history_is_in_order_ends_before_now_and_is_the_same_each_time() {
        let all: Vec<Value> = events(NOW).collect();
        assert!((1_500..=4_000).contains(&all.len()), "{}", all.len());
        let times: Vec<&str> = all.iter().map(|e| e["eventTime"].as_str().unwrap()).collect();
        assert!(times.is_sorted());
        assert!(times.last().unwrap() <= &NOW.rfc3339().as_str());
        assert!(events(NOW).eq(all));
    }

    #[test]
    fn every_run_begins_and_ends_once() {
        let mut runs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in events(NOW).filter(|e| e.get("run").is_some()) {
            runs.entry(event["run"]["runId"].as_str().unwrap().to_owned())
                .or_default()
                .push(event["eventType"].as_str().unwrap().to_owned());
        }
        for states in runs.values() {
            assert_eq!(states[0], "START");
            assert!(["COMPLETE", "FAIL", "ABORT"].contains(&states[states.len() - 1].as_str()));
            assert!(states[1..states.len() - 1].iter().all(|s| s == "RUNNING"));
        }
        let seen: BTreeSet<&str> = runs.values().flatten().map(String::as_str).collect();
        assert_eq!(seen, BTreeSet::from(["START", "RUNNING", "COMPLETE", "FAIL", "ABORT"]));
    }

    #[test]
    fn everything_that_the_demo_promises_happens() {
        let all: Vec<Value> = events(NOW).collect();
        let text: Vec<String> = all.iter().map(Value::to_string).collect();
        for promised in [
            "\"lifecycleStateChange\":\"RENAME\"",
            "\"lifecycleStateChange\":\"DROP\"",
            "CONTACT_EMAIL",
            "\"masking\":true",
            "\"identifiers\":",
            "\"success\":false",
            "\"dataset\":{",
            "Tax extract",
            "jun.park@example.org",
            "\"studio_deployment\"",
        ] {
            assert!(text.iter().any(|t| t.contains(promised)), "{promised}");
        }
        assert!(!text.iter().rev().take(200).any(|t| t.contains("PAYMENT_LINES")), "the old name is gone");
        assert!(
            all.iter().all(|e| e["outputs"].as_array().is_none_or(|o| o.iter().all(|d| d["name"].as_str().is_some_and(|n| !n.is_empty()))))
        );
    }

    #[test]
    fn people_are_invented_and_live_at_example_org() {
        for event in events(NOW) {
            let text = event.to_string();
            for (i, _) in text.match_indices('@') {
                assert!(text[i..].starts_with("@example.org") || text[i..].starts_with("@stage/"), "{}", &text[i..i + 20]);
            }
        }
    }
}
