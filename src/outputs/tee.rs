//! What sees the bytes of a pipe first: the terminal or the next program.
//!
//! A stdout that goes away stops the printing, not the storing.

use bytes::Bytes;
use std::io::Write;

/// Takes the bytes of a pipe; dropped when the input has ended. Failing is its own affair: storing goes on.
pub trait Tee: Send {
    /// Takes bytes as they came.
    fn pass(&mut self, chunk: &Bytes);
}

/// Passes bytes on as they come, and waits for whoever takes them: the next program gets every byte.
#[derive(Debug)]
pub struct RawTee<W> {
    out: Option<W>,
}

impl<W: Write> RawTee<W> {
    /// Writes to `out` until that fails.
    #[must_use]
    pub fn new(out: W) -> RawTee<W> {
        RawTee { out: Some(out) }
    }
}

impl<W: Write + Send> Tee for RawTee<W> {
    fn pass(&mut self, chunk: &Bytes) {
        if let Some(out) = &mut self.out
            && out.write_all(chunk).and_then(|()| out.flush()).is_err()
        {
            self.out = None;
        }
    }
}

/// Shows nothing.
#[derive(Debug)]
pub struct NoTee;

impl Tee for NoTee {
    fn pass(&mut self, _: &Bytes) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_stdout_is_no_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut tee = RawTee::new(Closed);
        tee.pass(&Bytes::from_static(b"a"));
        tee.pass(&Bytes::from_static(b"b"));
        assert!(tee.out.is_none());
    }
}
