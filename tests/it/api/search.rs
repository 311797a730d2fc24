//! Search over HTTP: what is found, in which order, by whom, and what it stands on.
use ledgerline::{access::Role, app::tokens::NewToken, domain::search::SearchQuery};
use serde_json::{Value, json};

use super::stand::{Stand, block_on, new_token};
use crate::support::World;

const SEARCH: &str = "query($text: String!, $first: Int, $after: String, $filter: SearchFilter) {
  search(text: $text, first: $first, after: $after, filter: $filter) {
    edges { cursor node { artifact { namespace name kind } matches { place word manner } } }
    pageInfo { hasNextPage hasPreviousPage endCursor } totalCount asOf { ledgerSize }
    facets { kinds { kind count } namespaces { namespace count } owners { owner { handle } count } tags { key value count } }
  }
}";

fn facet(value: Value) -> Value {
    let mut facet = json!({"_producer": "https://example.org/p", "_schemaURL": "https://example.org/s"});
    facet.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
    facet
}

fn dataset(minute: u32, namespace: &str, name: &str, facets: Value) -> Value {
    json!({
        "eventTime": format!("2026-11-24T10:{minute:02}:00Z"), "producer": "https://example.org/p",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent",
        "dataset": {"namespace": namespace, "name": name, "facets": facets},
    })
}

fn columns(names: &[&str]) -> Value {
    facet(json!({"fields": names.iter().map(|n| json!({"name": n, "type": "text"})).collect::<Vec<_>>()}))
}

struct Shop {
    stand: Stand,
    token: String,
}

impl Shop {
    /// Orders by name, by column, by description, by tag; and in another namespace.
    fn new() -> Self {
        let stand = Stand::new();
        let token = stand.token(&[Role::Engineer]);
        let shop = Self { stand, token };
        for event in [
            dataset(0, "shop", "public.orders", json!({"ownership": facet(json!({"owners": [{"name": "Jane Roe", "type": "OWNER"}]}))})),
            dataset(0, "shop", "public.order_items", json!({"schema": columns(&["order_id", "sku"])})),
            dataset(
                0,
                "shop",
                "public.payments",
                json!({"schema": columns(&["orders", "amount"]),
                "tags": facet(json!({"tags": [{"key": "domain", "value": "billing", "source": "t"}]}))}),
            ),
            dataset(
                0,
                "shop",
                "public.visits",
                json!({"documentation": facet(json!({"description": "Who looked before the Orders came"}))}),
            ),
            dataset(0, "crm", "orders", json!({})),
            dataset(0, "crm", "contacts", json!({"documentation": facet(json!({"description": "Crème de la crème"}))})),
        ] {
            shop.send(&event);
        }
        shop
    }

    fn send(&self, event: &Value) {
        let answer = self.stand.send(&self.token, event);
        assert!(answer.status < 300, "{}", answer.text());
    }

    fn search_by(&self, token: &str, variables: Value) -> Value {
        self.stand.data(token, SEARCH, variables)["search"].take()
    }

    fn search(&self, text: &str) -> Value {
        self.search_by(&self.token, json!({"text": text}))
    }

    fn names(&self, text: &str) -> Vec<String> {
        names(&self.search(text))
    }
}

