//! Rights of reading: what lies outside a token's scope, or above what its roles
//! are cleared for, is to its holder as if nobody had named it.
use ledgerline::{access::Role, app::tokens::NewToken};
use serde_json::{Value, json};

use crate::{
    api::stand::{Ask, Stand, new_token},
    support::run_event,
};

/// In every name and namespace that a scoped token must not learn of.
const PLANTED: &str = "PLANTED";

fn facet(content: Value) -> Value {
    let mut facet = json!({"_producer": "https://example.org/p", "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/Facet.json"});
    facet.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
    facet
}

fn dataset(namespace: &str, name: &str) -> Value {
    json!({"namespace": namespace, "name": name})
}

/// `db` and `jobs` with what is hidden before, behind, beside and inside them.
fn estate() -> Vec<Value> {
    let hidden = "vault-PLANTED";
    let mut load = run_event("COMPLETE", 1, 10, &["a"], &["b"]);
    load["inputs"].as_array_mut().unwrap().push(dataset(hidden, "PLANTED.input"));
    load["run"]["facets"] = json!({"parent": facet(json!({
        "run": {"runId": "00000000-0000-4000-8000-0000000000aa"}, "job": dataset("jobs-PLANTED", "PLANTED.dag")})),
        "errorMessage": facet(json!({"message": "PLANTED failed", "programmingLanguage": "SQL"}))});
    load["job"]["facets"] = json!({"sql": facet(json!({"query": "insert into b select * from PLANTED.input"}))});
    load["outputs"][0]["facets"] = json!({
        "schema": facet(json!({"fields": [{"name": "id"}]})),
        "columnLineage": facet(json!({"fields": {"id": {"inputFields": [{"namespace": hidden, "name": "PLANTED.input", "field": "PLANTED_c"}]}}})),
        "symlinks": facet(json!({"identifiers": [{"namespace": hidden, "name": "PLANTED.alias", "type": "TABLE"}]})),
    });
    load["outputs"][0]["outputFacets"] = json!({"outputStatistics": facet(json!({"rowCount": 5}))});
    let mut onward = run_event("COMPLETE", 2, 20, &["b"], &["c"]);
    onward["job"] = dataset("jobs-PLANTED", "PLANTED.export");
    onward["outputs"].as_array_mut().unwrap().push(dataset(hidden, "PLANTED.output"));
    let mut behind = run_event("COMPLETE", 3, 30, &[], &["z"]);
    behind["job"]["name"] = json!("behind");
    behind["inputs"] = json!([dataset(hidden, "PLANTED.output")]);
    let mut plain = run_event("COMPLETE", 4, 40, &["a"], &["d"]);
    plain["job"]["name"] = json!("plain");
    vec![load, onward, behind, plain]
}

const ENTRY: &str = "index type source leaf parts{class state commitment text json}";

