//! Who says so: the source of an assertion.

/// (integration of the token, producer without its version). A rotated token or
/// an upgraded producer is the same source; two integrations are two.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Source {
    pub integration: Box<str>,
    /// The producer URI without path segments that are versions.
    pub producer: Box<str>,
}

impl Source {
    /// Takes the producer as it came in an event.
    #[must_use]
    pub fn new(integration: &str, producer: &str) -> Self {
        Self { integration: integration.into(), producer: without_versions(producer).into() }
    }

    /// How a source is shown: `integration producer`, or `declared`.
    #[must_use]
    pub fn label(&self) -> String {
        if self.integration.is_empty() {
            // A declaration: no integration says it.
            return self.producer.to_string();
        }
        format!("{} {}", self.integration, self.producer)
    }
}

/// Drops path segments that are versions: `1.23.0`, `v1-0-0`, `1.19.0-SNAPSHOT`.
/// The scheme and authority stay whole; query and fragment too.
#[must_use]
pub fn without_versions(producer: &str) -> String {
    let start = producer.find("://").map_or(0, |i| i + 3);
    let path_start = producer[start..].find('/').map_or(producer.len(), |i| start + i);
    let path_end = producer[path_start..].find(['?', '#']).map_or(producer.len(), |i| path_start + i);
    let kept: Vec<&str> = producer[path_start..path_end].split('/').filter(|s| !is_version(s)).collect();
    format!("{}{}{}", &producer[..path_start], kept.join("/"), &producer[path_end..])
}

/// `[v]digits(.digits | -digits)+[suffix]`: at least two numbers, then maybe a
/// qualifier that starts with `-`, `.`, `+` or a letter.
fn is_version(segment: &str) -> bool {
    let s = segment.strip_prefix(['v', 'V']).unwrap_or(segment);
    let mut rest = s;
    let mut numbers = 0;
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            break;
        }
        numbers += 1;
        rest = &rest[digits..];
        match rest.as_bytes() {
            [b'.' | b'-', d, ..] if d.is_ascii_digit() => rest = &rest[1..],
            _ => break,
        }
    }
    numbers >= 2
        && (rest.is_empty()
            || (rest.starts_with(['-', '.', '+']) || rest.starts_with(|c: char| c.is_ascii_alphabetic()))
                && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.+_".contains(&b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_a_producer_do_not_make_it_another_source() {
        for (from, to) in [
            (
                "https://github.com/OpenLineage/OpenLineage/tree/1.23.0/integration/spark",
                "https://github.com/OpenLineage/OpenLineage/tree/integration/spark",
            ),
            ("https://github.com/OpenLineage/OpenLineage/blob/v1-0-0/client", "https://github.com/OpenLineage/OpenLineage/blob/client"),
            (
                "https://github.com/OpenLineage/OpenLineage/tree/1.19.0-SNAPSHOT/integration/spark",
                "https://github.com/OpenLineage/OpenLineage/tree/integration/spark",
            ),
            (
                "https://github.com/apache/airflow/tree/providers-openlineage/1.14.0",
                "https://github.com/apache/airflow/tree/providers-openlineage",
            ),
            ("https://example.com/v2/app", "https://example.com/v2/app"),
            ("https://10.0.0.1/app", "https://10.0.0.1/app"),
            ("plain", "plain"),
        ] {
            assert_eq!(without_versions(from), to);
        }
    }
}
