//! What one GraphQL request may ask for.

use std::sync::Arc;

use super::documents::Documents;

/// Limits and switches; the names are those of the configuration's section `graphql`.
#[derive(Clone, Debug)]
pub struct GraphqlSettings {
    /// Bytes of a request body, after inflation.
    pub body_bytes_max: usize,
    /// How deep selections may nest, fragments counted where they are spread.
    pub depth_max: usize,
    /// The cost of one document; see the fields' prices.
    pub complexity_max: usize,
    /// Aliases in a document (`__typename` does not count).
    pub aliases_max: usize,
    /// Lexical tokens of a document.
    pub tokens_max: usize,
    /// Directives at one place of a document.
    pub directives_max: usize,
    /// Fields of an operation's root, fragments counted where they are spread.
    pub root_fields_max: usize,
    /// Brackets of all kinds that may be open at once, since the parser recurses; and
    /// selections that may lie in each other with every fragment written out, since
    /// validation and execution do.
    pub nesting_max: usize,
    /// Fields of a document with every fragment written out.
    pub fields_max: usize,
    /// Bytes of the variables of one operation, as they are sent.
    pub variables_bytes_max: usize,
    /// Operations in one request body.
    pub batch_max: usize,
    /// Whether the schema may be asked for.
    pub introspection: bool,
    /// Whether queries (never mutations) may come by GET.
    pub get_queries: bool,
    /// The documents that are executed; `None`: any.
    pub documents: Option<Arc<Documents>>,
}

impl Default for GraphqlSettings {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            depth_max: 12,
            complexity_max: 2_000_000,
            aliases_max: 30,
            tokens_max: 2_000,
            directives_max: 5,
            root_fields_max: 20,
            nesting_max: 60,
            fields_max: 10_000,
            variables_bytes_max: 256 << 10,
            batch_max: 5,
            introspection: true,
            get_queries: false,
            documents: None,
        }
    }
}