fn questions() -> Vec<String> {
    let run = format!(
        "runId state parentRunId parent{{runId}} root{{runId}} job{{id namespace name}} inputs{{id namespace name}} outputs{{id namespace name}} \
         events{{{ENTRY}}} facets{{name json}} inputFacets{{dataset{{namespace name}} json}} outputFacets{{dataset{{namespace name}} json}}"
    );
    let artifact = format!(
        "id kind namespace name aliases{{namespace name}} nodeId description schema{{fields{{path}}}} schemaHistory{{fields{{path}} event{{{ENTRY}}}}} \
         facets{{name job digest state json}} tags{{key value}} sql versions{{definition}} runs{{{run}}} runStatistics{{runs}} quality{{run{{{run}}} metrics}} \
         neighbours(direction: BOTH){{count status nodes{{id namespace name}}}} changes{{nodes{{index kinds facets reason event{{{ENTRY}}}}}}}"
    );
    let lineage = "nodes{id restricted kind namespace name dataset aliases{namespace name} depth selfLoop deletedAt remaining artifact{id name}} \
         edges{from to kind job transformations{type description} validFrom validUntil assertions{source event{index parts{text}}}} \
         byNamespace{namespaces{namespace nodes} edges{from to edges}} \
         coverage{source} completeness{status reasons nodesVisited edgesVisited frontier prunedByTime}";
    let counts = "nodes edges byKind{kind nodes} byDepth{depth nodes} status reasons";
    let options = |more: &str| {
        format!("options: {{depth: 10, maxNodes: 500, perNodeLimit: 100, includeDeleted: true, includeSelfLoops: true{more}}}")
    };
    let name = |name: &str| format!("{{dataset: {{namespace: \"db\", name: \"{name}\"}}}}");
    let mut all = vec![
        format!("{{artifacts(first: 200){{totalCount nodes{{{artifact}}}}}}}"),
        format!("{{events(first: 200){{nodes{{{ENTRY} actor{{handle}}}}}}}}"),
        format!(
            "{{search(text: \"PLANTED\"){{totalCount nodes{{artifact{{{artifact}}}}} facets{{namespaces{{namespace count}} kinds{{kind count}}}}}}}}"
        ),
        format!(
            "{{search(text: \"db\"){{totalCount nodes{{artifact{{id name}}}} facets{{namespaces{{namespace count}} kinds{{kind count}}}}}}}}"
        ),
        "{viewer{actor{handle}} ledger{size}}".to_owned(),
    ];
    for id in 1..5 {
        all.push(format!("{{run(runId: \"00000000-0000-4000-8000-00000000000{id}\"){{{run}}} event(index: {id}){{{ENTRY}}}}}"));
    }
    for start in ["a", "b", "c", "d", "z"] {
        all.push(format!("{{artifact(ref: {}){{{artifact}}}}}", name(start)));
        for more in ["", ", level: FIELD", ", level: RUN", ", collapse: JOBS", ", collapse: DATASETS"] {
            all.push(format!("{{lineage(from: [{}], {}){{{lineage}}}}}", name(start), options(more)));
            all.push(format!(
                "{{lineageCounts(from: [{}], {}){{upstream{{{counts}}} downstream{{{counts}}}}}}}",
                name(start),
                options(more)
            ));
        }
        for end in ["b", "c", "z"] {
            all.push(format!(
                "{{lineagePaths(from: {}, to: {}){{paths{{length nodes{{namespace name}} edges{{job}}}} moreExist status reasons}}}}",
                name(start),
                name(end)
            ));
        }
    }
    all
}

fn scoped(stand: &Stand, actor: &str, roles: &[Role]) -> String {
    let namespaces = ["db", "jobs"].map(str::to_owned).to_vec();
    stand.token_of(NewToken { actor: actor.to_owned(), roles: roles.to_vec(), namespaces, ..new_token() })
}

fn play(stand: &Stand) {
    let producer = stand.token(&[Role::Producer]);
    for event in estate() {
        assert_eq!(stand.send(&producer, &event).status, 201);
    }
}

