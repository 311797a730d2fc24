//! What a document may not exceed, decided before anything else looks at it.
//!
//! First the text: tokens and the nesting of brackets, since the parser recurses.
//! Then the parsed document: depth, aliases, directives and root fields, fragments
//! counted where they are spread, each fragment measured once (async-graphql's own
//! rules walk a fragment anew at every spread, so a document of a few hundred
//! bytes could cost them hours). Counting stops at the limit.
use std::collections::HashMap;

use async_graphql::{
    Name, Positioned,
    parser::types::{Directive, ExecutableDocument, Field, FragmentDefinition, Selection, SelectionSet},
};

use super::settings::GraphqlSettings;
use crate::app::{AppError, Code};

/// How deep a selection under `__schema` and `__type` may nest: the usual
/// introspection queries need 13.
const INTROSPECTION_DEPTH_MAX: usize = 16;
/// How often a list of the schema may be asked for inside another: deeper only
/// circles (`fields { type { fields { … } } }`).
const INTROSPECTION_LISTS_MAX: usize = 2;

fn too_much(what: &str, limit: &str, max: usize) -> AppError {
    AppError::new(Code::ComplexityExceeded, format!("the document {what} than `{limit}`, {max}, permits"))
}

/// Checks the text of a document.
///
/// # Errors
/// `COMPLEXITY_EXCEEDED`, naming the limit.
pub fn check_text(text: &str, settings: &GraphqlSettings) -> Result<(), AppError> {
    let mut tokens = 0;
    let mut open = 0usize;
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        let rest = &bytes[at..];
        let length = match b {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at += rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
                continue;
            }
            b'"' if rest.starts_with(b"\"\"\"") => block_string(rest),
            b'"' => string(rest),
            b'.' if rest.starts_with(b"...") => 3,
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => run(rest, |b| b.is_ascii_alphanumeric() || b == b'_'),
            b'0'..=b'9' | b'-' => run(rest, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-')),
            _ => {
                match b {
                    b'{' | b'[' | b'(' => open += 1,
                    b'}' | b']' | b')' => open = open.saturating_sub(1),
                    _ => {}
                }
                1
            }
        };
        tokens += 1;
        if tokens > settings.tokens_max {
            return Err(too_much("holds more tokens", "graphql.tokens_max", settings.tokens_max));
        }
        if open > settings.nesting_max {
            return Err(too_much("nests its brackets deeper", "graphql.nesting_max", settings.nesting_max));
        }
        at += length.max(1);
    }
    Ok(())
}

fn run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|b| !belongs(*b)).unwrap_or(bytes.len())
}

