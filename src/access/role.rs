//! Roles. They only permit; several together are their union.
use std::fmt;

/// What a token's holder is there for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Role {
    /// Tokens, configuration, policies; no bodies, no ingest.
    Admin = 0,
    /// Sends events.
    Producer = 1,
    /// Sends, registers, corrects; reads catalog, lineage, `core` and `rest`.
    Engineer = 2,
    /// Reads catalog, lineage and `core`.
    Reader = 3,
    /// People, and `person` parts.
    PrivacyOfficer = 4,
    /// Retention and holds.
    RecordsManager = 5,
    /// Approves what others ask for.
    Approver = 6,
    /// Reads everything but `person` parts, and the ledger; writes nothing.
    Auditor = 7,
    /// A data subject: own data only.
    Subject = 8,
}

impl Role {
    /// Every role, in order of its number.
    pub const ALL: [Self; 9] = [
        Self::Admin,
        Self::Producer,
        Self::Engineer,
        Self::Reader,
        Self::PrivacyOfficer,
        Self::RecordsManager,
        Self::Approver,
        Self::Auditor,
        Self::Subject,
    ];

    /// The word on the command line, in stored tokens and in rule ids.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Producer => "producer",
            Self::Engineer => "engineer",
            Self::Reader => "reader",
            Self::PrivacyOfficer => "privacy_officer",
            Self::RecordsManager => "records_manager",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Subject => "subject",
        }
    }

    /// The role of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.word() == word)
    }
}

/// Some roles.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RoleSet(u16);

impl RoleSet {
    #[must_use]
    pub const fn of(roles: &[Role]) -> Self {
        let mut bits = 0;
        let mut rest = roles;
        while let [first, others @ ..] = rest {
            bits |= 1 << *first as u8;
            rest = others;
        }
        Self(bits)
    }

    #[must_use]
    pub const fn contains(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The roles that both hold.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The roles, in order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |r| self.contains(*r))
    }
}

impl FromIterator<Role> for RoleSet {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |bits, r| bits | (1 << r as u8)))
    }
}

impl fmt::Debug for RoleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Role::word)).finish()
    }
}
