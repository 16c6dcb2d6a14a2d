//! The protocol of Beats: its reader needs nothing else of logship, so that it is included as it is.
#![no_main]

#[path = "../../src/codecs/lumberjack.rs"]
#[allow(dead_code)]
mod lumberjack;

use lumberjack::{EVENT_BYTES_MAX, Frame, Lumberjack, LumberjackError};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((step, stream)) = input.split_first() else { return };
    let (pieces, whole) = (read(stream, usize::from(*step).max(1)), read(stream, usize::MAX));
    assert_eq!(pieces.1.is_some(), whole.1.is_some(), "pieces matter: {:?}, {:?}", pieces.1, whole.1);
    // How much comes of a damaged frame before its damage is noticed depends on the pieces.
    let length = if whole.1.is_some() { pieces.0.len().min(whole.0.len()) } else { usize::MAX };
    assert!(pieces.0.iter().take(length).eq(whole.0.iter().take(length)), "pieces matter");
});

/// The frames of a stream that comes in pieces of so many bytes, and what ended it.
fn read(stream: &[u8], step: usize) -> (Vec<Frame>, Option<LumberjackError>) {
    let (mut lumberjack, mut frames) = (Lumberjack::default(), Vec::new());
    for piece in stream.chunks(step) {
        lumberjack.push(piece);
        loop {
            match lumberjack.next_frame() {
                Ok(Some(frame)) => {
                    if let Frame::Event { json, .. } = &frame {
                        assert!(json.len() <= EVENT_BYTES_MAX);
                    }
                    frames.push(frame);
                }
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}
