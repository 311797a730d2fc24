//! The use cases that need a right, and the table of roles: which role permits
//! which. The contract's chapter "Roles" is the law; a change here shows as a diff
//! of `docs/authorization-matrix.md`.
use super::role::{
    Role::{Admin, Approver, Auditor, Engineer, PrivacyOfficer, Producer, Reader, RecordsManager, Subject},
    RoleSet,
};

macro_rules! actions {
    ($( #[doc = $doc:literal] $variant:ident : [$($role:ident),*]; )*) => {
        /// One use case.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum Action { $( #[doc = $doc] $variant, )* }

        impl Action {
            /// Every action, in the table's order.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// The name in rule ids and in the matrix.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => stringify!($variant), )* }
            }

            /// What it lets one do, for the matrix.
            #[must_use]
            pub const fn doc(self) -> &'static str {
                match self { $( Self::$variant => $doc, )* }
            }

            /// The roles of which each alone permits it.
            pub(super) const fn permitted_to(self) -> RoleSet {
                match self { $( Self::$variant => const { RoleSet::of(&[$( $role ),*]) }, )* }
            }
        }
    };
}

actions! {
    #[doc = "Send lineage events."]
    IngestEvent: [Producer, Engineer];
    #[doc = "Register artifacts and their versions, set owners and tags, declare flows."]
    DeclareCatalog: [Engineer];
    #[doc = "Correct: end declared flows, retire artifacts and namespaces, redact what events said."]
    CorrectCatalog: [Engineer];
    #[doc = "Read and search artifacts, jobs, runs, schemas, owners' handles and tags."]
    ReadCatalog: [Engineer, Reader, Auditor];
    #[doc = "Walk lineage, count it, find paths."]
    ReadLineage: [Engineer, Reader, Auditor];
    #[doc = "List entries and read their `core` parts."]
    ReadCore: [Engineer, Reader, Auditor];
    #[doc = "Read `rest` parts: the received bytes without what is about people."]
    ReadRest: [Engineer, Auditor];
    #[doc = "Read `person` parts."]
    ReadPerson: [PrivacyOfficer];
    #[doc = "Read `context` parts: minimised device and request context."]
    ReadContext: [Auditor];
    #[doc = "Read raw SQL, error texts and statistics."]
    ReadOperational: [Engineer, Auditor];
    #[doc = "Read the log's checkpoint, verifier key and size."]
    ReadLedgerHead: [Admin, Producer, Engineer, Reader, PrivacyOfficer, RecordsManager, Approver, Auditor, Subject];
    #[doc = "Read tiles, entry bundles, proofs and openings."]
    ReadLedger: [Auditor];
    #[doc = "See who one is and what one may do."]
    ReadViewer: [Admin, Producer, Engineer, Reader, PrivacyOfficer, RecordsManager, Approver, Auditor, Subject];
    #[doc = "Create and revoke tokens."]
    ManageTokens: [Admin];
    #[doc = "List tokens (never their secrets)."]
    ReadTokens: [Admin, Auditor];
    #[doc = "Read metrics where they are not public."]
    ReadMetrics: [Admin, Engineer, Auditor];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_row_with_at_least_one_role() {
        for action in Action::ALL {
            assert!(!action.permitted_to().is_empty(), "{action:?}");
        }
    }

    #[test]
    fn auditors_write_nothing_and_see_no_person() {
        for action in Action::ALL {
            let permitted = action.permitted_to().contains(Auditor);
            let writes = matches!(action, Action::IngestEvent | Action::DeclareCatalog | Action::CorrectCatalog | Action::ManageTokens);
            assert_eq!(permitted, !writes && *action != Action::ReadPerson, "{action:?}");
        }
    }

    #[test]
    fn admins_read_no_bodies_and_send_no_events() {
        for action in
            [Action::IngestEvent, Action::ReadCore, Action::ReadRest, Action::ReadPerson, Action::ReadContext, Action::ReadOperational]
        {
            assert!(!action.permitted_to().contains(Admin), "{action:?}");
        }
    }
}
