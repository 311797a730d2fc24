//! Repetitions of an event have one shape and nearly nothing of their own.
use super::{NOW, cut, fixture};
use ledgerline::interop::openlineage::read;

fn event() -> String {
    String::from_utf8(fixture("run_complete")).expect("UTF-8")
}

fn shape(event: &str) -> ([u8; 32], Vec<u8>) {
    let reading = read(event.as_bytes(), NOW).unwrap_or_else(|r| panic!("{r:?}"));
    let cut = cut(&reading);
    (cut.shape, cut.prefix)
}

#[test]
fn what_varies_by_run_leaves_the_shape_alone() {
    let one = shape(&event());
    for (from, to) in [
        ("06:00:12.345678+01:00", "07:13:44Z"),
        ("0195500A-7C00-7000-8000-00000000A001", "0195500A-7C00-7000-8000-00000000A002"),
        ("0195500a-7c00-7000-8000-00000000a000", "another"),
        ("2026-03-01T05:00:00Z", "2026-04-01T05:00:00Z"),
        (r#""note": "call Jane Roe or write to jane.roe@example.org"#, r#""note": "nobody"#),
        (r#""tiny": 1e-400"#, r#""tiny": {"other": []}"#),
        (r#""datasetVersion": "17""#, r#""datasetVersion": "18, and longer than before, beyond 64 bytes of anything""#),
        (r#""rowCount": 10, "columnMetrics": {}"#, r#""rowCount": 11"#),
        (r#""rowCount": 9007199254740993"#, r#""rowCount": 0"#),
    ] {
        assert!(event().contains(from), "{from}");
        assert_eq!(shape(&event().replacen(from, to, 1)), one, "{from}");
    }
}

#[test]
fn what_describes_job_and_datasets_is_the_shape() {
    let one = shape(&event());
    for (from, to) in [
        ("COMPLETE", "RUNNING"),
        ("load orders/daily", "load orders/hourly"),
        ("shop.public.raw", "shop.public.row"),
        (r#""inputs": ["#, r#""inputs": [ {"namespace": "n", "name": "more"}, "#),
        (r#""type": "MAINTAINER""#, r#""type": "OWNER""#),
        ("insert into orders", "insert into  orders"),
        (r#""storage": null"#, r#""storage": {}"#),
        (r#""nominalTime""#, r#""nominalTimes""#),
    ] {
        assert!(event().contains(from), "{from}");
        assert_ne!(shape(&event().replacen(from, to, 1)).0, one.0, "{from}");
    }
    let job = String::from_utf8(fixture("job_event")).expect("UTF-8");
    assert_ne!(shape(&job).0, shape(&job.replacen(r#""inputs":[],"#, "", 1)).0, "an absent side is not an empty one");
    let body = event();
    let reading = read(body.as_bytes(), NOW).expect("taken");
    let mut handles = super::handles(&reading);
    let other_source = reading.cut(&ledgerline::domain::source::Source::new("other", "p"), &handles);
    assert_ne!(other_source.shape, one.0);
    // The owner of the job is somebody else.
    handles[4] = ledgerline::domain::id::Handle([9; 16]);
    assert_ne!(reading.cut(&super::source(), &handles).shape, one.0);
}

#[test]
fn the_prefix_holds_what_repeats_and_nothing_of_a_run() {
    let (_, prefix) = shape(&event());
    let text = String::from_utf8_lossy(&prefix);
    for gone in ["0195500", "05:00:12", "2026-03-01", "rowCount", "nightly\"}, \"task", "1E400", "17"] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    for there in ["load orders/daily", "openlineage.run.v1", "\"outputs\": [", "nominalTime\"\"_producer\": \"https://example.org/p\""] {
        assert!(text.contains(there), "{there}: {text}");
    }
    let compressed = |event: &str, prefix: &[u8]| {
        let reading = read(event.as_bytes(), NOW).expect("taken");
        let cut = cut(&reading);
        let mut zstd = zstd::bulk::Compressor::with_dictionary(3, prefix).expect("a compressor");
        zstd.compress(&[cut.core, cut.rest].concat()).expect("compressed").len()
    };
    let repetition = event().replacen("A001", "A002", 1).replacen("06:00:12", "06:00:13", 1);
    assert!(compressed(&repetition, &prefix) * 3 < compressed(&repetition, &[]) * 2);
}
