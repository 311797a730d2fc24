//! `schema`: the GraphQL schema as text.
use std::process::ExitCode;

/// Prints what `schema.graphql` holds.
pub fn run(as_json: bool) -> ExitCode {
    let sdl = crate::api::graphql::sdl();
    if as_json {
        println!("{}", serde_json::json!({ "sdl": sdl }))
    } else {
        print!("{sdl}")
    }
    ExitCode::SUCCESS
}
