#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    ledgerline::interop::openlineage::fuzz_event(data).unwrap();
});
