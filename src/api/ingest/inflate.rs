//! Bodies as they were before compression, piece by piece.
//!
//! Promise: whatever the bytes are, a piece that is handed on is at most a few MiB, and a zstd window at most
//! [`ZSTD_WINDOW_LOG_MAX`]; who takes the pieces counts them and breaks off. A stream that ends too early is an error.

use crate::api::ApiError;
use flate2::write::MultiGzDecoder;
use std::io::Write;
use zstd::stream::raw::{DParameter, Decoder, Operation};

/// Largest zstd window, as a power of two: 8 MiB, what RFC 9659 allows in HTTP.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// gzip goes in in slices of this size: at most a thousandfold comes out.
const GZIP_SLICE: usize = 2 << 10;
/// zstd comes out in pieces of this size.
const ZSTD_PIECE: usize = 128 << 10;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip, of one or several members.
    Gzip,
    /// zstd, of one or several frames.
    Zstd,
}

/// A decoder that is fed.
pub enum Inflate {
    /// Nothing to do.
    Identity,
    /// gzip; the inside is emptied after each slice.
    Gzip(MultiGzDecoder<Vec<u8>>),
    /// zstd, the room for its pieces, and whether a frame has just ended.
    Zstd(Decoder<'static>, Vec<u8>, bool),
}

impl Inflate {
    /// A decoder at the beginning of a body.
    pub fn new(encoding: Encoding) -> Result<Inflate, ApiError> {
        Ok(match encoding {
            Encoding::Identity => Inflate::Identity,
            Encoding::Gzip => Inflate::Gzip(MultiGzDecoder::new(Vec::new())),
            Encoding::Zstd => {
                let mut decoder = Decoder::new().map_err(|error| corrupt("zstd", &error))?;
                let window = DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX);
                decoder.set_parameter(window).map_err(|error| corrupt("zstd", &error))?;
                Inflate::Zstd(decoder, vec![0; ZSTD_PIECE], false)
            }
        })
    }

    /// Decodes the next bytes of the body; `sink` takes the pieces.
    pub fn push(&mut self, data: &[u8], sink: &mut dyn FnMut(&[u8]) -> Result<(), ApiError>) -> Result<(), ApiError> {
        match self {
            Inflate::Identity => sink(data),
            Inflate::Gzip(decoder) => data.chunks(GZIP_SLICE).try_for_each(|slice| {
                decoder.write_all(slice).map_err(|error| corrupt("gzip", &error))?;
                drain(decoder, sink)
            }),
            Inflate::Zstd(decoder, piece, whole) => unpack(decoder, piece, whole, data, sink),
        }
    }

    /// The body has ended.
    pub fn finish(self, sink: &mut dyn FnMut(&[u8]) -> Result<(), ApiError>) -> Result<(), ApiError> {
        match self {
            Inflate::Identity | Inflate::Zstd(_, _, true) => Ok(()),
            Inflate::Zstd(_, _, false) => Err(ApiError::bad("the body is no whole zstd stream: it ends too early")),
            Inflate::Gzip(mut decoder) => {
                decoder.try_finish().map_err(|error| corrupt("gzip", &error))?;
                drain(&mut decoder, sink)
            }
        }
    }
}

fn drain(
    decoder: &mut MultiGzDecoder<Vec<u8>>,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    sink(decoder.get_ref())?;
    decoder.get_mut().clear();
    Ok(())
}

fn unpack(
    decoder: &mut Decoder<'static>,
    piece: &mut [u8],
    whole: &mut bool,
    mut data: &[u8],
    sink: &mut dyn FnMut(&[u8]) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    while !data.is_empty() {
        loop {
            let status = decoder.run_on_buffers(data, piece).map_err(|error| corrupt("zstd", &error))?;
            sink(&piece[..status.bytes_written])?;
            data = &data[status.bytes_read..];
            *whole = status.remaining == 0;
            // A full piece may have left more inside the decoder, even when all input is read.
            if *whole || status.bytes_written < piece.len() {
                break;
            }
        }
    }
    Ok(())
}

