//! SQL as readers see it: identifiers and keywords, no literals.
//!
//! Dialects disagree about where a literal ends: whether a backslash escapes,
//! whether `"` quotes a name or a text, whether `#` begins a comment. Where all
//! readings agree, a literal becomes `?` and a comment a space. Where they do not,
//! the rest of the text is left out, since what one dialect closes another leaves
//! open. So the result may be short, and it never holds a literal.

/// What stands for a literal.
const LITERAL: char = '?';
/// What stands for the rest of a text that dialects read differently.
const REST: char = '…';

/// The text without its literals: strings, numbers, dollar quotes, comments.
#[must_use]
pub fn readable_sql(sql: &str) -> String {
    let mut s = Strip { sql, at: 0, out: String::with_capacity(sql.len()), last: Last::Start, words: [""; 2] };
    if s.run().is_none() {
        s.out.push(REST);
    }
    s.out
}

/// What was written last, white space aside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing in this statement.
    Start,
    /// A name or keyword.
    Name,
    /// A dot behind a name.
    Dot,
    Other,
}

struct Strip<'a> {
    sql: &'a str,
    at: usize,
    out: String,
    last: Last,
    /// The last two words, the later one first.
    words: [&'a str; 2],
}

impl<'a> Strip<'a> {
    fn rest(&self) -> &'a str {
        self.sql.get(self.at..).unwrap_or_default()
    }

    /// `None`: the rest is left out.
    fn run(&mut self) -> Option<()> {
        while let Some(c) = self.rest().chars().next() {
            match c {
                '\'' => self.quoted('\'')?,
                '"' => self.double_quoted()?,
                '`' => self.backticks()?,
                '$' => self.dollar()?,
                '-' if self.rest().starts_with("--") => {
                    self.line_comment(2, self.rest()[2..].chars().next().is_none_or(char::is_whitespace))?
                }
                '#' => self.line_comment(1, false)?,
                '/' if self.rest().starts_with("//") => self.line_comment(2, false)?,
                '/' if self.rest().starts_with("/*") => self.block_comment()?,
                c if c.is_numeric() => self.number(),
                '.' if self.rest()[1..].starts_with(|d: char| d.is_ascii_digit()) && self.last != Last::Name => self.number(),
                '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{ff02}' | '\u{ff07}' => return None,
                c if is_name_start(c) => self.word()?,
                c => {
                    self.at += c.len_utf8();
                    self.out.push(c);
                    self.last = match c {
                        ';' => Last::Start,
                        '.' if self.last == Last::Name => Last::Dot,
                        c if c.is_whitespace() => self.last,
                        _ => Last::Other,
                    };
                }
            }
        }
        Some(())
    }

    fn literal(&mut self, len: usize) {
        self.at += len;
        self.out.push(LITERAL);
        self.last = Last::Other;
    }

    /// A text in quotes. Backslashes escape in some dialects and doubled quotes in
    /// others, so it must end at the same place in each.
    fn quoted(&mut self, quote: char) -> Option<()> {
        let plain = quoted_len(self.rest(), quote)?;
        // `'''…'''` is one text in BigQuery; and in Oracle `q'[…]'` is.
        let triple: String = [quote; 3].iter().collect();
        let triple_disagrees = |inside: &str| inside.find(triple.as_str()).is_none_or(|end| end + 2 * triple.len() != plain);
        if self.rest().strip_prefix(triple.as_str()).is_some_and(triple_disagrees) {
            return None;
        }
        if self.out.ends_with(['q', 'Q']) && !self.oracle_agrees(plain) {
            return None;
        }
        self.literal(plain);
        Some(())
    }

    fn oracle_agrees(&self, plain: usize) -> bool {
        let mut inside = self.rest().chars().skip(1);
        let closer = match inside.next() {
            Some('[') => ']',
            Some('{') => '}',
            Some('(') => ')',
            Some('<') => '>',
            Some(c) => c,
            None => return false,
        };
        let end: String = [closer, '\''].iter().collect();
        self.rest().char_indices().nth(2).and_then(|(from, _)| self.rest()[from..].find(&end).map(|i| from + i + end.len())) == Some(plain)
    }

    /// A name in some dialects, a text in others. Kept only as part of a dotted
    /// name, which no text can be.
    fn double_quoted(&mut self) -> Option<()> {
        let len = quoted_len(self.rest(), '"')?;
        let text = &self.rest()[..len];
        let inside = text.get(1..len - 1).unwrap_or_default();
        let plain = !inside.is_empty() && inside.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
        let mut after = self.rest()[len..].chars();
        let dotted =
            self.last == Last::Dot || (after.next() == Some('.') && after.next().is_some_and(|c| is_name_start(c) || "\"`[*".contains(c)));
        if plain && dotted {
            self.out.push_str(text);
            self.at += len;
            self.last = Last::Name;
            return Some(());
        }
        self.quoted('"')
    }

    /// A name wherever backticks mean anything.
    fn backticks(&mut self) -> Option<()> {
        let len = quoted_len(self.rest(), '`')?;
        let text = &self.rest()[..len];
        if text.contains('\n') {
            return None;
        }
        self.out.push_str(text);
        self.at += len;
        self.last = Last::Name;
        Some(())
    }

    /// `$$…$$` and `$tag$…$tag$` are texts, `$1` and `$name` parameters.
    fn dollar(&mut self) -> Option<()> {
        let rest = self.rest();
        let tag = rest[1..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(rest.len(), |i| i + 1);
        if rest[tag..].starts_with('$') {
            let tag = &rest[..=tag];
            let end = rest[tag.len()..].find(tag)?;
            self.literal(2 * tag.len() + end);
        } else {
            self.literal(tag);
        }
        Some(())
    }

    /// To the end of the line. Unless it is `certain` that a comment begins here, a
    /// line with something in it that opens or closes a text may be code.
    fn line_comment(&mut self, marker: usize, certain: bool) -> Option<()> {
        let rest = self.rest();
        let len = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let comment = &rest[marker..len];
        if !certain && (comment.contains(['\'', '"', '`', '$']) || comment.contains("/*") || comment.contains("*/")) {
            return None;
        }
        self.at += len;
        self.out.push(' ');
        Some(())
    }

    /// Comments nest in some dialects, so one with another inside ends nowhere for sure.
    fn block_comment(&mut self) -> Option<()> {
        let inside = &self.rest()[2..];
        let end = inside.find("*/")?;
        if inside[..end].contains("/*") || inside[..end].ends_with('/') {
            return None;
        }
        self.at += end + 4;
        self.out.push(' ');
        Some(())
    }

    /// Anything that begins with a digit: `1.5e-3` leaves `?-?`, `0xCAFE` `?`.
    fn number(&mut self) {
        let len = self.rest().find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(self.rest().len());
        self.literal(len);
    }

    fn word(&mut self) -> Option<()> {
        let rest = self.rest();
        let len = rest.find(|c: char| !is_name_part(c)).unwrap_or(rest.len());
        let word = &rest[..len];
        let starts_statement = self.last == Last::Start;
        self.at += len;
        self.out.push_str(word);
        self.last = Last::Name;
        let before = self.words;
        self.words = [word, before[0]];
        let is = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        // What follows these is a text without quotes.
        if is(word, "by") && is(before[0], "identified") {
            self.bare(|c| c.is_whitespace() || c == ';')
        } else if starts_statement && (is(word, "set") || is(word, "add") || is(word, "reset")) {
            self.bare(|c| c == ';')
        } else if is(word, "stdin") {
            None
        } else {
            Some(())
        }
    }

    /// Leaves out what follows, white space first, up to where it ends. Quotes are
    /// for the usual way.
    fn bare(&mut self, ends: impl Fn(char) -> bool) -> Option<()> {
        let gap = self.rest().len() - self.rest().trim_start().len();
        self.out.push_str(&self.rest()[..gap]);
        self.at += gap;
        let len = self.rest().find(&ends).unwrap_or(self.rest().len());
        let text = &self.rest()[..len];
        if text.contains(['\'', '"', '`', '$', '#']) || text.contains("--") || text.contains("/*") || text.contains("//") {
            // Where the statement ends is a matter of quotes; keep its name alone.
            return None;
        }
        if len > 0 {
            self.literal(len);
        }
        Some(())
    }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '@'
}

