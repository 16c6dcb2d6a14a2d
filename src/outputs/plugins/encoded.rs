//! What workers made of events for one sink: their text, and where one ends and the next begins.

use crate::event::Event;

/// The texts of some events, in their order, one behind the other.
#[derive(Debug, Default)]
pub struct Encoded {
    text: String,
    items: Vec<Item>,
    /// How many events it is of.
    pub events: u64,
    /// How many of the items are delivered or refused, and how far their text goes.
    done: (usize, usize),
}

/// What is known of one event's text.
#[derive(Debug)]
pub struct Item {
    /// Where it ends.
    end: usize,
    /// Where it goes, where not all of an output's events go to the same place: a path, a URL, an index.
    pub to: String,
    /// The event, for outputs whose other side may refuse it.
    pub event: Option<Box<Event>>,
}

impl Encoded {
    /// With room for so much text.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Encoded {
        Encoded { text: String::with_capacity(bytes), ..Encoded::default() }
    }

    /// Where the text of an event is appended to; [`Encoded::end`] follows, unless the sink only wants the text.
    pub fn text_mut(&mut self) -> &mut String {
        &mut self.text
    }

    /// Ends the text of an event.
    pub fn end(&mut self, to: impl Into<String>, event: Option<&Event>) {
        let event = event.map(|event| Box::new(event.clone()));
        self.items.push(Item { end: self.text.len(), to: to.into(), event });
    }

    /// All text that is not done.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.get(self.done.1..).unwrap_or_default()
    }

    /// The items that are not done, with their texts.
    pub fn items(&self) -> impl Iterator<Item = (&str, &Item)> {
        let mut from = self.done.1;
        self.items.iter().skip(self.done.0).map(move |item| {
            let text = self.text.get(from..item.end).unwrap_or_default();
            from = item.end;
            (text, item)
        })
    }

    /// The first so many items that are not done are: delivered, or refused for good.
    pub fn done(&mut self, items: usize) {
        let count = (self.done.0 + items).min(self.items.len());
        let end = count.checked_sub(1).and_then(|last| self.items.get(last)).map_or(0, |item| item.end);
        self.done = (count, end);
    }

    /// Of the items that are not done, those are for which `is_done` says so, by their number; the others stay, in their order.
    pub fn settle(&mut self, mut is_done: impl FnMut(usize) -> bool) {
        let (mut text, mut kept) = (String::new(), Vec::new());
        let mut from = self.done.1;
        for (number, mut item) in self.items.drain(..).skip(self.done.0).enumerate() {
            let own = from..item.end;
            from = item.end;
            if !is_done(number) {
                text.push_str(self.text.get(own).unwrap_or_default());
                item.end = text.len();
                kept.push(item);
            }
        }
        (self.text, self.items, self.done) = (text, kept, (0, 0));
    }

    /// All of it is done.
    pub fn all_done(&mut self) {
        self.done = (self.items.len(), self.text.len());
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done == (self.items.len(), self.text.len())
    }

    /// How many items are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.items.len() - self.done.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_done_in_their_order() {
        let mut encoded = Encoded::default();
        assert!(encoded.is_done());
        for text in ["a", "bc", "", "d"] {
            encoded.text_mut().push_str(text);
            encoded.end(text.to_uppercase(), None);
        }
        let left = |encoded: &Encoded| -> Vec<String> {
            encoded.items().map(|(text, item)| format!("{text}>{}", item.to)).collect()
        };
        assert_eq!(left(&encoded), ["a>A", "bc>BC", ">", "d>D"]);
        encoded.done(1);
        assert_eq!((left(&encoded).join(" ").as_str(), encoded.text(), encoded.left()), ("bc>BC > d>D", "bcd", 3));
        encoded.done(2);
        assert_eq!(left(&encoded), ["d>D"]);
        encoded.done(9);
        assert!(encoded.is_done() && encoded.text().is_empty());
    }

    #[test]
    fn items_are_done_out_of_order() {
        let mut encoded = Encoded::default();
        for text in ["a", "bc", "", "d", "e"] {
            encoded.text_mut().push_str(text);
            encoded.end(text.to_uppercase(), None);
        }
        encoded.done(1);
        encoded.settle(|number| number == 0 || number == 2);
        let left: Vec<String> = encoded.items().map(|(text, item)| format!("{text}>{}", item.to)).collect();
        assert_eq!((left.join(" ").as_str(), encoded.text()), ("> e>E", "e"));
        encoded.settle(|_| true);
        assert!(encoded.is_done());
    }
}
