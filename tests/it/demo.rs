//! The demo through the real server: its estate is played over HTTP, and every query
//! that it offers is asked, with the answers that its history must give.
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, Weak},
};

use ledgerline::{
    access::Role,
    cli::demo_estate::{self, Query},
};
use serde_json::{Value, json};

use crate::{
    api::stand::{Ask, Stand},
    support::NOON,
};

/// One played estate for the tests that run at the same time: none of them writes.
struct Demo {
    stand: Stand,
    auditor: String,
    engineer: String,
}

static PLAYED: Mutex<Weak<Demo>> = Mutex::new(Weak::new());

impl Demo {
    /// The estate that another test holds, else a new one; it goes with the last that holds it.
    fn play() -> Arc<Self> {
        let mut played = PLAYED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(demo) = played.upgrade() {
            return demo;
        }
        let stand = Stand::new();
        let producer = stand.token(&[Role::Producer]);
        let auditor = stand.token(&[Role::Auditor]);
        let engineer = stand.token(&[Role::Engineer]);
        let events: Vec<String> = demo_estate::events(NOON).map(|e| e.to_string()).collect();
        for batch in events.chunks(200) {
            let answer = stand.ask(Ask::post("/api/v1/lineage/batch", "application/x-ndjson", batch.join("\n")).by(&producer));
            assert_eq!((answer.status, &answer.json()["summary"]["failed"]), (200, &json!(0)), "{}", answer.text());
        }
        let demo = Arc::new(Self { stand, auditor, engineer });
        *played = Arc::downgrade(&demo);
        demo
    }

    /// What the demo's auditor is answered.
    fn answer(&self, name: &str) -> Value {
        let q = query(name);
        self.stand.data(&self.auditor, q.text, q.variables)
    }
}

fn query(name: &str) -> Query {
    demo_estate::queries(NOON).into_iter().find(|q| q.name == name).unwrap()
}

fn names<'a>(lineage: &'a Value, kind: &str) -> BTreeSet<&'a str> {
    let nodes = lineage["nodes"].as_array().unwrap().iter();
    nodes.filter(|n| n["kind"] == kind).map(|n| n["name"].as_str().unwrap()).collect()
}

#[test]
fn the_boards_page_comes_from_the_order_form_and_the_payment_provider() {
    let lineage = &Demo::play().answer("where-from")["lineage"];
    let datasets = names(lineage, "DATASET");
    for source in ["order-form/orders", "v3/charges", "shop.public.orders", "RAW.SHOP.ORDER_LINES", "ANALYTICS.MART.REVENUE_DAILY"] {
        assert!(datasets.contains(source), "{source} {datasets:?}");
    }
    // Upstream holds nothing that only comes after, and nothing of another report.
    for other in ["marketing/Customer health", "scores/churn", "RAW.SHOP.ORDERS_2019"] {
        assert!(!datasets.contains(other), "{other}");
    }
    assert!(names(lineage, "JOB").contains("automations/order-intake"));
    assert_eq!(lineage["completeness"]["status"], "COMPLETE");
    assert_eq!(lineage["completeness"]["frontier"], json!([]));
}

#[test]
fn an_address_is_followed_through_its_new_name_to_where_it_is_masked() {
    let lineage = &Demo::play().answer("where-does-an-address-go")["lineage"];
    let fields = names(lineage, "FIELD");
    let wanted = [
        "order-form/orders.email",
        "shop.public.customers.contact_email",
        "RAW.SHOP.CUSTOMERS.CONTACT_EMAIL",
        "ANALYTICS.STAGING.STG_CUSTOMERS.EMAIL",
        "ANALYTICS.MART.DIM_CUSTOMER.EMAIL",
    ];
    assert!(wanted.iter().all(|f| fields.contains(f)), "{fields:?}");
    assert!(!fields.contains("shop.public.customers.email"), "the column's old name is no more");
    let (masked, open): (Vec<&Value>, Vec<&Value>) =
        lineage["edges"].as_array().unwrap().iter().partition(|e| e["transformations"][0]["masking"] == true);
    assert_eq!((masked.len(), open.len()), (1, wanted.len() - 1));
    let hidden = lineage["nodes"].as_array().unwrap().iter().find(|n| n["id"] == masked[0]["to"]).unwrap();
    assert!(hidden["name"].as_str().unwrap().ends_with("marketing/customers.email_sha256"));
}

