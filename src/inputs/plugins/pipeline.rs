//! `pipeline { address => "main" }`: what another pipeline of the process sends with `pipeline { send_to => "main" }`.
//!
//! The other has delivered an event once it is in the log here. Events keep their `@metadata`.

use super::{Entrance, InputError, InputKind, Kept, Record, Source};
use crate::{
    config::Options,
    flow::{Addresses, Letter, Stop},
};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::{io, sync::Arc, time::Duration};

pub(super) const KIND: InputKind = InputKind {
    name: "pipeline",
    summary: "Events of another pipeline of this process",
    options: &["address"],
    codec: "event",
    needs_log: true,
    path: None,
    host: None,
    build,
};

/// How often it looks whether it should stop.
const LOOK_EVERY: Duration = Duration::from_millis(250);

struct Pipeline {
    address: String,
    addresses: Arc<Addresses>,
    listening: Option<Listening>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Source>> {
    let address =
        options.required("address", |value| logship_parsers::config::typed::text(value).map(str::to_owned))?;
    Some(Box::new(Pipeline { address, addresses: options.settings().addresses.clone(), listening: None }))
}

impl Source for Pipeline {
    fn open(&mut self, _: &mut Kept) -> io::Result<()> {
        let taken = || io::Error::other(format!("another pipeline listens at the address `{}`", self.address));
        let letters = self.addresses.listen(&self.address).ok_or_else(taken)?;
        let (addresses, address) = (self.addresses.clone(), self.address.clone());
        self.listening = Some(Listening { addresses, address, letters });
        Ok(())
    }

    fn run(mut self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        let Some(listening) = self.listening.take() else { return Ok(()) };
        let mut stream = entrance.stream([]);
        // What waits when it should stop is sent again by those who sent it.
        while !stop.is_requested() {
            match listening.letters.recv_timeout(LOOK_EVERY) {
                Ok(Letter { events, safe }) => {
                    let nothing = [].into();
                    let records = events.into_iter().map(|text| Record { text, fields: Arc::clone(&nothing) });
                    stream.records(records.collect())?;
                    stream.settle()?;
                    // Who sent it may have ended, and sends it again when it is back.
                    _ = safe.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Ok(())
    }

    fn is_fed_from_inside(&self) -> bool {
        true
    }
}

/// Somebody listens while this lives.
struct Listening {
    addresses: Arc<Addresses>,
    address: String,
    letters: Receiver<Letter>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.addresses.leave(&self.address);
    }
}