fn names(found: &Value) -> Vec<String> {
    let one = |e: &Value| {
        let a = &e["node"]["artifact"];
        format!("{}/{}", a["namespace"].as_str().unwrap(), a["name"].as_str().unwrap())
    };
    found["edges"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn the_best_comes_first_and_each_hit_says_where_it_matched() {
    let shop = Shop::new();
    let found = shop.search("orders");
    assert_eq!(
        names(&found),
        ["crm/orders", "shop/public.orders", "shop/public.payments", "shop/public.visits", "shop/public.order_items"]
    );
    let matches: Vec<&Value> = found["edges"].as_array().unwrap().iter().map(|e| &e["node"]["matches"][0]).collect();
    assert_eq!(*matches[0], json!({"place": "NAME", "word": "orders", "manner": "WHOLE"}));
    assert_eq!(*matches[2], json!({"place": "COLUMN", "word": "orders", "manner": "WHOLE"}));
    assert_eq!(matches[3]["place"], "DESCRIPTION");
    assert_eq!(*matches[4], json!({"place": "NAME", "word": "order", "manner": "SIMILAR"}));
    assert_eq!(found["totalCount"], 5);
    assert_eq!(found["asOf"]["ledgerSize"], shop.stand.data(&shop.token, "{ ledger { size } }", json!({}))["ledger"]["size"]);
    assert_eq!(shop.names("order").len(), 5, "words that begin so");
    assert_eq!(shop.names("public order sku"), ["shop/public.order_items"], "every word is needed");
    assert_eq!(shop.names("creme"), ["crm/contacts"], "accents do not matter");
    assert_eq!(shop.names("billing"), ["shop/public.payments"]);
}

#[test]
fn a_slip_of_the_pen_finds_it_all_the_same() {
    let shop = Shop::new();
    let found = shop.search("paymnets");
    assert_eq!(names(&found), ["shop/public.payments"]);
    assert_eq!(found["edges"][0]["node"]["matches"][0], json!({"place": "NAME", "word": "payments", "manner": "SIMILAR"}));
    assert!(shop.names("xyzzyplugh").is_empty());
}

#[test]
fn facets_and_filters_agree() {
    let shop = Shop::new();
    let found = shop.search("orders");
    let facets = &found["facets"];
    assert_eq!(facets["kinds"], json!([{"kind": "DATASET", "count": 5}]));
    assert_eq!(facets["namespaces"], json!([{"namespace": "shop", "count": 4}, {"namespace": "crm", "count": 1}]));
    assert_eq!(facets["tags"], json!([{"key": "domain", "value": "billing", "count": 1}]));
    let owner = facets["owners"][0]["owner"]["handle"].as_str().unwrap();
    for (filter, count) in [
        (json!({"namespace": "shop"}), 4),
        (json!({"namespace": "nowhere"}), 0),
        (json!({"kinds": ["DATASET"]}), 5),
        (json!({"kinds": ["JOB", "REPORT"]}), 0),
        (json!({"owner": owner}), 1),
        (json!({"owner": "00000000-0000-4000-8000-000000000000"}), 0),
        (json!({"tag": {"key": "domain"}}), 1),
        (json!({"tag": {"key": "domain", "value": "billing"}}), 1),
        (json!({"tag": {"key": "domain", "value": "sales"}}), 0),
        (json!({"namespace": "shop", "tag": {"key": "domain"}}), 1),
    ] {
        let found = shop.search_by(&shop.token, json!({"text": "orders", "filter": filter}));
        assert_eq!((found["totalCount"].as_u64(), names(&found).len()), (Some(count), count as usize), "{filter}");
    }
}

#[test]
fn pages_hold_each_hit_once_and_a_cursor_belongs_to_its_search() {
    let shop = Shop::new();
    for i in 0..50 {
        shop.send(&dataset(1, "bulk", &format!("report_{i:02}"), json!({})));
    }
    let (mut walked, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = shop.search_by(&shop.token, json!({"text": "report", "first": 7, "after": after}));
        assert_eq!(page["totalCount"], 50);
        assert_eq!(page["pageInfo"]["hasPreviousPage"], !after.is_null());
        walked.extend(names(&page));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        // What comes in between moves nothing.
        shop.send(&dataset(2, "bulk", &format!("other_{}", walked.len()), json!({})));
    }
    assert_eq!(walked, (0..50).map(|i| format!("bulk/report_{i:02}")).collect::<Vec<_>>());
    for variables in [
        json!({"text": "reports", "after": after}),
        json!({"text": "report", "after": after, "filter": {"namespace": "bulk"}}),
        json!({"text": "report", "after": "AAAA"}),
    ] {
        assert_eq!(shop.stand.error(&shop.token, SEARCH, variables.clone()).0, "BAD_USER_INPUT", "{variables}");
    }
    let listed = shop.stand.data(&shop.token, "{ artifacts(first: 1) { edges { cursor } } }", json!({}));
    let variables = json!({"text": "report", "after": listed["artifacts"]["edges"][0]["cursor"]});
    assert_eq!(shop.stand.error(&shop.token, SEARCH, variables).0, "BAD_USER_INPUT");
}

#[test]
fn what_a_caller_may_not_see_neither_appears_nor_counts() {
    let shop = Shop::new();
    let scoped = NewToken { roles: vec![Role::Reader], namespaces: vec!["shop*".to_owned()], ..new_token() };
    let token = shop.stand.token_of(scoped);
    let found = shop.search_by(&token, json!({"text": "orders"}));
    assert_eq!(names(&found), ["shop/public.orders", "shop/public.payments", "shop/public.visits", "shop/public.order_items"]);
    assert_eq!((&found["totalCount"], &found["facets"]["namespaces"]), (&json!(4), &json!([{"namespace": "shop", "count": 4}])));
    let hidden = shop.search_by(&token, json!({"text": "contacts"}));
    assert_eq!((&hidden["totalCount"], &hidden["facets"]["kinds"]), (&json!(0), &json!([])));
    for roles in [&[Role::Producer][..], &[Role::Admin, Role::PrivacyOfficer]] {
        let token = shop.stand.token(roles);
        assert_eq!(shop.stand.error(&token, SEARCH, json!({"text": "orders"})).0, "FORBIDDEN", "{roles:?}");
    }
}

#[test]
fn dropped_artifacts_and_replaced_descriptions_are_no_longer_found() {
    let shop = Shop::new();
    assert_eq!(shop.names("looked"), ["shop/public.visits"]);
    shop.send(&dataset(3, "shop", "public.visits", json!({"documentation": facet(json!({"description": "Somebody came"}))})));
    assert!(shop.names("looked").is_empty());
    assert_eq!(shop.names("somebody"), ["shop/public.visits"]);
    let dropped = json!({"lifecycleStateChange": facet(json!({"lifecycleStateChange": "DROP"}))});
    shop.send(&dataset(4, "shop", "public.visits", dropped));
    assert!(shop.names("somebody").is_empty() && shop.names("visits").is_empty());
    // And a name that begins anew is found again.
    shop.send(&dataset(5, "shop", "public.visits", json!({"schema": columns(&["again"])})));
    assert_eq!(shop.names("visits again"), ["shop/public.visits"]);
}

#[test]
fn other_names_lead_to_the_artifact_that_they_are() {
    let shop = Shop::new();
    let symlinks = facet(json!({"identifiers": [{"namespace": "glue", "name": "lake.purchases", "type": "TABLE"}]}));
    shop.send(&dataset(6, "shop", "public.orders", json!({"symlinks": symlinks})));
    let found = shop.search("purchases");
    assert_eq!(
        (names(&found), &found["edges"][0]["node"]["matches"][0]["place"]),
        (vec!["shop/public.orders".to_owned()], &json!("ALIAS"))
    );
    let scoped = NewToken { roles: vec![Role::Reader], namespaces: vec!["shop".to_owned()], ..new_token() };
    let token = shop.stand.token_of(scoped);
    assert!(names(&shop.search_by(&token, json!({"text": "purchases"}))).is_empty(), "a name outside the scope leads nowhere");
    assert_eq!(names(&shop.search_by(&token, json!({"text": "public orders"}))).first().unwrap(), "shop/public.orders");
    // Without the link both names are artifacts of their own.
    shop.send(&dataset(7, "shop", "public.orders", json!({"symlinks": facet(json!({"identifiers": []}))})));
    shop.send(&dataset(8, "glue", "lake.purchases", json!({})));
    assert_eq!(shop.names("purchases"), ["glue/lake.purchases"]);
}

#[test]
fn after_a_restart_the_same_is_found() {
    let world = World::new();
    let before = block_on(async {
        for name in ["orders", "order_items", "visits"] {
            let documentation = facet(json!({"description": format!("All of {name}")}));
            world.send(&dataset(0, "shop", name, json!({"documentation": documentation}))).await;
        }
        let query = SearchQuery { text: "order".into(), limit: 10, ..SearchQuery::default() };
        world
            .view()
            .await
            .search(query)
            .await
            .unwrap()
            .found
            .hits
            .into_iter()
            .map(|h| format!("shop/{}", h.at.name.name))
            .collect::<Vec<_>>()
    });
    assert_eq!(before, ["shop/order_items", "shop/orders"]);
    let stand = Stand::over(world.reopen(), |_| {});
    let token = stand.token(&[Role::Reader]);
    assert_eq!(names(&stand.data(&token, SEARCH, json!({"text": "order"}))["search"]), before);
}

#[test]
fn a_text_that_asks_for_nothing_or_too_much_is_refused() {
    let shop = Shop::new();
    for (text, says) in [
        (String::new(), "no letter"),
        (" *** ".to_owned(), "no letter"),
        ("x".repeat(513), "longer than 512"),
        ("a b c d e f g h i".to_owned(), "at most 8"),
    ] {
        let (code, message) = shop.stand.error(&shop.token, SEARCH, json!({"text": text}));
        assert!(code == "BAD_USER_INPUT" && message.contains(says), "{code} {message}");
    }
    for variables in
        [json!({"text": "a", "first": 201}), json!({"text": "a", "first": -1}), json!({"text": "a", "filter": {"owner": "Jane"}})]
    {
        assert_eq!(shop.stand.error(&shop.token, SEARCH, variables.clone()).0, "BAD_USER_INPUT", "{variables}");
    }
}
