//! Who is asking, and what they may do.
use std::sync::Arc;

use async_graphql::{Enum, Object};

use super::Actor;
use crate::access::{self, Action, Principal};

/// What a token's holder is there for. Several roles are their union.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "access::Role")]
pub enum Role {
    /// Tokens, configuration, policies; no bodies, no ingest.
    Admin,
    /// Sends events.
    Producer,
    /// Sends, registers, corrects; reads catalog, lineage, `CORE` and `REST` parts.
    Engineer,
    /// Reads catalog, lineage and `CORE` parts.
    Reader,
    /// People, and `PERSON` parts.
    PrivacyOfficer,
    /// Retention and holds.
    RecordsManager,
    /// Approves what others ask for.
    Approver,
    /// Reads everything but `PERSON` parts, and the ledger; writes nothing.
    Auditor,
    /// A data subject: own data only.
    Subject,
}

/// Something that a caller may do.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    /// Send lineage events.
    IngestEvents,
    /// Read artifacts, runs, schemas, tags and owners' handles.
    ReadCatalog,
    /// Walk lineage.
    ReadLineage,
    /// List entries and read their `CORE` parts.
    ReadCore,
    /// Read `REST` parts.
    ReadRest,
    /// Read `PERSON` parts.
    ReadPerson,
    /// Read `CONTEXT` parts.
    ReadContext,
    /// Read raw SQL, error texts and statistics.
    ReadOperational,
    /// Read the log's checkpoint and verifier key.
    ReadLedgerHead,
    /// Read tiles, proofs and openings.
    ReadLedger,
    /// Create and revoke tokens.
    ManageTokens,
}

const PERMISSIONS: [(Permission, Action); 11] = [
    (Permission::IngestEvents, Action::IngestEvent),
    (Permission::ReadCatalog, Action::ReadCatalog),
    (Permission::ReadLineage, Action::ReadLineage),
    (Permission::ReadCore, Action::ReadCore),
    (Permission::ReadRest, Action::ReadRest),
    (Permission::ReadPerson, Action::ReadPerson),
    (Permission::ReadContext, Action::ReadContext),
    (Permission::ReadOperational, Action::ReadOperational),
    (Permission::ReadLedgerHead, Action::ReadLedgerHead),
    (Permission::ReadLedger, Action::ReadLedger),
    (Permission::ManageTokens, Action::ManageTokens),
];

/// Who is asking.
pub struct Viewer(pub Arc<Principal>);

/// Who is asking.
#[Object]
impl Viewer {
    /// The person or service that acts.
    async fn actor(&self) -> Actor {
        self.0.actor.into()
    }

    /// Whether the actor is a person.
    async fn person(&self) -> bool {
        self.0.person
    }

    /// The token's roles.
    async fn roles(&self) -> Vec<Role> {
        self.0.roles.iter().map(Role::from).collect()
    }

    /// The name under which the token's events are told apart from those of others.
    async fn integration(&self) -> &str {
        &self.0.integration
    }

    /// The namespaces that the token is good for: names, or beginnings of names with a `*` at the end.
    async fn namespaces(&self) -> Vec<String> {
        self.0.scope.patterns().collect()
    }

    /// What the caller may do.
    async fn may(&self) -> Vec<Permission> {
        PERMISSIONS.iter().filter(|(_, action)| self.0.may(*action)).map(|(p, _)| *p).collect()
    }
}

/// What is permitted of what can be done with an artifact; asks about each action
/// and whether it changes something.
pub fn permitted(may: impl Fn(Action, bool) -> bool) -> Vec<Permission> {
    let about_artifacts = PERMISSIONS.iter().filter(|(_, action)| !matches!(action, Action::ManageTokens | Action::ReadLedgerHead));
    about_artifacts.filter(|(_, action)| may(*action, !action.name().starts_with("Read"))).map(|(p, _)| *p).collect()
}