/// The length of a string with its quotes; all that is left when it does not end.
fn string(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(b) = bytes.get(at) {
        match b {
            b'\\' => at += 2,
            b'"' | b'\n' | b'\r' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn block_string(bytes: &[u8]) -> usize {
    let mut at = 3;
    while let Some(rest) = bytes.get(at..).filter(|r| !r.is_empty()) {
        if rest.starts_with(b"\\\"\"\"") {
            at += 4;
        } else if rest.starts_with(b"\"\"\"") {
            return at + 3;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// Checks a parsed document.
///
/// # Errors
/// `COMPLEXITY_EXCEEDED` naming the limit; `BAD_USER_INPUT` for fragments that
/// spread themselves.
pub fn check_document(document: &ExecutableDocument, settings: &GraphqlSettings) -> Result<(), AppError> {
    let mut meter = Meter { fragments: &document.fragments, measured: HashMap::new(), settings, aliases: 0, open: 0 };
    let mut fields = 0usize;
    for (_, operation) in document.operations.iter() {
        meter.directives(&operation.node.directives)?;
        for variable in &operation.node.variable_definitions {
            meter.directives(&variable.node.directives)?;
        }
        let size = meter.selection(&operation.node.selection_set.node)?;
        fields = fields.saturating_add(size.fields);
        if size.depth > settings.depth_max {
            return Err(too_much("nests deeper", "graphql.depth_max", settings.depth_max));
        }
        if size.width > settings.root_fields_max {
            return Err(too_much("asks for more root fields", "graphql.root_fields_max", settings.root_fields_max));
        }
    }
    // Fragments that nobody spreads count too: validation will walk them.
    for name in document.fragments.keys() {
        fields = fields.saturating_add(meter.fragment(name)?.fields);
    }
    if fields > settings.fields_max {
        return Err(too_much("asks for more fields, fragments written out,", "graphql.fields_max", settings.fields_max));
    }
    Ok(())
}

/// What a selection amounts to with its fragments written out.
#[derive(Clone, Copy, Default)]
struct Size {
    /// Levels of fields, not counting what is under `__schema` and `__type`.
    depth: usize,
    /// Selections in each other, whatever they are selections of.
    levels: usize,
    /// Fields in all.
    fields: usize,
    /// Fields of the first level.
    width: usize,
    /// The most lists of the schema that lie inside each other.
    lists: usize,
}

impl Size {
    fn beside(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            levels: self.levels.max(other.levels),
            fields: self.fields.saturating_add(other.fields),
            width: self.width.saturating_add(other.width),
            lists: self.lists.max(other.lists),
        }
    }
}

struct Meter<'d> {
    fragments: &'d HashMap<Name, Positioned<FragmentDefinition>>,
    /// `None` while a fragment is being measured.
    measured: HashMap<&'d str, Option<Size>>,
    settings: &'d GraphqlSettings,
    aliases: usize,
    /// Selections that are being measured now.
    open: usize,
}

impl<'d> Meter<'d> {
    fn selection(&mut self, set: &'d SelectionSet) -> Result<Size, AppError> {
        let mut size = Size::default();
        // Also on the way down, since a chain of fragments has no brackets to count.
        self.open += 1;
        self.deep(self.open.saturating_sub(1))?;
        for item in &set.items {
            let one = match &item.node {
                Selection::Field(field) => self.field(&field.node)?,
                Selection::InlineFragment(inline) => {
                    self.directives(&inline.node.directives)?;
                    self.selection(&inline.node.selection_set.node)?
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.node.directives)?;
                    self.fragment(&spread.node.fragment_name.node)?
                }
            };
            size = size.beside(one);
        }
        self.open -= 1;
        size.levels += usize::from(!set.items.is_empty());
        self.deep(size.levels)?;
        Ok(size)
    }

    fn field(&mut self, field: &'d Field) -> Result<Size, AppError> {
        let name = field.name.node.as_str();
        self.directives(&field.directives)?;
        if field.alias.is_some() && name != "__typename" {
            self.aliases += 1;
            if self.aliases > self.settings.aliases_max {
                return Err(too_much("holds more aliases", "graphql.aliases_max", self.settings.aliases_max));
            }
        }
        let inside = self.selection(&field.selection_set.node)?;
        let schema = matches!(name, "__schema" | "__type");
        if schema && inside.depth > INTROSPECTION_DEPTH_MAX {
            return Err(too_much("nests introspection deeper", "depth of introspection", INTROSPECTION_DEPTH_MAX));
        }
        if schema && inside.lists > INTROSPECTION_LISTS_MAX {
            return Err(too_much(
                "asks for the schema's lists inside each other oftener",
                "lists of introspection",
                INTROSPECTION_LISTS_MAX,
            ));
        }
        let list = matches!(name, "fields" | "inputFields" | "interfaces" | "possibleTypes");
        Ok(Size {
            depth: if schema { 1 } else { 1 + inside.depth },
            levels: inside.levels,
            fields: inside.fields.saturating_add(1),
            width: 1,
            lists: if schema { 0 } else { inside.lists + usize::from(list) },
        })
    }

    fn fragment(&mut self, name: &str) -> Result<Size, AppError> {
        // An unknown fragment is validation's to report.
        let Some((name, fragment)) = self.fragments.get_key_value(name) else { return Ok(Size::default()) };
        match self.measured.get(name.as_str()) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(AppError::bad_input("a fragment spreads itself, directly or through others")),
            None => {}
        }
        self.measured.insert(name.as_str(), None);
        self.directives(&fragment.node.directives)?;
        let size = self.selection(&fragment.node.selection_set.node)?;
        self.measured.insert(name.as_str(), Some(size));
        Ok(size)
    }

    fn deep(&self, levels: usize) -> Result<(), AppError> {
        if levels > self.settings.nesting_max {
            return Err(too_much("lays selections in each other deeper", "graphql.nesting_max", self.settings.nesting_max));
        }
        Ok(())
    }

    fn directives(&self, directives: &[Positioned<Directive>]) -> Result<(), AppError> {
        if directives.len() > self.settings.directives_max {
            return Err(too_much("puts more directives at one place", "graphql.directives_max", self.settings.directives_max));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn check(text: &str) -> Result<(), AppError> {
        let settings = GraphqlSettings::default();
        check_text(text, &settings)?;
        check_document(&parse_query(text).map_err(|e| AppError::bad_input(e.to_string()))?, &settings)
    }

    fn refused(text: &str) -> (Code, String) {
        let error = check(text).unwrap_err();
        (error.code, error.message)
    }

    fn nested(levels: usize) -> String {
        format!("{}{}", "{a".repeat(levels), "}".repeat(levels))
    }

    #[test]
    fn depth_counts_fragments_where_they_are_spread() {
        assert!(check(&nested(12)).is_ok());
        let (code, message) = refused(&nested(13));
        assert_eq!((code, message.contains("`graphql.depth_max`, 12")), (Code::ComplexityExceeded, true));
        let spread = "{a{a{a{a{a{a{...F}}}}}}} fragment F on T {a{a{a{a{a{a}}}}}}";
        assert!(check(spread).is_ok());
        assert!(check(&spread.replace("{a{a{a{a{a{a{...", "{a{a{a{a{a{a{a{...").replace("}}}}}}} f", "}}}}}}}} f")).is_err());
    }

    #[test]
    fn a_bomb_of_fragments_is_measured_without_being_written_out() {
        let mut text = String::from("{...F0}");
        for i in 0..40 {
            text.push_str(&format!(" fragment F{i} on Query {{...F{} ...F{}}}", i + 1, i + 1));
        }
        text.push_str(" fragment F40 on Query {a}");
        let (code, message) = refused(&text);
        assert_eq!(code, Code::ComplexityExceeded, "{message}");
    }

    #[test]
    fn chains_of_fragments_count_as_nesting_however_often_each_is_measured() {
        let chain = |n: usize| {
            let links =
                |i| if i == n { " fragment F0 on T {a}".to_owned() } else { format!(" fragment F{} on T {{...F{}}}", n - i, n - i - 1) };
            format!("{{...F{n}}}{}", (0..=n).map(links).collect::<String>())
        };
        assert_eq!(check(&chain(58)).map_err(|e| e.message), Ok(()));
        for n in [60, 100] {
            assert!(refused(&chain(n)).1.contains("`graphql.nesting_max`, 60"), "{n}");
        }
        let long = GraphqlSettings { tokens_max: 100_000, ..GraphqlSettings::default() };
        let document = parse_query(chain(9_000)).unwrap();
        assert_eq!(check_document(&document, &long).unwrap_err().code, Code::ComplexityExceeded);
        // The deep end is measured before what leads to it.
        let backwards = "fragment A on T {...B} fragment B on T {b{b{b{b}}}} {a{a{...A}}}";
        let few = GraphqlSettings { nesting_max: 7, ..GraphqlSettings::default() };
        assert!(check_document(&parse_query(backwards).unwrap(), &few).is_err());
        let enough = GraphqlSettings { nesting_max: 8, ..GraphqlSettings::default() };
        assert!(check_document(&parse_query(backwards).unwrap(), &enough).is_ok());
    }

    #[test]
    fn fragments_that_spread_themselves_are_refused() {
        assert_eq!(refused("{...F} fragment F on Query {a ...G} fragment G on Query {...F}").0, Code::BadUserInput);
        assert_eq!(refused("{a} fragment F on Query {...F}").0, Code::BadUserInput);
    }

    #[test]
    fn aliases_are_counted_but_for_typename() {
        let aliases = |n: usize, field: &str| format!("{{{}}}", (0..n).map(|i| format!("x{i}:{field} ")).collect::<String>());
        assert!(check(&format!("{{a{}}}", aliases(30, "a"))).is_ok());
        assert!(refused(&format!("{{a{}}}", aliases(31, "a"))).1.contains("`graphql.aliases_max`, 30"));
        assert!(check(&format!("{{a{}}}", aliases(100, "__typename"))).is_ok());
    }

    #[test]
    fn root_fields_directives_and_tokens_have_limits() {
        assert!(check(&format!("{{{}}}", "a ".repeat(20))).is_ok());
        assert!(refused(&format!("{{{}}}", "a ".repeat(21))).1.contains("`graphql.root_fields_max`, 20"));
        assert!(refused("{...F ...F} fragment F on Query {a b c d e f g h i j k}").1.contains("root_fields_max"));
        assert!(check(&format!("{{a{}}}", " @x".repeat(5))).is_ok());
        assert!(refused(&format!("{{a{}}}", " @x".repeat(6))).1.contains("`graphql.directives_max`, 5"));
        assert!(refused(&format!("{{a({})}}", "x:1 ".repeat(700))).1.contains("`graphql.tokens_max`, 2000"));
        assert!(refused(&"{[(".repeat(21)).1.contains("brackets"));
    }

    #[test]
    fn strings_and_comments_hide_no_tokens_and_make_none() {
        let settings = GraphqlSettings { tokens_max: 8, ..GraphqlSettings::default() };
        for eight in [r##"{a(b:"{[(\"#x")}"##, r#"{a(b:"""{ \""" " { """)}"#, "{a(b:-1.5e+3)} # {{{{", "{ a ... on B , }", "# {\n{a(b:e)}"]
        {
            assert!(check_text(eight, &settings).is_ok(), "{eight}");
        }
        assert!(check_text("{a(b:1)} x", &settings).is_err());
        for odd in ["\"", "\"\"\"", "\"\\", "\"\"\"\\\"\"\"", "é", "\u{feff}{a}"] {
            assert!(check_text(odd, &settings).is_ok(), "{odd}");
        }
    }

    #[test]
    fn the_usual_introspection_passes_and_circles_do_not() {
        let usual = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } subscriptionType { name }
            types { ...FullType } directives { name description locations args { ...InputValue } } } }
            fragment FullType on __Type { kind name description
              fields(includeDeprecated: true) { name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
              inputFields { ...InputValue } interfaces { ...TypeRef }
              enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
            fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
            fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
              ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";
        assert_eq!(check(usual).map_err(|e| e.message), Ok(()));
        let circle = "{__schema{types{fields{type{fields{type{fields{type{name}}}}}}}}}";
        assert_eq!(refused(circle).0, Code::ComplexityExceeded);
        assert_eq!(refused(&format!("{{__type(name:\"A\"){}}}", nested(17))).0, Code::ComplexityExceeded);
    }
}
