
mod fuzz_corpus;
mod ledger;
mod vault;
