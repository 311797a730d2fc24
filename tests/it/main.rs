mod fuzz_corpus;
mod ledger;
