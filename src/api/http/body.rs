//! Request bodies: read within a bound that counts after inflation, so that a
//! small body that inflates without end stops at the bound.
use std::{io::Write, time::Duration};

use actix_web::{
    HttpRequest,
    error::PayloadError,
    http::{StatusCode, header},
    web::{Bytes, BytesMut, Payload},
};
use flate2::write::MultiGzDecoder;
use futures::{Stream, StreamExt as _};

use super::answer::Failure;
use crate::app::{AppError, Code};

/// Memory that is set aside on the word of a `Content-Length`.
const TRUSTED_BYTES: usize = 256 << 10;

fn too_large(max: usize) -> Failure {
    AppError::new(Code::TooLarge, format!("the body is larger than {max} bytes, counted after inflation")).into()
}

fn broken(e: PayloadError) -> Failure {
    match e {
        PayloadError::Overflow => Failure::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge, "the body is too large"),
        _ => Failure::malformed("the body ended before it was whole"),
    }
}

/// Reads a whole body.
///
/// # Errors
/// 413 over `max` bytes, 415 for an encoding other than gzip, 400 for what is cut
/// short or no gzip, 408 when it takes too long.
pub async fn read(request: &HttpRequest, payload: Payload, max: usize, timeout: Duration) -> Result<Bytes, Failure> {
    let gzip = match request.headers().get(header::CONTENT_ENCODING).map(|v| v.as_bytes().trim_ascii()) {
        None | Some(b"") => false,
        Some(v) if v.eq_ignore_ascii_case(b"identity") => false,
        Some(v) if v.eq_ignore_ascii_case(b"gzip") || v.eq_ignore_ascii_case(b"x-gzip") => true,
        Some(_) => {
            return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::BadUserInput, "the body's `Content-Encoding` is not gzip"));
        }
    };
    let told = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    // Also of gzip: a body that is not smaller than what it inflates to is a mistake.
    if told.is_some_and(|n| n > max) {
        return Err(too_large(max));
    }
    let reading =
        async { if gzip { inflate(payload, max).await } else { gather(payload, told.unwrap_or_default().min(TRUSTED_BYTES), max).await } };
    tokio::time::timeout(timeout, reading)
        .await
        .map_err(|_| Failure::new(StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded, "the body took too long to arrive"))?
}

async fn gather(
    mut chunks: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    capacity: usize,
    max: usize,
) -> Result<Bytes, Failure> {
    let Some(first) = chunks.next().await.transpose().map_err(broken)? else { return Ok(Bytes::new()) };
    if first.len() > max {
        return Err(too_large(max));
    }
    // Most bodies come in one piece: no copy then.
    let Some(second) = chunks.next().await.transpose().map_err(broken)? else { return Ok(first) };
    let mut whole = BytesMut::with_capacity(capacity.max(first.len() + second.len()));
    whole.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(chunk) = next {
        if whole.len() + chunk.len() > max {
            return Err(too_large(max));
        }
        whole.extend_from_slice(&chunk);
        next = chunks.next().await.transpose().map_err(broken)?;
    }
    Ok(whole.freeze())
}

async fn inflate(mut chunks: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin, max: usize) -> Result<Bytes, Failure> {
    let mut decoder = MultiGzDecoder::new(Bounded { bytes: Vec::new(), max, over: false });
    while let Some(chunk) = chunks.next().await.transpose().map_err(broken)? {
        if decoder.write_all(&chunk).is_err() {
            return Err(not_inflated(decoder.get_ref()));
        }
    }
    if decoder.try_finish().is_err() {
        return Err(not_inflated(decoder.get_ref()));
    }
    let bounded = decoder.get_mut();
    Ok(std::mem::take(&mut bounded.bytes).into())
}

fn not_inflated(bounded: &Bounded) -> Failure {
    if bounded.over { too_large(bounded.max) } else { Failure::malformed("the body is not gzip, or it is cut short") }
}

/// A buffer that takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    max: usize,
    over: bool,
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + more.len() > self.max {
            self.over = true;
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use flate2::{Compression, write::GzEncoder};
    use futures::{FutureExt as _, stream};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    type Chunks = stream::Iter<std::vec::IntoIter<Result<Bytes, PayloadError>>>;

    fn chunks(bytes: &[u8], size: usize) -> Chunks {
        stream::iter(bytes.chunks(size).map(|c| Ok(Bytes::copy_from_slice(c))).collect::<Vec<_>>())
    }

    fn inflated(bytes: &[u8], chunk: usize, max: usize) -> Result<Bytes, u16> {
        inflate(chunks(bytes, chunk), max).now_or_never().unwrap().map_err(|f| f.status.as_u16())
    }

    fn gathered(bytes: &[u8], chunk: usize, max: usize) -> Result<Bytes, u16> {
        gather(chunks(bytes, chunk), 0, max).now_or_never().unwrap().map_err(|f| f.status.as_u16())
    }

    #[test]
    fn bodies_are_put_together_within_the_bound() {
        let body: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        for chunk in [1, 7, 999, 10_000] {
            assert_eq!(gathered(&body, chunk, 10_000).unwrap(), body);
            assert_eq!(gathered(&body, chunk, 9_999), Err(413));
            assert_eq!(inflated(&gzip(&body), chunk, 10_000).unwrap(), body);
            assert_eq!(inflated(&gzip(&body), chunk, 9_999), Err(413));
        }
        assert_eq!(gathered(b"", 1, 0).unwrap(), Bytes::new());
        let two = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(inflated(&two, 5, 100).unwrap(), Bytes::from_static(b"one two"));
    }

    #[test]
    fn a_gzip_bomb_stops_at_the_bound() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        let seen = AtomicUsize::new(0);
        let counted = chunks(&bomb, 1024).inspect(|c| {
            seen.fetch_add(c.as_ref().map_or(0, Bytes::len), Ordering::Relaxed);
        });
        let failure = inflate(counted, 1 << 20).now_or_never().unwrap().unwrap_err();
        assert_eq!((failure.status.as_u16(), failure.error.code), (413, Code::TooLarge));
        assert!(seen.load(Ordering::Relaxed) < bomb.len() / 16, "the rest was not read");
    }

    #[test]
    fn what_is_no_gzip_or_cut_short_is_malformed() {
        let whole = gzip(b"some body");
        let mut flipped = whole.clone();
        let crc = flipped.len() - 6;
        flipped[crc] ^= 1;
        for bad in
            [b"plain text".to_vec(), whole[..whole.len() - 1].to_vec(), whole[..5].to_vec(), flipped, [&whole[..], b"rubbish"].concat()]
        {
            assert_eq!(inflated(&bad, 4, 1000), Err(400), "{bad:?}");
        }
    }

    #[test]
    fn a_broken_connection_is_no_body() {
        let broken = stream::iter(vec![Ok(Bytes::from_static(b"{")), Err(PayloadError::Incomplete(None))]);
        let failure = gather(broken, 0, 10).now_or_never().unwrap().unwrap_err();
        assert_eq!(failure.status.as_u16(), 400);
    }
}
