//! How sealed bytes are made small: zstd with the shape's prefix in mind, so that
//! the thousandth run of a job leaves a few hundred bytes.
//!
//! One byte in front: 0 as is, 1 zstd alone, 2 zstd with the shape's prefix.
use std::cell::RefCell;

use sha2::Digest as _;
use zstd::zstd_safe::{CCtx, CParameter, DCtx};

use crate::domain::assertion::Digest;

const AS_IS: u8 = 0;
const ALONE: u8 = 1;
const WITH_PREFIX: u8 = 2;
/// zstd's fastest ordinary level: the others cost more than they save here.
const LEVEL: i32 = 1;
/// What no part may unpack to: a stored length is not believed beyond it.
const UNPACKED_MAX: u64 = 256 << 20;

thread_local! {
    static PACK: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
    static UNPACK: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

/// Packs `bytes`; with a prefix where the entry's shape has one.
pub fn encode(bytes: &[u8], prefix: Option<&[u8]>) -> Vec<u8> {
    let kind = match prefix {
        Some(_) => WITH_PREFIX,
        None => ALONE,
    };
    let mut out = vec![0; 1 + zstd::zstd_safe::compress_bound(bytes.len())];
    if bytes.len() > 48
        && let Some((first, body)) = out.split_first_mut()
        && let Some(n) = pack(bytes, prefix, body)
        && n < bytes.len()
    {
        *first = kind;
        out.truncate(1 + n);
        return out;
    }
    out.clear();
    out.push(AS_IS);
    out.extend_from_slice(bytes);
    out
}

fn pack(bytes: &[u8], prefix: Option<&[u8]>, out: &mut [u8]) -> Option<usize> {
    let run = |c: &mut CCtx<'_>, out: &mut [u8]| {
        c.set_parameter(CParameter::CompressionLevel(LEVEL)).ok()?;
        c.compress2(out, bytes).ok()
    };
    match prefix {
        // A prefix is borrowed for one frame, so its context lives for one frame too.
        Some(p) => {
            let mut own = CCtx::create();
            own.ref_prefix(p).ok()?;
            run(&mut own, out)
        }
        None => PACK.with_borrow_mut(|c| run(c, out)),
    }
}

/// What the share of `rest` in a shape is sealed under; that of `core` is under the
/// shape's own digest. So neither passes for the other.
pub fn rest_of_shape(shape: &Digest) -> Digest {
    sha2::Sha256::new().chain_update(shape).chain_update(b"rest").finalize().into()
}

/// Whether sealed bytes were overwritten to destroy them: what is sealed begins
/// with a random nonce and is never all zeros.
pub fn is_overwritten(sealed: &[u8]) -> bool {
    sealed.iter().all(|b| *b == 0)
}

/// Whether unpacking needs the shape's prefix.
pub fn needs_prefix(packed: &[u8]) -> bool {
    packed.first() == Some(&WITH_PREFIX)
}

/// Unpacks; `None` for bytes that were not packed here or lack their prefix.
pub fn decode(packed: &[u8], prefix: Option<&[u8]>) -> Option<Vec<u8>> {
    let (kind, body) = packed.split_first()?;
    if *kind == AS_IS {
        return Some(body.to_vec());
    }
    let length = zstd::zstd_safe::get_frame_content_size(body).ok()??;
    let length = usize::try_from(length).ok().filter(|_| length <= UNPACKED_MAX)?;
    let mut out = vec![0; length];
    let n = match *kind {
        ALONE => UNPACK.with_borrow_mut(|d| d.decompress(&mut out[..], body).ok()),
        WITH_PREFIX => {
            let mut d = DCtx::create();
            d.ref_prefix(prefix?).ok()?;
            d.decompress(&mut out[..], body).ok()
        }
        _ => None,
    }?;
    (n == length).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back_with_and_without_a_prefix() {
        let prefix: Vec<u8> = (0..4000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let mut bytes = prefix.clone();
        bytes.extend_from_slice(b"and what varies");
        for p in [None, Some(&prefix[..])] {
            let packed = encode(&bytes, p);
            assert_eq!(decode(&packed, p).as_deref(), Some(&bytes[..]));
        }
        assert!(encode(&bytes, Some(&prefix)).len() < 200, "a repeat is nearly nothing");
        assert_eq!(decode(&encode(&bytes, Some(&prefix)), None), None);
        assert_eq!(decode(&encode(b"", None), None).as_deref(), Some(&b""[..]));
        assert_eq!(decode(&[9, 1, 2], None), None);
    }
}
