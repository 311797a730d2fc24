//! What `demo` plays: three months of a shop, its people and the queries to try.
//! Everything goes through the public API, so the demo tests it too.
mod estate;
mod facets;
mod history;

use serde_json::{Value, json};

pub use self::{
    estate::{Estate, Job, Table},
    history::{DAYS, events},
};
use crate::{
    access::Role,
    domain::time::{DAY, Micros},
};

/// Somebody who gets a token.
#[derive(Debug, Clone, Copy)]
pub struct Persona {
    /// The actor's name; invented.
    pub name: &'static str,
    /// A natural person, not a service.
    pub person: bool,
    pub roles: &'static [Role],
    /// Namespaces that the token is good for.
    pub namespaces: &'static [&'static str],
    /// The integration that its events come from.
    pub integration: &'static str,
    /// What one can try with the token.
    pub about: &'static str,
}

/// One persona a role that the first release has use cases for.
pub const PERSONAS: [Persona; 6] = [
    Persona {
        name: "ada.admin@example.org",
        person: true,
        roles: &[Role::Admin],
        namespaces: &["*"],
        integration: "default",
        about: "creates and revokes tokens; reads no data",
    },
    Persona {
        name: "noor.haddad@example.org",
        person: true,
        roles: &[Role::Engineer],
        namespaces: &["*"],
        integration: "default",
        about: "sends events; reads catalog, lineage, events as received, raw SQL and errors",
    },
    Persona {
        name: "mira.okafor@example.org",
        person: true,
        roles: &[Role::Reader],
        namespaces: &["*"],
        integration: "default",
        about: "reads catalog and lineage",
    },
    Persona {
        name: "otto.auditor@example.org",
        person: true,
        roles: &[Role::Auditor],
        namespaces: &["*"],
        integration: "default",
        about: "reads everything but people, and the ledger: tiles, proofs, openings",
    },
    Persona {
        name: "petra.privacy@example.org",
        person: true,
        roles: &[Role::PrivacyOfficer, Role::Reader],
        namespaces: &["*"],
        integration: "default",
        about: "reads catalog and lineage, and the parts that hold people",
    },
    Persona {
        name: "pipelines",
        person: false,
        roles: &[Role::Producer],
        namespaces: &["*"],
        integration: "pipelines",
        about: "sends events and reads nothing; the demo's own history came from it",
    },
];

/// A query worth trying.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The file's name in `seeds/demo/queries`, without `.graphql`.
    pub name: &'static str,
    pub text: &'static str,
    pub variables: Value,
}

impl Query {
    /// Its first line says what it answers.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches(['#', ' '])
    }

    /// The query alone, on one line.
    #[must_use]
    pub fn line(&self) -> String {
        let lines = self.text.lines().filter(|l| !l.starts_with('#'));
        lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
    }
}

/// The queries, with variables that fit a history that ends at `now`.
#[must_use]
pub fn queries(now: Micros) -> [Query; 7] {
    let days_ago = |days: i64| Micros(now.0 - days * DAY).rfc3339();
    [
        Query { name: "where-from", text: include_str!("../../../seeds/demo/queries/where-from.graphql"), variables: json!({}) },
        Query {
            name: "where-does-an-address-go",
            text: include_str!("../../../seeds/demo/queries/where-does-an-address-go.graphql"),
            variables: json!({}),
        },
        Query {
            name: "before-the-rename",
            text: include_str!("../../../seeds/demo/queries/before-the-rename.graphql"),
            variables: json!({ "before": days_ago(50), "after": days_ago(40) }),
        },
        Query { name: "what-failed", text: include_str!("../../../seeds/demo/queries/what-failed.graphql"), variables: json!({}) },
        Query { name: "catalog", text: include_str!("../../../seeds/demo/queries/catalog.graphql"), variables: json!({ "first": 20 }) },
        Query {
            name: "ledger-entries",
            text: include_str!("../../../seeds/demo/queries/ledger-entries.graphql"),
            variables: json!({ "first": 5 }),
        },
        Query { name: "proof", text: include_str!("../../../seeds/demo/queries/proof.graphql"), variables: json!({ "index": 0 }) },
    ]
}
