//! Parsed fields become fields of an event: dotted names nest, scalars at the names of ECS objects move inside, and
//! text that borrows from the line becomes a slice of it.

/// To be written.
#[derive(Clone, Copy, Debug)]
pub struct Limits;
