//! The one place where a request is permitted or denied.
use std::fmt;

use super::{
    action::Action,
    principal::Principal,
    role::{Role, RoleSet},
};
use crate::domain::time::Micros;

/// What a request is about, as far as rights depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// Now.
    pub at: Micros,
    /// Every namespace that the request touches; empty when it touches none.
    pub namespaces: &'a [&'a str],
}

/// The rules that a decision stands on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    roles: RoleSet,
    action: Action,
}

impl Rules {
    /// Their ids, such as `role/engineer/IngestEvent`: what an entry records.
    pub fn ids(self) -> impl Iterator<Item = String> {
        self.roles.iter().map(move |role| format!("role/{}/{}", role.word(), self.action.name()))
    }

    /// The roles that permitted.
    pub fn roles(self) -> impl Iterator<Item = Role> {
        self.roles.iter()
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

/// Permitted, by which rules; or not, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    Permit { by: Rules },
    Deny { reason: DenyReason },
}

impl Decision {
    #[must_use]
    pub const fn permits(self) -> bool {
        matches!(self, Self::Permit { .. })
    }

    /// The same as a `Result`, for `?`.
    ///
    /// # Errors
    /// The reason of a denial.
    pub const fn ok(self) -> Result<Rules, DenyReason> {
        match self {
            Self::Permit { by } => Ok(by),
            Self::Deny { reason } => Err(reason),
        }
    }
}

/// Why not. The texts hold nothing that the asker did not write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DenyReason {
    #[error("the token has expired")]
    Expired,
    #[error("no role of the token permits `{}`", _0.name())]
    NoRole(Action),
    /// The position in [`Attributes::namespaces`] of the first one outside.
    #[error("the token's scope does not hold that namespace")]
    OutsideScope(usize),
}

/// Decides. Deny by default: a role must permit the action, the token must be
/// alive, and its scope must hold every namespace that is touched.
#[must_use]
pub fn decide(principal: &Principal, action: Action, attributes: Attributes<'_>) -> Decision {
    let deny = |reason| Decision::Deny { reason };
    if principal.expires.is_some_and(|end| end <= attributes.at) {
        return deny(DenyReason::Expired);
    }
    let roles = principal.roles.and(action.permitted_to());
    if roles.is_empty() {
        return deny(DenyReason::NoRole(action));
    }
    if !principal.scope.holds_everything()
        && let Some(outside) = attributes.namespaces.iter().position(|n| !principal.scope.holds(n))
    {
        return deny(DenyReason::OutsideScope(outside));
    }
    Decision::Permit { by: Rules { roles, action } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{access::Scope, domain::id::Handle};

    fn principal(roles: &[Role]) -> Principal {
        Principal {
            actor: Handle([1; 16]),
            person: false,
            roles: RoleSet::of(roles),
            integration: "default".into(),
            scope: Scope::everything(),
            expires: None,
        }
    }

    fn ask(principal: &Principal, action: Action, namespaces: &[&str]) -> Decision {
        decide(principal, action, Attributes { at: Micros(1000), namespaces })
    }

    #[test]
    fn several_roles_are_their_union() {
        for a in Role::ALL {
            for b in Role::ALL {
                for &action in Action::ALL {
                    let either = ask(&principal(&[a]), action, &[]).permits() || ask(&principal(&[b]), action, &[]).permits();
                    assert_eq!(ask(&principal(&[a, b]), action, &[]).permits(), either, "{a:?} {b:?} {action:?}");
                }
            }
        }
    }

    #[test]
    fn a_permit_names_every_rule_that_gave_it() {
        let by = ask(&principal(&[Role::Engineer, Role::Producer, Role::Approver]), Action::IngestEvent, &[]).ok().unwrap();
        assert_eq!(by.ids().collect::<Vec<_>>(), ["role/producer/IngestEvent", "role/engineer/IngestEvent"]);
    }

    #[test]
    fn a_token_without_roles_may_do_nothing() {
        for &action in Action::ALL {
            assert_eq!(ask(&principal(&[]), action, &[]), Decision::Deny { reason: DenyReason::NoRole(action) });
        }
    }

    #[test]
    fn every_namespace_must_be_in_scope() {
        let scoped = Principal { scope: Scope::parse(&["shop*"]).unwrap(), ..principal(&[Role::Producer]) };
        assert!(ask(&scoped, Action::IngestEvent, &["shop", "shop:eu"]).permits());
        assert_eq!(ask(&scoped, Action::IngestEvent, &["shop", "bank"]), Decision::Deny { reason: DenyReason::OutsideScope(1) });
    }

    #[test]
    fn a_token_ends_at_its_instant_and_not_before() {
        for (expires, permitted) in [(1001, true), (1000, false), (999, false)] {
            let ending = Principal { expires: Some(Micros(expires)), ..principal(&[Role::Producer]) };
            assert_eq!(ask(&ending, Action::IngestEvent, &[]).permits(), permitted, "{expires}");
        }
    }
}
