#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    ledgerline::ledger::fuzzing::checkpoint(data).unwrap();
});
