//! What is asked about many things at once is one question to the store: as many
//! calls for a page of 200 as for one of 2.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use ledgerline::{
    access::Role,
    app::compose::Backend,
    domain::{
        assertion::Digest,
        catalog::{ArtifactFacts, ArtifactPage, ArtifactRef, DeclaredFlows, EntryFacts, EntryPage, RunFacts, VersionFacts},
        counts::WalkCounts,
        coverage::SourceCoverage,
        history::{ArtifactChange, FacetVersion},
        id::{EntryIndex, NodeId},
        lineage::{AsOf, FlowAssertion, FlowVersion, NodeKey, Walk, WalkAnswer},
        position::Logs,
        redaction::{Redactable, RedactionQuestion},
        search::Searchable,
        sight::Sight,
        source::Source,
        time::Micros,
    },
    ledger::Hash,
    store::{Changed, Head, PublishedCheckpoint, Readable, Snapshot, Store, StoreError, write::DuplicateKey},
};
use serde_json::{Value, json};

use crate::{
    api::stand::{Ask, Stand},
    support::{World, config},
};

/// Calls since the last look, by name.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<BTreeMap<&'static str, usize>>>);

impl Calls {
    fn note(&self, name: &'static str) {
        *self.0.lock().unwrap().entry(name).or_default() += 1;
    }

    fn take(&self) -> BTreeMap<&'static str, usize> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Counting {
    inner: Arc<dyn Store>,
    calls: Calls,
}

#[async_trait]
impl Store for Counting {
    fn head(&self) -> Head {
        self.inner.head()
    }
    fn checkpoint(&self) -> Arc<PublishedCheckpoint> {
        self.inner.checkpoint()
    }
    fn logs(&self) -> Logs {
        self.inner.logs()
    }
    fn shape(&self, digest: &Digest) -> Option<u32> {
        self.inner.shape(digest)
    }
    fn blob(&self, digest: &Digest) -> Option<u32> {
        self.inner.blob(digest)
    }
    fn is_redacted(&self, digest: &Digest) -> bool {
        self.inner.is_redacted(digest)
    }
    fn watch_head(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.watch_head()
    }
    fn watch_stopped(&self) -> tokio::sync::watch::Receiver<bool> {
        self.inner.watch_stopped()
    }

    fn stopped(&self) -> bool {
        self.inner.stopped()
    }
    fn changed(&self, from: u32, limit: usize, size: EntryIndex) -> Changed {
        self.inner.changed(from, limit, size)
    }
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        self.calls.note("snapshot");
        Ok(Arc::new(CountingView { inner: self.inner.snapshot().await?, calls: self.calls.clone() }))
    }
    async fn snapshot_for(&self, sight: Sight) -> Result<Arc<dyn Snapshot>, StoreError> {
        self.calls.note("snapshot");
        Ok(Arc::new(CountingView { inner: self.inner.snapshot_for(sight).await?, calls: self.calls.clone() }))
    }
}

struct CountingView {
    inner: Arc<dyn Snapshot>,
    calls: Calls,
}

