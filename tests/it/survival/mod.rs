//! Acknowledged means present, whatever happens to the process, the disk or the
//! power. Short forms run with every test; `scripts/survival` runs the long ones.
mod chance;
mod crash_images;
mod failed_calls;
mod kills;
mod oracle;
mod overload;
mod process;
mod recording;
mod refusals;
mod strace_injection;
mod stream;
mod tampering;
mod vfs;

/// Whether the long forms were asked for.
fn long() -> bool {
    std::env::var_os("LEDGERLINE_SURVIVAL").is_some_and(|v| v == "long")
}
