//! Places in trees that are compared by what they mean.

use std::hash::{Hash, Hasher};

/// A span that equals every other: trees compare by meaning. Each language has spans of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpanIgnored<S>(pub S);

impl<S> PartialEq for SpanIgnored<S> {
    fn eq(&self, _: &SpanIgnored<S>) -> bool {
        true
    }
}
impl<S> Eq for SpanIgnored<S> {}
impl<S> Hash for SpanIgnored<S> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