fn corrupt(name: &str, error: &std::io::Error) -> ApiError {
    ApiError::bad(format!("the body is no whole {name} stream: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(plain: &[u8]) -> Vec<u8> {
        zstd::encode_all(plain, 1).unwrap()
    }

    fn inflate(encoding: Encoding, body: &[u8], step: usize) -> Result<Vec<u8>, ApiError> {
        let mut out = Vec::new();
        let mut inflate = Inflate::new(encoding)?;
        let mut sink = |piece: &[u8]| {
            assert!(piece.len() <= 4 << 20);
            out.extend_from_slice(piece);
            Ok(())
        };
        for part in body.chunks(step) {
            inflate.push(part, &mut sink)?;
        }
        inflate.finish(&mut sink)?;
        Ok(out)
    }

    #[test]
    fn streams_come_back_whatever_the_pieces() {
        let plain: Vec<u8> = (0..300_000_u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
        for step in [1_000, 100_000, usize::MAX] {
            for (encoding, body) in [
                (Encoding::Identity, plain.clone()),
                (Encoding::Gzip, gzip(&plain)),
                (Encoding::Gzip, [gzip(&plain[..1_000]), gzip(&[]), gzip(&plain[1_000..])].concat()),
                (Encoding::Zstd, zstd(&plain)),
                (Encoding::Zstd, [zstd(&plain[..1_000]), zstd(&[]), zstd(&plain[1_000..])].concat()),
            ] {
                assert!(inflate(encoding, &body, step).unwrap() == plain, "{encoding:?} {step}");
            }
        }
        assert_eq!(inflate(Encoding::Gzip, &gzip(b"ab"), 1).unwrap(), b"ab");
        assert_eq!(inflate(Encoding::Zstd, &zstd(b"ab"), 1).unwrap(), b"ab");
    }

    #[test]
    fn broken_streams_are_errors() {
        let (gz, zs) = (gzip(b"some text of a log"), zstd(b"some text of a log"));
        for (encoding, body) in [
            (Encoding::Gzip, vec![]),
            (Encoding::Gzip, gz[..gz.len() - 1].to_vec()),
            (Encoding::Gzip, gz[..12].to_vec()),
            (Encoding::Gzip, b"plain text, honestly".to_vec()),
            (Encoding::Gzip, [gz.as_slice(), b"garbage"].concat()),
            (Encoding::Zstd, vec![]),
            (Encoding::Zstd, zs[..zs.len() - 1].to_vec()),
            (Encoding::Zstd, b"plain text, honestly".to_vec()),
            (Encoding::Zstd, [zs.as_slice(), b"garbage"].concat()),
        ] {
            let error = inflate(encoding, &body, 7).unwrap_err();
            assert!(error.message.starts_with("the body is no whole"), "{encoding:?} {body:?}: {}", error.message);
        }
    }

    #[test]
    fn large_zstd_windows_are_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&vec![7; 20 << 20]).unwrap();
        let body = encoder.finish().unwrap();
        assert!(inflate(Encoding::Zstd, &body, 1_000).is_err());
    }

    #[test]
    fn bombs_end_where_the_sink_says() {
        let zeros = vec![0; 64 << 20];
        for (encoding, body) in [(Encoding::Gzip, gzip(&zeros)), (Encoding::Zstd, zstd(&zeros))] {
            let mut seen = 0;
            let stop = Inflate::new(encoding).unwrap().push(&body, &mut |piece| {
                seen += piece.len();
                if seen > 1 << 20 { Err(ApiError::bad("enough")) } else { Ok(()) }
            });
            assert_eq!(stop.unwrap_err().message, "enough");
            assert!(seen < 8 << 20, "{encoding:?}: {seen}");
        }
    }
}
