//! A lineage as two tables: its nodes by depth, its edges.
use super::{answer::Answer, text::visible};

/// Columns as wide as their widest cell, two blanks between, none at the end.
fn push_rows(out: &mut String, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> =
        (0..columns).map(|c| rows.iter().filter_map(|r| r.get(c)).map(|t| t.chars().count()).max().unwrap_or(0)).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

/// The text.
#[must_use]
pub fn table(answer: &Answer) -> String {
    let mut out = format!("{}\n{}\n\n", answer.date(), answer.completeness());
    let mut rows = vec![row(["DEPTH", "KIND", "NAMESPACE", "NAME", "REMARKS"])];
    for node in &answer.nodes {
        let (kind, namespace) = (node.kind.as_deref().unwrap_or("-"), node.namespace.as_deref().unwrap_or("-"));
        rows.push(row([&node.depth.to_string(), kind, &visible(namespace), &visible(node.name()), &node.remarks()]));
    }
    push_rows(&mut out, &rows);
    if answer.edges.is_empty() {
        out.push_str("\nno edges\n");
        return out;
    }
    out.push('\n');
    let jobs = answer.has_jobs();
    let mut rows = vec![row(["FROM", "TO", "KIND", "VALID FROM", "VALID UNTIL"])];
    if jobs {
        rows[0].push("JOB".to_owned());
    }
    for edge in &answer.edges {
        let (from, to) = (visible(answer.name_of(&edge.from)), visible(answer.name_of(&edge.to)));
        let mut cells = row([&from, &to, &edge.kind, &edge.valid_from, edge.valid_until.as_deref().unwrap_or("-")]);
        if jobs {
            cells.push(edge.job.as_deref().map_or_else(|| "-".to_owned(), |job| visible(answer.name_of(job))));
        }
        rows.push(cells);
    }
    push_rows(&mut out, &rows);
    if !answer.completeness.frontier.is_empty() {
        let names: Vec<String> = answer.completeness.frontier.iter().map(|id| visible(answer.name_of(id))).collect();
        out.push_str(&format!("\ncut off at: {}\n", names.join(", ")));
    }
    out
}