#[async_trait]
impl Snapshot for CountingView {
    fn head(&self) -> Head {
        self.inner.head()
    }
    async fn recorded_at(&self, index: EntryIndex) -> Result<Option<Micros>, StoreError> {
        self.calls.note("recorded_at");
        self.inner.recorded_at(index).await
    }
    async fn root_at(&self, size: u64) -> Result<Hash, StoreError> {
        self.calls.note("root_at");
        self.inner.root_at(size).await
    }
    async fn resolve(&self, refs: &[ArtifactRef], size: EntryIndex) -> Result<Vec<Option<NodeKey>>, StoreError> {
        self.calls.note("resolve");
        self.inner.resolve(refs, size).await
    }
    async fn hidden(&self, keys: &[NodeKey], as_of: AsOf) -> Result<Vec<bool>, StoreError> {
        self.calls.note("hidden");
        self.inner.hidden(keys, as_of).await
    }
    fn above_clearance(&self) -> Vec<NodeId> {
        self.inner.above_clearance()
    }
    async fn artifacts(&self, keys: &[NodeKey], as_of: AsOf) -> Result<Vec<Option<ArtifactFacts>>, StoreError> {
        self.calls.note("artifacts");
        self.inner.artifacts(keys, as_of).await
    }
    async fn searchables(&self, keys: &[NodeKey]) -> Result<Vec<Option<Searchable>>, StoreError> {
        self.calls.note("searchables");
        self.inner.searchables(keys).await
    }
    async fn artifact_page(&self, page: &ArtifactPage, as_of: AsOf) -> Result<Vec<ArtifactFacts>, StoreError> {
        self.calls.note("artifact_page");
        self.inner.artifact_page(page, as_of).await
    }
    async fn facet_versions(&self, keys: &[NodeKey], name: &str, limit: usize, as_of: AsOf) -> Result<Vec<Vec<FacetVersion>>, StoreError> {
        self.calls.note("facet_versions");
        self.inner.facet_versions(keys, name, limit, as_of).await
    }
    async fn changes(
        &self,
        keys: &[NodeKey],
        before: Option<EntryIndex>,
        limit: usize,
        as_of: AsOf,
    ) -> Result<Vec<Vec<ArtifactChange>>, StoreError> {
        self.calls.note("changes");
        self.inner.changes(keys, before, limit, as_of).await
    }
    async fn runs(&self, run_ids: &[Box<str>], as_of: AsOf) -> Result<Vec<Option<RunFacts>>, StoreError> {
        self.calls.note("runs");
        self.inner.runs(run_ids, as_of).await
    }
    async fn runs_of_jobs(&self, jobs: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<RunFacts>>, StoreError> {
        self.calls.note("runs_of_jobs");
        self.inner.runs_of_jobs(jobs, limit, as_of).await
    }
    async fn runs_of_datasets(&self, datasets: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<RunFacts>>, StoreError> {
        self.calls.note("runs_of_datasets");
        self.inner.runs_of_datasets(datasets, limit, as_of).await
    }
    async fn versions(&self, artifacts: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<VersionFacts>>, StoreError> {
        self.calls.note("versions");
        self.inner.versions(artifacts, limit, as_of).await
    }
    async fn declared_flows(&self, job: NodeId) -> Result<DeclaredFlows, StoreError> {
        self.calls.note("declared_flows");
        self.inner.declared_flows(job).await
    }
    async fn redactable(&self, question: RedactionQuestion) -> Result<Option<Redactable>, StoreError> {
        self.calls.note("redactable");
        self.inner.redactable(question).await
    }
    async fn duplicate(&self, key: DuplicateKey) -> Result<Option<EntryIndex>, StoreError> {
        self.calls.note("duplicate");
        self.inner.duplicate(key).await
    }
    async fn walk(&self, walk: Walk) -> Result<WalkAnswer, StoreError> {
        self.calls.note("walk");
        self.inner.walk(walk).await
    }
    async fn walks(&self, walks: Vec<Walk>) -> Result<Vec<WalkAnswer>, StoreError> {
        self.calls.note("walks");
        self.inner.walks(walks).await
    }
    async fn walk_counts(&self, walks: Vec<Walk>) -> Result<Vec<WalkCounts>, StoreError> {
        self.calls.note("walk_counts");
        self.inner.walk_counts(walks).await
    }
    async fn flow_assertions(&self, flows: &[FlowVersion], size: EntryIndex) -> Result<Vec<FlowAssertion>, StoreError> {
        self.calls.note("flow_assertions");
        self.inner.flow_assertions(flows, size).await
    }
    async fn artifact_count(&self, page: &ArtifactPage, as_of: AsOf) -> Result<u64, StoreError> {
        self.calls.note("artifact_count");
        self.inner.artifact_count(page, as_of).await
    }
    async fn entry_count(&self, page: &EntryPage) -> Result<u64, StoreError> {
        self.calls.note("entry_count");
        self.inner.entry_count(page).await
    }
    async fn coverage(&self, flows: &[FlowVersion], namespaces: &[Box<str>], as_of: AsOf) -> Result<Vec<SourceCoverage>, StoreError> {
        self.calls.note("coverage");
        self.inner.coverage(flows, namespaces, as_of).await
    }
    async fn source_page(&self, after: Option<Source>, limit: usize, as_of: AsOf) -> Result<Vec<SourceCoverage>, StoreError> {
        self.calls.note("source_page");
        self.inner.source_page(after, limit, as_of).await
    }
    async fn entries(&self, indexes: &[EntryIndex], readable: Readable) -> Result<Vec<Option<EntryFacts>>, StoreError> {
        self.calls.note("entries");
        self.inner.entries(indexes, readable).await
    }
    async fn entry_page(&self, page: &EntryPage, readable: Readable) -> Result<Vec<EntryFacts>, StoreError> {
        self.calls.note("entry_page");
        self.inner.entry_page(page, readable).await
    }
    async fn shown(&self, indexes: &[EntryIndex]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.calls.note("shown");
        self.inner.shown(indexes).await
    }
    async fn received(&self, indexes: &[EntryIndex], readable: Readable) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.calls.note("received");
        self.inner.received(indexes, readable).await
    }
    async fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, StoreError> {
        self.calls.note("tile");
        self.inner.tile(level, index, width).await
    }
    async fn bundle(&self, index: u64, width: u16) -> Result<Option<Vec<u8>>, StoreError> {
        self.calls.note("bundle");
        self.inner.bundle(index, width).await
    }
    async fn inclusions(&self, indexes: &[u64], size: u64) -> Result<Vec<Vec<Hash>>, StoreError> {
        self.calls.note("inclusions");
        self.inner.inclusions(indexes, size).await
    }
    async fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, StoreError> {
        self.calls.note("consistency");
        self.inner.consistency(from, to).await
    }
}

/// 200 jobs in a row, each with a run, a schema and an owner: `d000 → j000 → d001 → …`
fn estate() -> (Stand, Calls, String) {
    let calls = Calls::default();
    let counted = calls.clone();
    let world = World::over(&config(), |b| Backend { store: Arc::new(Counting { inner: b.store, calls: counted }), ..b });
    let stand = Stand::over(world, |s| s.graphql.complexity_max = usize::MAX);
    let token = stand.token(&[Role::Engineer, Role::Auditor]);
    let facet = |value: Value| {
        let mut facet = json!({"_producer": "https://example.org/p", "_schemaURL": "https://example.org/s"});
        facet.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        facet
    };
    let events: Vec<Value> = (0..200)
        .map(|i| {
            let owners = facet(json!({"owners": [{"name": format!("Owner {i}"), "type": "OWNER"}]}));
            json!({
                "eventType": "COMPLETE", "eventTime": "2026-11-24T10:00:00Z", "producer": "https://example.org/p",
                "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
                "run": {"runId": format!("00000000-0000-4000-8000-{i:012x}"), "facets": {"note": facet(json!({"n": i}))}},
                "job": {"namespace": "jobs", "name": format!("j{i:03}"), "facets": {"ownership": owners}},
                "inputs": [{"namespace": "db", "name": format!("d{i:03}")}],
                "outputs": [{"namespace": "db", "name": format!("d{:03}", i + 1), "facets": {
                    "schema": facet(json!({"fields": [{"name": format!("c{i}"), "type": "int8"}]})), "ownership": owners}}],
            })
        })
        .collect();
    let answer = stand.ask(Ask::json("/api/v1/lineage/batch", &json!(events)).by(&token));
    assert_eq!(answer.json()["summary"]["successful"], 200, "{}", answer.text());
    (stand, calls, token)
}

/// Asserts that a query asks the store as often for many things as for few.
fn costs_the_same(stand: &Stand, calls: &Calls, token: &str, query: &str, count: impl Fn(&Value) -> usize) {
    let ask = |n: usize| {
        calls.take();
        let data = stand.data(token, query, json!({ "n": n }));
        (count(&data), calls.take())
    };
    // Three: of a lineage that is a dataset and both its jobs.
    let (few, cost_of_few) = ask(3);
    let (many, cost_of_many) = ask(200);
    assert!(few <= 5 && many >= 190, "{few} and {many}: {query}");
    assert_eq!(cost_of_few, cost_of_many, "{query}");
}

fn length(value: &Value) -> usize {
    value.as_array().unwrap().len()
}

#[test]
fn a_page_of_artifacts_costs_as_many_calls_as_two() {
    let (stand, calls, token) = estate();
    for fields in [
        "id name aliases{name} schema{fields{path}} owners{actor{handle} role} facets{name json} description",
        "runs(first: 3){runId state job{name} inputs{name schema{fields{path}}} outputs{name owners{role}} events{index parts{class}} facets{name json}}",
        "runs{job{runs{job{name}} owners{role}}}",
        "viewerCan runStatistics{byState{state runs} medianDurationMs} runs{durationMs}",
        "upstream: neighbours(direction: UPSTREAM){count nodes{name owners{role}}} downstream: neighbours(direction: DOWNSTREAM, first: 0){count}",
        "changes(first: 1){nodes{kinds facets recordedAt actor{handle} reason event{leafHash}} pageInfo{hasNextPage}}",
    ] {
        let query = format!("query($n: Int!){{artifacts(first: $n, filter: {{kinds: [JOB]}}){{nodes{{{fields}}}}}}}");
        costs_the_same(&stand, &calls, &token, &query, |data| length(&data["artifacts"]["nodes"]));
    }
    let query =
        "query($n: Int!){artifacts(first: $n, filter: {kinds: [DATASET]}){nodes{schema{fields{path}} owners{role} facets{json} runs{id}}}}";
    costs_the_same(&stand, &calls, &token, query, |data| length(&data["artifacts"]["nodes"]));
    let query = "query($n: Int!){artifacts(first: $n, filter: {kinds: [DATASET]}){nodes{schemaHistory(first: 2){fields{path} event{leafHash}} quality(runs: 3){run{runId job{name}} assertions{success} rows} fieldHistory(path: \"c1\"){event{index}}}}}";
    costs_the_same(&stand, &calls, &token, query, |data| length(&data["artifacts"]["nodes"]));
}

#[test]
fn a_page_of_what_was_found_costs_as_many_calls_for_200_as_for_2() {
    let (stand, calls, token) = estate();
    let query = r#"query($n: Int!){search(text: "d", first: $n){totalCount facets{kinds{count}}
        nodes{matches{word} artifact{name schema{fields{path}} owners{role} runs{id}}}}}"#;
    // The first search fills the index.
    assert_eq!(stand.data(&token, query, json!({"n": 1}))["search"]["totalCount"], 201);
    costs_the_same(&stand, &calls, &token, query, |data| length(&data["search"]["nodes"]));
}

