//! Time and chance as arguments: the only file that may touch the ambient clock
//! or the system's randomness. Everything else takes a [`Clock`] and an
//! [`Entropy`]; `clippy.toml` bans the ambient ones elsewhere.
use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use crate::domain::time::Micros;

/// Where "now" comes from.
pub trait Clock: Send + Sync {
    /// Microseconds since the Unix epoch, UTC.
    fn now(&self) -> Micros;
}

/// Where unpredictable bytes come from (keys, salts, nonces, handles).
pub trait Entropy: Send + Sync {
    /// Fills `bytes` whole.
    fn fill(&self, bytes: &mut [u8]);

    /// 16 fresh bytes.
    fn bytes16(&self) -> [u8; 16] {
        let mut b = [0; 16];
        self.fill(&mut b);
        b
    }

    /// 32 fresh bytes.
    fn bytes32(&self) -> [u8; 32] {
        let mut b = [0; 32];
        self.fill(&mut b);
        b
    }
}

/// A clock and a source of chance, passed together.
#[derive(Clone)]
pub struct Ambient {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

impl Ambient {
    /// The real ones, for the composition root.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
    }

    /// Fixed ones, for tests: time starts at `start` and moves only when told.
    #[must_use]
    pub fn fixed(start: Micros, seed: u64) -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock(AtomicI64::new(start.0)));
        (Self { clock: clock.clone(), entropy: Arc::new(SeededEntropy(AtomicU64::new(seed))) }, clock)
    }
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where ambient time enters")]
    fn now(&self) -> Micros {
        Micros(chrono::Utc::now().timestamp_micros())
    }
}

/// The operating system's randomness.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        use rand::TryRng;
        // INVARIANT: without randomness no key, salt or nonce is safe, so a
        // system that cannot give any must not go on.
        #[expect(clippy::expect_used, reason = "going on without randomness would leak plaintext")]
        rand::rngs::SysRng.try_fill_bytes(bytes).expect("the operating system gives randomness");
    }
}

/// A clock that tests move by hand.
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Moves time forward.
    pub fn advance(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::SeqCst))
    }
}

/// Repeatable bytes for tests (SplitMix64). Never for keys that protect anything.
pub struct SeededEntropy(AtomicU64);

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            chunk.copy_from_slice(&z.to_le_bytes()[..chunk.len()]);
        }
    }
}
