//! Any bytes as an OpenLineage event: no panic, and what is taken comes back.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ledgerline::interop::openlineage::fuzz_event(data));