#[test]
fn a_renamed_table_has_the_same_neighbours_before_and_after() {
    let data = Demo::play().answer("before-the-rename");
    let at = |when: &str| {
        let nodes = data[when]["nodes"].as_array().unwrap();
        let aliases: Vec<&str> = nodes[0]["aliases"].as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap()).collect();
        (names(&data[when], "JOB"), nodes.len(), nodes[0]["id"].clone(), aliases)
    };
    let (before, after) = (at("before"), at("after"));
    assert_eq!(before.0, BTreeSet::from(["nightly.load_payments", "shop.build.stg_payments"]));
    assert_eq!((&before.0, before.1, &before.2), (&after.0, after.1, &after.2), "one table, whatever its name");
    assert_eq!(before.3, Vec::<&str>::new());
    assert_eq!(after.3, ["RAW.SHOP.PAYMENTS"], "the node keeps its first name; the new one is another name of it");
}

#[test]
fn failed_loads_and_a_failed_test_say_why_without_naming_people() {
    let data = Demo::play().answer("what-failed");
    let runs = data["loads"]["runs"].as_array().unwrap();
    let failed: Vec<&Value> = runs.iter().filter(|r| r["state"] == "FAIL").collect();
    assert_eq!((runs.len(), failed.len()), (30, 2), "every thirteenth day");
    let told = failed[0]["facets"].as_array().unwrap().iter().find(|f| f["name"] == "errorMessage").unwrap();
    let message = told["json"]["message"].as_str().unwrap();
    assert!(message.contains("amount is null") && !message.contains("anna.bell"), "{message}");
    let tests = data["tests"]["runs"].as_array().unwrap();
    let failed: Vec<&Value> = tests.iter().filter(|r| r["state"] == "FAIL").collect();
    assert_eq!(failed.len(), 1);
    let facets = failed[0]["inputFacets"].as_array().unwrap();
    let found = &facets.iter().find(|f| f["name"] == "dataQualityAssertions").unwrap()["json"]["assertions"];
    assert_eq!(found.as_array().unwrap().iter().filter(|a| a["success"] == false).count(), 1, "{found}");
}

#[test]
fn the_catalog_lists_what_lives_and_a_dropped_table_only_in_its_time() {
    let demo = Demo::play();
    let first = demo.answer("catalog");
    assert_eq!(first["artifacts"]["edges"].as_array().unwrap().len(), 20);
    assert_eq!(first["artifacts"]["pageInfo"]["hasNextPage"], true);
    let dropped = |ago: i64| {
        let text = "query($at: DateTime!) { artifacts(filter: { namePrefix: \"RAW.SHOP.ORDERS_2019\" }, asOf: { validAt: $at }) { nodes { name } } }";
        let at = ledgerline::domain::time::Micros(NOON.0 - ago * ledgerline::domain::time::DAY).rfc3339();
        demo.stand.data(&demo.engineer, text, json!({ "at": at }))["artifacts"]["nodes"].as_array().unwrap().len()
    };
    assert_eq!([dropped(60), dropped(54), dropped(0)], [1, 0, 0]);
}

#[test]
fn the_ledger_tells_its_head_and_entries_with_what_their_leaves_commit_to() {
    let data = Demo::play().answer("ledger-entries");
    let size = data["ledger"]["size"].as_u64().unwrap();
    let events = data["events"]["edges"].as_array().unwrap();
    assert_eq!(events.len(), 5);
    assert!(events.iter().enumerate().all(|(i, e)| e["node"]["index"] == i && e["node"]["parts"][0]["class"] == "CORE"));
    let checkpoint = data["ledger"]["checkpoint"].as_str().unwrap();
    let lines: Vec<&str> = checkpoint.lines().collect();
    assert_eq!(lines[..3], [data["ledger"]["origin"].as_str().unwrap(), &size.to_string(), data["ledger"]["rootHash"].as_str().unwrap()]);
}

#[test]
fn a_proof_stands_alone() {
    let demo = Demo::play();
    let data = demo.answer("proof");
    let proof = data["event"]["proof"]["tlogProof"].as_str().unwrap();
    assert!(proof.starts_with("c2sp.org/tlog-proof@v1\nindex 0\n"), "{proof}");
    let origin = data["ledger"]["vkey"].as_str().unwrap().split('+').next().unwrap();
    assert!(proof.contains(&format!("\n\n{origin}\n")), "{proof}");
}

#[test]
fn an_engineer_may_ask_everything_too() {
    let demo = Demo::play();
    for q in demo_estate::queries(NOON) {
        demo.stand.data(&demo.engineer, q.text, q.variables);
    }
}

#[test]
fn the_pages_examples_are_the_demos_queries() {
    let page = include_str!("../../src/api/http/page.js");
    for q in demo_estate::queries(NOON) {
        let (_, text) = q.text.split_once('\n').unwrap();
        assert!(page.contains(&format!("[{:?}, `{}`", q.title(), text.trim_end())), "{}", q.name);
    }
}