#[test]
fn the_evidence_of_a_lineage_costs_as_many_calls_for_200_nodes_as_for_2() {
    let (stand, calls, token) = estate();
    let query = r#"query($n: Int!){lineage(from: [{dataset: {namespace: "db", name: "d100"}}], options: {depth: 100, maxNodes: $n}){
        nodes{id artifact{name schema{fields{path}} owners{role} runs{runId inputs{name}}}}
        edges{from to assertions{source event{index type leafHash parts{class json} proof{size tlogProof}}}}
        asOf{rootHash}}}"#;
    costs_the_same(&stand, &calls, &token, query, |data| length(&data["lineage"]["nodes"]));
    let fields = r#"query($n: Int!){lineage(from: [{dataset: {namespace: "db", name: "d100"}}], options: {depth: 100, maxNodes: $n}){
        nodes{id kind namespace name aliases{name} depth remaining} edges{from to kind job validFrom} completeness{status frontier}}}"#;
    costs_the_same(&stand, &calls, &token, fields, |data| length(&data["lineage"]["nodes"]));
}

#[test]
fn a_page_of_entries_with_parts_and_proofs_costs_as_many_calls_as_two() {
    let (stand, calls, token) = estate();
    // The first entry made the token, so there are 201.
    for fields in [
        "index source actor{handle} parts{class state text json}",
        "index proof{hashes tlogProof}",
        "index proof(size: 201){size leafHash hashes}",
    ] {
        let query = format!("query($n: Int!){{events(first: $n, filter: {{types: [\"openlineage.run.v1\"]}}){{nodes{{{fields}}}}}}}");
        costs_the_same(&stand, &calls, &token, &query, |data| length(&data["events"]["nodes"]));
    }
}

