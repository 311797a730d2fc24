//! What is wrong with the graph alone is found by `verify` and repaired by
//! `rebuild`; nothing else is.
use ledgerline::store::examine::Check;

use super::{folder::Folder, passes, rebuild, verify};

/// Damages the graph, sees it found in `table`, repairs it.
fn repairs(sql: &str, table: &str, problem: &str) {
    let folder = Folder::rich();
    let plans = |f: &Folder| f.ask::<i64>("SELECT count(*) FROM shape WHERE length(plan) > 0");
    let shapes = plans(&folder);
    folder.change(sql);
    let fault = verify(folder.path()).first_fault.unwrap_or_else(|| panic!("nothing was found after {sql}"));
    assert_eq!(fault.check, Check::Projection, "{fault}");
    assert!(fault.place.starts_with(&format!("table `{table}`")), "{fault}");
    assert!(fault.to_string().contains(problem), "`{fault}` does not say `{problem}`");
    assert!(fault.check.remedy().contains("ledgerline rebuild"));
    let rebuilt = rebuild(folder.path()).unwrap();
    assert_eq!(rebuilt.differences.first().map(|d| (d.table, &d.first)), Some((table, &fault)));
    passes(folder.path());
    assert_eq!(plans(&folder), shapes);
    assert!(rebuild(folder.path()).unwrap().differences.is_empty(), "the second time it is the same");
}

#[test]
fn changed_flows_are_named_and_repaired() {
    repairs("UPDATE flow SET vf = vf - 1 WHERE pair = 0 AND side = 0", "flow", "is there, but no entry gives it");
    repairs("UPDATE flow SET by = by + 1 WHERE ru IS NULL", "flow", "`by` is entry");
    repairs("UPDATE flow SET vu = 9223372036854775807, ru = NULL WHERE ru IS NOT NULL", "flow", "`ru` is none, but the entries give entry");
    repairs("DELETE FROM flow WHERE side = 1", "flow", "is missing");
    repairs("INSERT INTO flow VALUES(0, 1, 0, 5, 310, 6, NULL, 310)", "flow", "no entry gives it");
}

#[test]
fn changed_lives_aliases_and_facets_are_named_and_repaired() {
    repairs("INSERT INTO life VALUES(0, 1, 310, 2, NULL)", "life", "no entry gives it");
    repairs("DELETE FROM life_end", "life_end", "is missing");
    repairs("UPDATE alias SET vu = vu - 1", "alias", "`vu`");
    repairs("UPDATE facet SET digest = zeroblob(32) WHERE node = (SELECT min(node) FROM facet)", "facet", "`digest` is 0000");
    repairs("UPDATE facet SET blob = blob % 2 + 1 WHERE blob IS NOT NULL", "facet", "`blob`");
    repairs("UPDATE facet SET deleted = 1 - deleted WHERE ru IS NULL", "facet", "`deleted` is");
}

#[test]
fn changed_names_runs_and_plans_are_named_and_repaired() {
    repairs("UPDATE node SET name = 'another' WHERE no = 3", "node", "`name` is `another`, but the entries give");
    repairs("UPDATE source SET producer = 'https://example.org/forged' WHERE id = 0", "source", "`producer` is");
    repairs("UPDATE facet_name SET word = 'forged' WHERE id = 0", "facet_name", "`word` is `forged`");
    repairs("UPDATE pair SET span_max = span_max + 1", "pair", "`span_max`");
    repairs("DELETE FROM naming", "naming", "is missing");
    repairs("UPDATE run SET complete = NULL", "run", "`complete` is none");
    repairs("DELETE FROM run_id", "run_id", "is missing");
    repairs("DELETE FROM run_event", "run_event", "is missing");
    repairs("DELETE FROM design", "design", "is missing");
    repairs("UPDATE dataset_event SET shape = shape + 1", "dataset_event", "`shape` is shape");
    repairs("UPDATE shape SET plan = x'00' WHERE id = 2", "shape", "its plan cannot be read");
    repairs("UPDATE shape SET plan = (SELECT s.plan FROM shape s WHERE s.id = 1) WHERE id = 2", "shape", "not what its first entry gives");
}

#[test]
fn a_graph_without_a_row_and_without_its_tables_is_made_anew() {
    let folder = Folder::rich();
    folder.main().execute_batch("DROP TABLE flow; DROP TABLE node; DROP TABLE facet; UPDATE shape SET plan = x''").unwrap();
    let fault = verify(folder.path()).first_fault.unwrap();
    assert_eq!((fault.check, &*fault.place), (Check::Projection, "table `node`"), "{fault}");
    let rebuilt = rebuild(folder.path()).unwrap();
    let tables: Vec<&str> = rebuilt.differences.iter().map(|d| d.table).collect();
    assert_eq!(tables, ["node", "flow", "facet", "shape"]);
    passes(folder.path());
}

#[test]
fn a_sound_graph_is_rebuilt_to_the_same_rows_and_the_folder_still_opens() {
    let folder = Folder::rich();
    let rebuilt = rebuild(folder.path()).unwrap();
    assert!(rebuilt.differences.is_empty(), "{:?}", rebuilt.differences);
    assert_eq!(rebuilt.entries, folder.ask::<u64>("SELECT count(*) FROM entry"));
    passes(folder.path());
    let (ambient, _) = ledgerline::clock::Ambient::fixed(crate::support::NOON, 5);
    let app = ledgerline::app::App::open(folder.path(), &crate::support::config(), ambient).unwrap();
    assert_eq!(app.ledger_size(), rebuilt.entries);
}

#[test]
fn what_is_wrong_with_the_ledger_is_not_repaired_and_keeps_the_graph_from_being_touched() {
    for (sql, check) in [
        ("UPDATE entry SET core = zeroblob(200) WHERE ix = 44", Check::Part),
        ("DELETE FROM entry WHERE ix = 44", Check::Log),
        ("UPDATE entry SET shape = shape + 1 WHERE ix = 44", Check::Part),
    ] {
        let folder = Folder::rich();
        folder.change(sql);
        folder.change("DELETE FROM naming");
        let refused = rebuild(folder.path()).unwrap_err();
        assert_eq!(refused.check, check, "{refused}");
        assert_eq!(folder.ask::<i64>("SELECT count(*) FROM naming"), 0, "as it was");
    }
    // Outside the graph nothing is touched: still wrong afterwards.
    for sql in
        ["DELETE FROM dup WHERE ix = 50", "UPDATE person SET next_n = next_n + 1", "DELETE FROM token", "DELETE FROM tile WHERE k = 0"]
    {
        let folder = Folder::rich();
        folder.change(sql);
        let before = verify(folder.path()).first_fault.unwrap();
        rebuild(folder.path()).unwrap();
        assert_eq!(verify(folder.path()).first_fault, Some(before), "{sql}");
    }
}
