#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    ledgerline::domain::entry::fuzzing::leaf(data).unwrap();
});
