//! Containers: what is known of one from the path of its log file, and the inputs whose logs are no files.
//!
//! [`Describe`] answers at once, from the path, from small files beside the log and from what a thread of its own has
//! been told by an API ([`lookups`]). So an engine or a cluster that is away delays no line: its answer is said to be
//! incomplete, and whoever asked asks again.
//!
//! Limits: [`FIELDS_MAX`] labels and as many annotations, [`VALUE_BYTES_MAX`] bytes of each, [`NAME_BYTES_MAX`] of its
//! name, so that what is known of a container always fits the origin of a frame.

mod child;
pub mod cri;
mod demux;
pub mod docker;
pub mod docker_api;
pub mod engine;
pub mod export;
mod follow;
pub mod journald;
pub mod kubernetes;
pub mod lookups;
mod pods;
mod stamped;
mod wishes;

use crate::flow::{RawBatch, SyncClass};
use std::{
    collections::BTreeMap,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

/// Most labels, and most annotations, of one container.
pub const FIELDS_MAX: usize = 64;
/// Longest value of a label or an annotation, in bytes; a longer one is cut.
pub const VALUE_BYTES_MAX: usize = 256;
/// Longest name of a label or an annotation, in bytes; one with a longer name is left out.
pub const NAME_BYTES_MAX: usize = 128;
/// A batch is handed to the log when it has this many bytes,
const BATCH_BYTES: usize = 128 << 10;
/// or when its first record is this old.
const BATCH_WAIT: Duration = Duration::from_millis(100);
/// Most records of a batch.
const BATCH_RECORDS_MAX: usize = 16_384;
/// How soon records are offered again that the log had no room for.
const FULL_WAIT: Duration = Duration::from_secs(1);
/// How soon a source that is away is tried again, at first and at last.
const RETRY_WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// Length of a container's id.
const ID_DIGITS: usize = 64;

/// What is known of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// The service, as `service.name` of events that name none.
    pub service: Option<String>,
    /// The container's id, `container.id`.
    pub container: Option<String>,
    /// What else each of its events shares, by dotted name.
    pub fields: BTreeMap<String, String>,
    /// The line format that its owner named.
    pub format: Option<String>,
    /// What the first line of each record matches, as its owner said.
    pub first_line: Option<String>,
    /// Its owner does not want it to be shipped.
    pub skip: bool,
    /// All is known that will be known. Otherwise an API has not answered yet: ask again later.
    pub complete: bool,
}

impl Described {
    fn put(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.fields.insert(name.to_owned(), cut(value).to_owned());
        }
    }

    /// The image's name and tag, of `registry:5000/name:tag@sha256:..`.
    fn put_image(&mut self, image: &str) {
        let bare = image.split_once('@').map_or(image, |(bare, _)| bare);
        match bare.rsplit_once(':').filter(|(name, tag)| !tag.contains('/') && *name != "sha256") {
            Some((name, tag)) => {
                self.put("container.image.name", name);
                self.put("container.image.tag", tag);
            }
            None => self.put("container.image.name", bare),
        }
    }

    /// Labels or annotations, below `prefix`. A dot in a name would nest it, and `app` may stand beside
    /// `app.kubernetes.io/name`.
    fn put_all(&mut self, prefix: &str, named: &BTreeMap<String, String>) {
        for (name, value) in named.iter().filter(|(name, _)| name.len() <= NAME_BYTES_MAX).take(FIELDS_MAX) {
            self.put(&format!("{prefix}.{}", name.replace('.', "_")), value);
        }
    }
}

/// Says what is known of the container whose log file this is.
pub trait Describe: Send + Sync {
    /// `None` if it is no file of a container. Never waits for anybody: see [`Described::complete`].
    fn describe(&self, path: &Path) -> Option<Described>;
}

/// Asks several in turn; the first that knows the path's shape answers.
#[derive(Clone, Default)]
pub struct AnyOf(pub Vec<Arc<dyn Describe>>);

impl std::fmt::Debug for AnyOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AnyOf").field(&self.0.len()).finish()
    }
}

impl Describe for AnyOf {
    fn describe(&self, path: &Path) -> Option<Described> {
        self.0.iter().find_map(|one| one.describe(path))
    }
}

/// Whether this is the full id of a container.
fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// At most [`VALUE_BYTES_MAX`] bytes of a text.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(VALUE_BYTES_MAX)]
}

/// Whether a label says yes.
fn is_true(value: Option<&String>) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
}

/// A stream that fills whole batches is behind: it goes on as soon as the disk allows. Of others nobody waits for an
/// answer.
fn urgency(batch: &RawBatch) -> SyncClass {
    let bytes: usize = batch.records.iter().map(|record| record.bytes.len()).sum();
    if bytes >= BATCH_BYTES / 2 { SyncClass::Prompt } else { SyncClass::Relaxed }
}

/// The name of a path's last part.
fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// A whole file of at most `max` bytes.
fn read_bounded(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("over {max} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod testing;

/// What `described` says, one line a field: what golden files hold.
#[cfg(test)]
fn listed(described: Option<&Described>) -> String {
    let Some(described) = described else { return "no container\n".to_owned() };
    let mut lines = Vec::new();
    let own =
        [("service.name", &described.service), ("container.id", &described.container), ("(format)", &described.format)];
    lines.extend(own.iter().filter_map(|(name, value)| Some(format!("{name} = {}", value.as_deref()?))));
    let first_line = described.first_line.iter().map(|pattern| format!("(first line) = {pattern}"));
    lines.extend(first_line);
    lines.extend(described.fields.iter().map(|(name, value)| format!("{name} = {value}")));
    lines.extend(described.skip.then(|| "(skip)".to_owned()));
    lines.extend((!described.complete).then(|| "(incomplete)".to_owned()));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_have_names_and_tags() {
        let check = |image: &str, name: &str, tag: Option<&str>| {
            let mut described = Described::default();
            described.put_image(image);
            let found = |name: &str| described.fields.get(name).map(String::as_str);
            assert_eq!((found("container.image.name"), found("container.image.tag")), (Some(name), tag), "{image}");
        };
        check("nginx", "nginx", None);
        check("nginx:1.29", "nginx", Some("1.29"));
        check("registry:5000/shop/web", "registry:5000/shop/web", None);
        check("registry:5000/shop/web:v2@sha256:0123", "registry:5000/shop/web", Some("v2"));
        check("shop/web@sha256:0123", "shop/web", None);
        check("sha256:0123", "sha256:0123", None);
    }

    #[test]
    fn labels_are_bounded() {
        let mut described = Described::default();
        let mut labels: BTreeMap<String, String> =
            (0..200).map(|n| (format!("label{n:03}"), "ä".repeat(200))).collect();
        labels.insert("a.b/c".to_owned(), "d".to_owned());
        labels.insert("a".repeat(NAME_BYTES_MAX + 1), "long".to_owned());
        described.put_all("container.labels", &labels);
        assert_eq!(described.fields.len(), FIELDS_MAX);
        assert_eq!(described.fields["container.labels.a_b/c"], "d");
        assert_eq!(described.fields["container.labels.label000"].len(), VALUE_BYTES_MAX);
    }
}
