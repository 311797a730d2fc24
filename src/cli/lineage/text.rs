//! Names are other people's: what they hold must neither command a terminal nor
//! end the string that they stand in.
use std::fmt::Write as _;

/// Characters that change how their neighbours look: marks of direction, and
/// separators of lines that are no controls.
const fn misleads(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// One line that a terminal shows as it is: everything else is written out as
/// `\u{…}`, and a backslash doubled, so that no two names look the same by that.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            c if c.is_control() || misleads(c) => {
                // Writing to a String does not fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// The inside of a quoted string of DOT. Graphviz reads backslashes as escapes of
/// its own (`\N` is the node's name) and `&…;` as characters.
#[must_use]
pub fn dot(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

/// The inside of a quoted label of Mermaid: whatever it or the HTML that it makes
/// might take for markup is written as an entity code (`#34;`).
#[must_use]
pub fn mermaid(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '"' | '#' | '&' | '<' | '>' | ';' | '`' | '\\' | '*' | '_' | '~' | '$' | '[' | ']' | '{' | '}' | '|' => {
                let _ = write!(out, "#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_command_a_terminal() {
        assert_eq!(visible("a\u{1b}[31m\nb\u{202e}c"), r"a\u{1b}[31m\u{a}b\u{202e}c");
        assert_ne!(visible(r"a\u{a}"), visible("a\n"));
        assert_eq!(visible("größe 表"), "größe 表");
    }

    #[test]
    fn a_name_cannot_end_its_string() {
        assert_eq!(dot(r#"a"b\N&lt;"#), r#"a\"b\\\\N&amp;lt;"#);
        assert_eq!(mermaid(r#"a"]-->x<b>#1"#), "a#34;#93;--#62;x#60;b#62;#35;1");
    }
}