/// Whatever starts a name is part of one, so every word takes something.
fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '@'
}

/// The length of a text in quotes at the start of `text`, if all dialects agree.
/// `None`: a quote behind a backslash, or no end.
fn quoted_len(text: &str, quote: char) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = quote as u8;
    let mut at = 1;
    let mut backslashes = 0_usize;
    while let Some(&b) = bytes.get(at) {
        at += 1;
        if b == b'\\' {
            backslashes += 1;
            continue;
        }
        if b == quote {
            if backslashes % 2 == 1 {
                return None;
            }
            if bytes.get(at) != Some(&quote) {
                return Some(at);
            }
            at += 1;
        }
        backslashes = 0;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_and_literals_go() {
        for (sql, readable) in [
            ("SELECT a, b FROM t WHERE c = 'x' AND d > 1.5e3", "SELECT a, b FROM t WHERE c = ? AND d > ?"),
            ("select * from `p.d.t` where n = N'x' or m=X'CAFE' or k=0xCAFE", "select * from `p.d.t` where n = N? or m=X? or k=?"),
            (r#"insert into "dev"."main"."orders" select "a"."b" from "x""#, r#"insert into "dev"."main"."orders" select "a"."b" from ?"#),
            ("select 'it''s' -- don't\nfrom t /* 'a' */ where x", "select ?  \nfrom t   where x"),
            ("select t1.c2, .5, x.5 from t1", "select t1.c2, ?, x.? from t1"),
            ("select $1, $$body 'x'$$, $t$a $$ b$t$ from f", "select ?, ?, ? from f"),
            ("select 5-3, -7", "select ?-?, -?"),
            ("create user u identified by tiger account unlock", "create user u identified by ? account unlock"),
            ("set hive.exec.x=secret;\nupdate t set a = 3", "set ?;\nupdate t set a = ?"),
            ("select '''quoted''' from t", "select ? from t"),
            ("select '' from t", "select ? from t"),
            ("select größe from ünï where naïve = 1", "select größe from ünï where naïve = ?"),
            ("", ""),
        ] {
            assert_eq!(readable_sql(sql), readable, "{sql}");
        }
    }

    #[test]
    fn where_dialects_disagree_the_rest_is_left_out() {
        for (sql, readable) in [
            (r"select 'a\' or b = ' secret", "select …"),
            ("select q'[it's secret]' from t", "select q…"),
            ("select '''it's secret''' from t", "select …"),
            ("select 'never closed secret", "select …"),
            ("select a # 'b\nsecret' from t", "select a …"),
            ("select /* /* */ 'secret */ from t", "select …"),
            ("copy t from stdin;\n1\tsecret\n", "copy t from stdin…"),
            ("select ‘secret’", "select …"),
            ("set x = 'a;b' ; select 1", "set …"),
            ("select $a$ secret", "select …"),
            ("select 5--3, 'secret'", "select ?…"),
        ] {
            let found = readable_sql(sql);
            assert!(!found.contains("secret"), "{sql} → {found}");
            assert_eq!(found.replace(" …", "…"), readable.replace(" …", "…"), "{sql}");
        }
    }

    #[test]
    fn no_form_of_a_literal_keeps_its_text() {
        let m = "planted";
        for form in [
            format!("'{m}'"),
            format!("N'{m}'"),
            format!("E'\\x41{m}'"),
            format!("E'it\\'s {m}'"),
            format!("U&'d{m}' UESCAPE '!'"),
            format!("_utf8'{m}'"),
            format!("X'{m}'"),
            format!("b\"{m}\""),
            format!("rb'''{m}'''"),
            format!("r\"\"\"a\"b {m}\"\"\""),
            format!("\"{m}\""),
            format!("\"a\\\"{m}\""),
            format!("\"a b\".\"{m} c\""),
            format!("$${m}$$"),
            format!("$x${m}$x$"),
            format!("q'!it's {m}!'"),
            format!("nq'{{{m}'}}'"),
            format!("DATE '{m}'"),
            format!("INTERVAL \"{m}\" DAY"),
            format!("0x{m}"),
            format!("1{m}"),
            format!(".5{m}"),
            format!("-- {m}\n"),
            format!("--{m}\n"),
            format!("# {m}\n"),
            format!("// {m}\n"),
            format!("/* {m} */"),
            format!("/*! {m} */"),
            format!("/* /* x */ {m} */"),
            format!("'a''{m}'"),
            format!("'a\\\\' , '{m}'"),
            format!("'a\n{m}'"),
            format!("“{m}”"),
            format!("TRIM(BOTH 'x' FROM \"{m}\")"),
        ] {
            for sql in [form.clone(), format!("select {form} from t"), format!("select a from t where b={form}"), format!("x{form}")] {
                let found = readable_sql(&sql);
                // Glued to a name, a number's digits are part of the name in every dialect.
                if sql.starts_with("x0x") || sql.starts_with("x1") {
                    continue;
                }
                assert!(!found.contains(m), "{sql} → {found}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_stripped_without_a_panic_and_not_lengthened(sql in r#"([a-z'"`$\\/*#\-\n;. 0-9é‘]|select|set |/\*|\*/|--|\$\$|.){0,60}"#) {
            let found = readable_sql(&sql);
            proptest::prop_assert!(found.chars().count() <= sql.chars().count() + 1);
        }
    }
}
