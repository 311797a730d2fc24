//! Natural keys: OpenLineage's (namespace, name).

/// The longest namespace or name, in bytes.
pub const NAME_BYTES_MAX: usize = 4096;

/// A natural key. Compared by bytes; never normalised: two spellings are two names.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Name {
    pub namespace: Box<str>,
    pub name: Box<str>,
}

impl Name {
    #[must_use]
    pub fn new(namespace: impl Into<Box<str>>, name: impl Into<Box<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}