#[test]
fn no_answer_to_a_scoped_token_holds_a_name_a_namespace_or_an_id_that_is_hidden_from_it() {
    let stand = Stand::with(|_| {}, |settings| settings.graphql.complexity_max = 1_000_000_000);
    play(&stand);
    let everything = stand.token(&[Role::Engineer, Role::Auditor]);
    let found = stand.data(&everything, "{artifacts(first: 200){nodes{id namespace}}}", json!({}));
    let hidden: Vec<String> = found["artifacts"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|n| n["namespace"].as_str().unwrap().contains(PLANTED))
        .map(|n| n["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(hidden.len() >= 4, "{found}");
    let (mut leaked_to_all, mut restricted) = (0, 0);
    for roles in [&[Role::Engineer][..], &[Role::Auditor]] {
        let token = scoped(&stand, "somebody", roles);
        for query in questions() {
            // Whoever may see everything shows that there is something to be learnt.
            leaked_to_all += usize::from(stand.graphql(&everything, &query, json!({})).text().contains(PLANTED));
            let answer = stand.graphql(&token, &query, json!({}));
            let text = answer.text().replace(&format!("\"{query}\""), "");
            assert!(answer.status == 200 && !text.contains("\"errors\""), "{query}\n{text}");
            assert!(!text.contains(PLANTED), "{query}\n{text}");
            for id in &hidden {
                assert!(!text.contains(id.as_str()), "{query}\n{text}");
            }
            restricted += text.matches("\"restricted\":true").count();
        }
        if roles.contains(&Role::Auditor) {
            for index in 0..stand.world.app.ledger_size() {
                let path = format!("/ledger/opening/{index}");
                let opening = stand.ask(Ask::get(&path).by(&token));
                assert!(opening.status == 200 && !opening.text().contains(PLANTED), "{}", opening.text());
            }
        }
        for id in &hidden {
            let answer = stand.graphql(&token, "query($id: ID!){node(id: $id){id} artifact(ref: {id: $id}){id}}", json!({ "id": id }));
            assert_eq!(answer.json(), json!({"data": {"node": null, "artifact": null}}));
        }
    }
    assert!(leaked_to_all > 40 && restricted > 20, "{leaked_to_all} {restricted}");
}

#[test]
fn a_hidden_start_is_unknown_in_the_same_words_and_a_restricted_node_leads_nowhere() {
    let stand = Stand::new();
    play(&stand);
    let [first, second] = ["first", "second"].map(|actor| scoped(&stand, actor, &[Role::Reader]));
    let from = |namespace: &str, name: &str| {
        stand.error(
            &first,
            "query($n: NameRef!){lineage(from: [{dataset: $n}]){nodes{id}}}",
            json!({"n": {"namespace": namespace, "name": name}}),
        )
    };
    assert_eq!(from("vault-PLANTED", "PLANTED.input"), from("vault-PLANTED", "nobody names this"));
    assert_eq!(from("vault-PLANTED", "PLANTED.input").0, "NOT_FOUND");
    let query = "{lineage(from: [{dataset: {namespace: \"db\", name: \"b\"}}], options: {depth: 9}){nodes{id restricted name} edges{from to assertions{source}} completeness{status reasons}}}";
    let restricted = |token: &str| {
        let data = stand.data(token, query, json!({}));
        assert_eq!(data["lineage"]["completeness"], json!({"status": "RESTRICTED", "reasons": ["RESTRICTED"]}));
        let ids: Vec<String> = data["lineage"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|n| n["restricted"] == true)
            .map(|n| n["id"].as_str().unwrap().to_owned())
            .collect();
        for edge in data["lineage"]["edges"].as_array().unwrap() {
            let touches = ids.iter().any(|id| edge["from"] == **id || edge["to"] == **id);
            assert_eq!(edge["assertions"].as_array().unwrap().is_empty(), touches, "{edge}");
        }
        ids
    };
    let (mine, theirs) = (restricted(&first), restricted(&second));
    // The input of the job that wrote `b`, and the job that read it; nothing of what that one wrote.
    assert_eq!((mine.len(), theirs.len()), (2, 2));
    assert_eq!(mine, restricted(&first));
    for id in &mine {
        assert!(!theirs.contains(id));
        assert_eq!(stand.data(&first, "query($id: ID!){node(id: $id){id}}", json!({ "id": id })), json!({"node": null}));
        assert_eq!(stand.error(&first, "query($id: ID!){lineage(from: [{id: $id}]){nodes{id}}}", json!({ "id": id })), from("x", "y"));
    }
}

#[test]
fn a_restricted_answer_is_written_as_text_byte_for_byte_as_the_ordinary_objects_write_it() {
    let stand = Stand::new();
    play(&stand);
    let token = scoped(&stand, "somebody", &[Role::Reader]);
    for (start, more) in [("a", ""), ("b", ""), ("b", ", level: FIELD"), ("c", ", collapse: JOBS"), ("z", ", collapse: DATASETS")] {
        let ask = |last: &str| {
            let query = format!(
                "{{lineage(from: [{{dataset: {{namespace: \"db\", name: \"{start}\"}}}}], options: {{depth: 9{more}}}, asOf: {{validAt: \"2026-11-24T11:00:00Z\"}}){{\
                 nodes{{__typename id restricted kind namespace name dataset aliases{{name}} depth selfLoop deletedAt remaining}} \
                 completeness{{status reasons frontier prunedByTime nodesVisited edgesVisited}} \
                 edges{{from to kind job transformations{{type}} validFrom validUntil {last}}}}}}}"
            );
            stand.graphql(&token, &query, json!({})).text().to_owned()
        };
        let ordinary = ask("assertions(first: 0){source}");
        assert!(ordinary.contains("\"assertions\":[]") || !ordinary.contains("validFrom"), "{ordinary}");
        assert_eq!(ask(""), ordinary.replace(",\"assertions\":[]", ""));
    }
}

#[test]
fn the_present_sensitivity_counts_for_every_instant_and_a_renamed_table_keeps_it() {
    let stand = Stand::new();
    let (producer, engineer, reader) = (stand.token(&[Role::Producer]), stand.token(&[Role::Engineer]), stand.token(&[Role::Reader]));
    stand.send(&producer, &run_event("COMPLETE", 1, 10, &["a"], &["b"]));
    let size = stand.world.app.ledger_size();
    let sees = |stand: &Stand, token: &str, name: &str, at: Value| {
        let data = stand.data(
            token,
            "query($n: NameRef!, $at: AsOf){artifact(ref: {dataset: $n}, asOf: $at){id}}",
            json!({"n": {"namespace": "db", "name": name}, "at": at}),
        );
        !data["artifact"].is_null()
    };
    let tag = |value: &str| {
        let query = "mutation($i: SetTagsInput!){setTags(input: $i){refusal{code} receipt{index}}}";
        let input = json!({"artifact": {"dataset": {"namespace": "db", "name": "b"}}, "tags": [{"key": "Sensitivity", "value": value}], "reason": "classified"});
        let data = stand.data(&engineer, query, json!({ "i": input }));
        assert!(data["setTags"]["refusal"].is_null(), "{data}");
        stand.world.clock.advance(1_000_000);
    };
    assert!(sees(&stand, &reader, "b", Value::Null));
    for (value, seen) in [("confidential", true), ("RESTRICTED", false), ("internal", true), ("no known word", false)] {
        tag(value);
        for at in [Value::Null, json!({ "ledgerSize": size })] {
            assert_eq!((sees(&stand, &reader, "b", at.clone()), sees(&stand, &engineer, "b", at)), (seen, true), "{value}");
        }
    }
    let found = stand.data(&reader, "{search(text: \"b\"){totalCount} artifacts{nodes{name}}}", json!({}));
    assert_eq!(found["search"]["totalCount"], 0);
    // Under its new name it is what it was, and so it is after a restart.
    let mut renamed = run_event("COMPLETE", 2, 20, &["a"], &["new"]);
    renamed["outputs"][0]["facets"] = json!({"lifecycleStateChange": facet(json!({
        "lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": "db", "name": "b"}}))});
    stand.send(&producer, &renamed);
    assert!(!sees(&stand, &reader, "new", Value::Null) && sees(&stand, &engineer, "new", Value::Null));
    let stand = stand.restarted();
    for name in ["b", "new"] {
        assert!(!sees(&stand, &reader, name, Value::Null) && sees(&stand, &engineer, name, Value::Null), "{name}");
    }
    assert!(sees(&stand, &reader, "a", Value::Null));
}

#[test]
fn what_is_hidden_and_gone_is_no_number_in_a_lineage_of_runs() {
    let stand = Stand::new();
    let producer = stand.token(&[Role::Producer]);
    let mut load = run_event("COMPLETE", 1, 10, &["a"], &["b"]);
    load["inputs"].as_array_mut().unwrap().push(dataset("vault-PLANTED", "PLANTED.gone"));
    let mut dropped = run_event("COMPLETE", 2, 20, &[], &[]);
    dropped["job"]["name"] = json!("drops");
    dropped["outputs"] = json!([dataset("vault-PLANTED", "PLANTED.gone")]);
    dropped["outputs"][0]["facets"] = json!({"lifecycleStateChange": facet(json!({"lifecycleStateChange": "DROP"}))});
    for event in [load, dropped] {
        assert_eq!(stand.send(&producer, &event).status, 201);
    }
    let query = "{lineage(from: [{run: \"00000000-0000-4000-8000-000000000001\"}], options: {level: RUN}){nodes{id} completeness{status prunedByTime}}}";
    let told = |token: &str| {
        let data = stand.data(token, query, json!({}));
        (data["lineage"]["nodes"].as_array().unwrap().len(), data["lineage"]["completeness"].clone())
    };
    let everything = stand.token(&[Role::Engineer]);
    assert_eq!(told(&everything), (3, json!({"status": "COMPLETE", "prunedByTime": 1})));
    assert_eq!(told(&scoped(&stand, "somebody", &[Role::Engineer])), (3, json!({"status": "COMPLETE", "prunedByTime": 0})));
}