#[test]
fn totals_are_counted_where_they_are_asked_for_by_one_call_whatever_the_page() {
    let (stand, calls, token) = estate();
    for (list, call, filter) in
        [("artifacts", "artifact_count", "filter: {kinds: [JOB]}"), ("events", "entry_count", "filter: {types: [\"openlineage.run.v1\"]}")]
    {
        let nodes = format!("query($n: Int!){{{list}(first: $n, {filter}){{nodes{{id}}}}}}");
        calls.take();
        stand.data(&token, &nodes, json!({"n": 200}));
        assert!(!calls.take().contains_key(call), "nobody asked for {call}");
        let total = format!("query($n: Int!){{{list}(first: $n, {filter}){{totalCount nodes{{id}}}}}}");
        costs_the_same(&stand, &calls, &token, &total, |data| {
            assert_eq!(data[list]["totalCount"], 200);
            length(&data[list]["nodes"])
        });
        assert_eq!(stand.data(&token, &total, json!({"n": 1}))[list]["totalCount"], 200);
        assert_eq!(calls.take()[call], 1);
    }
    let query = r#"query($n: Int!){lineage(from: [{dataset: {namespace: "db", name: "d100"}}], options: {depth: 100, maxNodes: $n}){
        nodes{id} coverage{source events silentSince lastEvent{index} rhythm{p95GapSeconds}}}}"#;
    costs_the_same(&stand, &calls, &token, query, |data| length(&data["lineage"]["nodes"]));
}

#[test]
fn each_proof_fails_by_itself() {
    let (stand, _, token) = estate();
    let answer = stand.graphql(&token, "{ledger{a: inclusionProof(index: 3, size: 4){size} b: inclusionProof(index: 4, size: 4){size} c: inclusionProof(index: 999){size}}}", json!({}));
    let errors = answer.json()["errors"].clone();
    assert!(errors.to_string().contains("`size` must be over 4") || errors.to_string().contains("there is no entry 999"), "{errors}");
    let proof = stand.data(&token, "{ledger{a: inclusionProof(index: 3, size: 4){size} b: inclusionProof(index: 3){size}}}", json!({}));
    assert_eq!((&proof["ledger"]["a"]["size"], proof["ledger"]["b"]["size"].as_u64().unwrap() > 3), (&json!(4), true));
}
