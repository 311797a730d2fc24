//! The GraphQL API: the schema, and how a request is executed against it. Knows
//! nothing of HTTP.
pub mod context;
pub mod correct;
pub mod cursor;
pub mod declare;
pub mod documents;
pub mod error;
pub mod events;
pub mod execute;
pub mod id;
pub mod input;
pub mod limits;
pub mod mask;
pub mod mutation;
mod order;
pub mod query;
pub mod raw;
pub mod response;
pub mod scalar;
pub mod settings;
pub mod subscription;
pub mod totals;
pub mod types;

use async_graphql::{SDLExportOptions, Schema as Built, SchemaBuilder, connection::Connection};

pub use self::{cursor::CursorKey, execute::Executor, settings::GraphqlSettings};
use self::{
    mutation::Mutation,
    query::Query,
    subscription::Subscription,
    types::{artifact::Artifact, search::SearchHitConnection, token::Token},
};

type Schema = Built<Query, Mutation, Subscription>;

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query, Mutation::default(), Subscription)
        .override_output_type_description::<Connection<String, Artifact, totals::ArtifactTotals>>("A page of artifacts.")
        .override_output_type_description::<Connection<String, types::change::ArtifactChange>>("A page of changes of an artifact.")
        .override_output_type_description::<events::EventConnection>("A page of entries.")
        .override_output_type_description::<SearchHitConnection>("A page of what a search found.")
        .override_output_type_description::<Connection<String, Token, totals::TokenTotals>>("A page of tokens.")
        .override_output_type_description::<Connection<String, types::coverage::SourceCoverage>>("A page of sources.")
}

/// The schema as text, in an order that depends on nothing but the schema: what
/// `ledgerline schema` prints and `schema.graphql` holds.
#[must_use]
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by()
        .prefer_single_line_descriptions()
        .use_space_ident();
    let text = builder().finish().sdl_with_options(options);
    // The exporter ends some lines and the text with blanks.
    let mut trimmed = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    trimmed.truncate(trimmed.trim_end().len());
    trimmed.push('\n');
    trimmed
}
