//! Who asks.
use super::{action::Action, role::RoleSet, scope::Scope};
use crate::domain::{id::Handle, time::Micros};

/// An authenticated caller: what its token says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Principal {
    /// The person or service that acts. Four-eyes compares these, not tokens.
    pub actor: Handle,
    /// Whether the actor is a natural person, so that the entry refers to them.
    pub person: bool,
    pub roles: RoleSet,
    /// The half of a [source](crate::domain::source::Source) that the token gives.
    pub integration: Box<str>,
    pub scope: Scope,
    /// From this instant on the token is worth nothing.
    pub expires: Option<Micros>,
}

impl Principal {
    /// Whether a role permits the action. That the token is alive was checked
    /// when it was shown; what depends on namespaces asks [`decide`](super::decide).
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
        super::decide(self, action, super::Attributes { at: crate::domain::time::DAWN, namespaces: &[] }).permits()
    }
}
