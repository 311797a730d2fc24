//! What the GraphQL library says about a document repeats pieces of it: names that
//! are unknown, values of the wrong type, whole lines. An error's text goes to
//! logs and screens of others, so of such a sentence only those words stay that
//! the schema knows, or that the library itself speaks in.
use std::collections::HashSet;

use async_graphql::{ErrorExtensionValues, ServerError, parser};

use crate::app::Code;

/// The words of the library's sentences that are not in our schema's text.
const LIBRARY: &str = "Cannot Data Did Directive Duplicate Enumeration Expected Failed Field Fields Fragment Invalid Input Object Objects \
    Oneof Only Query Schema Subscription The There Unknown Use Variable accepted aliases argument arguments be because both but by can \
    cannot complex composite condition configured conflict contain contains deep default defined different differing directive directives \
    document does empty enumeration exactly exist expected expecting fetch field fields for found fragment from greater has have if in \
    input instant integers intentional is it itself may mean mixed multiple must named nested needs never no non not null number object \
    objects occurred of on one only operation operations or parse parsing position provided query recursion required requires selection \
    since spread spreads subfields subscriptions such supplied than that the there this time to too true false twice type types unknown \
    used value variable was while whole zero zone root selections an a 0 2147483647 9223372036854775807 Z Int Float String Boolean ID";

/// The longest text; a value that is nothing but punctuation ends here.
const CHARS_MAX: usize = 400;
/// Stands for what is left out.
const GAP: char = '…';

/// The words that may stay.
pub struct Vocabulary(HashSet<String>);

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl Vocabulary {
    /// The library's words and those of a schema's text.
    #[must_use]
    pub fn of(sdl: &str) -> Self {
        let words = sdl.split(|c| !is_word(c)).chain(LIBRARY.split_ascii_whitespace());
        Self(words.filter(|w| !w.is_empty()).map(str::to_owned).collect())
    }

    /// The text without any other word.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let mut out = String::new();
        let gap = |out: &mut String| {
            if !out.ends_with(GAP) {
                out.push(GAP);
            }
        };
        let mut rest = text;
        let mut chars = 0;
        while let Some(first) = rest.chars().next() {
            let end = if is_word(first) { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
            let (piece, tail) = rest.split_at(end);
            let plain = first == ' ' || first.is_ascii_punctuation();
            if plain || self.0.contains(piece) {
                out.push_str(piece)
            } else {
                gap(&mut out)
            }
            rest = tail;
            chars += 1;
            if chars > CHARS_MAX {
                gap(&mut out);
                break;
            }
        }
        out
    }

    /// Masks the errors that come from the library: those without a code.
    pub fn mask_errors(&self, errors: &mut [ServerError]) {
        for error in errors.iter_mut().filter(|e| e.extensions.as_ref().is_none_or(|x| x.get("code").is_none())) {
            error.message = self.mask(&error.message);
        }
    }
}

/// The source of errors of documents that cannot be parsed: no other errors have it.
#[derive(Debug)]
pub struct Unparsed;

/// A document that cannot be parsed. Where it goes wrong and what could stand
/// there is told, the line itself is not repeated.
#[must_use]
pub fn syntax(e: parser::Error) -> ServerError {
    let parser::Error::Syntax { message, start, .. } = e else { return ServerError::from(e) };
    // The last line names rules of the grammar: `  = expected selection or name`.
    let wanted = message.lines().last().and_then(|line| line.trim().strip_prefix("= expected "));
    let wanted = wanted.filter(|w| w.bytes().all(|b| b.is_ascii_lowercase() || b" _,".contains(&b)));
    let wanted = wanted.map(|w| format!(": expected {}", w.replace('_', " "))).unwrap_or_default();
    let message = format!("the document cannot be parsed at line {}, column {}{wanted}", start.line, start.column);
    // With a code it is a sentence of ours, which nothing is left out of.
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", Code::BadUserInput.word());
    ServerError { extensions: Some(extensions), source: Some(std::sync::Arc::new(Unparsed)), ..ServerError::new(message, Some(start)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_schema_and_library_stay() {
        let words = Vocabulary::of("type Query { artifact(ref: ArtifactRef!): Artifact }");
        for (text, masked) in [
            (r#"Unknown field "artefact" on type "Query"."#, r#"Unknown field "…" on type "Query"."#),
            (r#"Field "artifact" argument "ref" of type "ArtifactRef" is required but not provided"#, ""),
            (
                r#"Failed to parse "Int": Expected input type "Int", found {name: "Jane Roe", n: [7, 8]}."#,
                r#"Failed to parse "Int": Expected input type "Int", found {…: "… …", …: […, …]}."#,
            ),
            (r#"Variable "$é_ü" is not defined"#, r#"Variable "$…" is not defined"#),
            ("Variable \u{202e}x\n\tis not defined.", "Variable …is not defined."),
        ] {
            assert_eq!(words.mask(text), if masked.is_empty() { text } else { masked });
        }
        assert!(words.mask(&"=".repeat(1 << 20)).len() < 500);
        assert!(words.mask(&"x ".repeat(1 << 20)).len() < 2000);
    }

    #[test]
    fn a_syntax_error_tells_where_and_not_what() {
        let error = syntax(parser::parse_query("{ artifact(ref: marker marker) ]").unwrap_err());
        assert!(error.message.starts_with("the document cannot be parsed at line 1, column "), "{}", error.message);
        assert!(!error.message.contains("marker"), "{}", error.message);
        assert_eq!(error.locations.len(), 1);
    }
}
