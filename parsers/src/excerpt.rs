//! One line of a text as an error shows it: in a window of columns, for terminals with fixed-width characters.

/// The widest piece of a line that a rendered error shows.
pub const RENDER_COLUMNS_MAX: usize = 100;

/// One line as shown, and where its carets go, in columns.
pub(crate) struct Excerpt {
    /// The line, with tabs as four spaces, and cut where it is wide.
    pub(crate) shown: String,
    /// The columns before the carets.
    pub(crate) before: usize,
    /// The columns of the carets; none for an empty span.
    pub(crate) under: usize,
}

impl Excerpt {
    /// The line around the bytes from `start` to `end`.
    pub(crate) fn new(line: &str, start: usize, end: usize) -> Excerpt {
        let before: usize = line[..start].chars().map(columns).sum();
        let mut cells: Vec<(usize, char)> = line.char_indices().collect();
        let wide = cells.iter().map(|(_, c)| columns(*c)).sum::<usize>() > RENDER_COLUMNS_MAX;
        let mut shown = String::new();
        let mut used = 0;
        let mut skipped = 0;
        if wide && before > RENDER_COLUMNS_MAX / 2 {
            let drop_to = before - RENDER_COLUMNS_MAX / 2;
            let mut dropped = 0;
            while dropped < cells.len() && skipped < drop_to {
                skipped += columns(cells[dropped].1);
                dropped += 1;
            }
            cells.drain(..dropped);
            shown.push('…');
            used = 1;
        }
        let mut under = 0;
        let indent = before - skipped + used;
        for (at, c) in cells {
            if used + columns(c) > RENDER_COLUMNS_MAX {
                shown.push('…');
                break;
            }
            used += columns(c);
            if (start..end).contains(&at) {
                under += columns(c);
            }
            match c {
                '\t' => shown.push_str("    "),
                c if c.is_control() => shown.push('\u{fffd}'),
                c => shown.push(c),
            }
        }
        Excerpt { shown, before: indent, under }
    }
}

/// The columns that a character takes on a terminal: two for East Asian wide characters and emoji, none for marks
/// that join the character before.
fn columns(c: char) -> usize {
    match u32::from(c) {
        0x09 => 4,
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f | 0x20d0..=0x20ff => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The last boundary of a character at or before `at`.
pub(crate) fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
