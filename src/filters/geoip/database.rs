//! A database file, read into memory, read again where it has changed.

use super::field::{Field, Kind};
use crate::event::{Timestamp, Value, json};
use lru::LruCache;
use maxminddb::Reader;
use serde_json::Value as Json;
use std::{
    fs,
    io::Read as _,
    net::IpAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::SystemTime,
};

/// The largest file.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// How often it is looked whether the file has changed.
const LOOK_EVERY_NANOS: i64 = 30_000_000_000;

/// The fields of an address; none where the database does not know it.
pub(super) type Found = Option<Arc<Vec<(Field, Value)>>>;

#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    fields: Option<Vec<Field>>,
    is_ecs: bool,
    open: RwLock<Open>,
    look_at: AtomicI64,
    cache: Mutex<LruCache<IpAddr, Found>>,
}

#[derive(Debug)]
struct Open {
    reader: Reader<Vec<u8>>,
    kind: Kind,
    fields: Vec<Field>,
    seen: Seen,
}

/// By what a changed file is known.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Seen {
    fn of(path: &Path) -> Result<Seen, String> {
        let metadata = fs::metadata(path).map_err(|cause| format!("it cannot be read: {cause}"))?;
        Ok(Seen { bytes: metadata.len(), modified: metadata.modified().ok() })
    }
}

impl Database {
    pub(super) fn open(
        path: &Path,
        fields: Option<Vec<Field>>,
        is_ecs: bool,
        cached: NonZeroUsize,
    ) -> Result<Database, String> {
        let open = Open::read(path, fields.as_deref(), is_ecs)?;
        Ok(Database {
            path: path.to_owned(),
            fields,
            is_ecs,
            open: RwLock::new(open),
            look_at: AtomicI64::new(0),
            cache: Mutex::new(LruCache::new(cached)),
        })
    }

    /// When it was made.
    pub(super) fn built(&self) -> Timestamp {
        let epoch = self.open.read().unwrap_or_else(PoisonError::into_inner).reader.metadata().build_epoch;
        Timestamp::from_millis(i64::try_from(epoch).unwrap_or(0).saturating_mul(1_000))
    }

    /// Reads the file again where it has changed; what cannot be read then leaves what is known.
    pub(super) fn refresh(&self, now: Timestamp) {
        let now = now.as_nanos();
        let due = self.look_at.load(Ordering::Relaxed);
        let next = now.saturating_add(LOOK_EVERY_NANOS);
        if now < due || self.look_at.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let known = self.open.read().unwrap_or_else(PoisonError::into_inner).seen;
        if Seen::of(&self.path).is_ok_and(|seen| seen == known) {
            return;
        }
        match Open::read(&self.path, self.fields.as_deref(), self.is_ecs) {
            Ok(open) => {
                *self.open.write().unwrap_or_else(PoisonError::into_inner) = open;
                self.cache.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
            Err(cause) => tracing::warn!("{} stays as it was read before: {cause}", self.path.display()),
        }
    }

    pub(super) fn find(&self, address: IpAddr) -> Result<Found, String> {
        let cache = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = cache().get(&address) {
            return Ok(found.clone());
        }
        let found = self.open.read().unwrap_or_else(PoisonError::into_inner).find(address)?.map(Arc::new);
        cache().put(address, found.clone());
        Ok(found)
    }
}

impl Open {
    fn read(path: &Path, fields: Option<&[Field]>, is_ecs: bool) -> Result<Open, String> {
        let seen = Seen::of(path)?;
        let mut bytes = Vec::new();
        let read = fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
        read.map_err(|cause| format!("it cannot be read: {cause}"))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
        }
        let reader = Reader::from_source(bytes).map_err(|cause| format!("it is no database: {cause}"))?;
        let kind = &reader.metadata().database_type;
        let kind = Kind::of(kind).ok_or_else(|| format!("databases of the type `{kind}` are not supported"))?;
        let mut fields = fields.map_or_else(|| kind.defaults(is_ecs), <[Field]>::to_vec);
        fields.sort_unstable();
        fields.dedup();
        Ok(Open { reader, kind, fields, seen })
    }

    fn find(&self, address: IpAddr) -> Result<Option<Vec<(Field, Value)>>, String> {
        let is_unknown = address.is_ipv6() && self.reader.metadata().ip_version == 4;
        if is_unknown {
            return Ok(None);
        }
        let found = self.reader.lookup(address).map_err(|cause| cause.to_string())?;
        let Some(record) = found.decode::<Json>().map_err(|cause| cause.to_string())? else { return Ok(None) };
        let has_place = ["/location/latitude", "/location/longitude"].iter().any(|path| record.pointer(path).is_some());
        if self.kind == Kind::City && !has_place {
            return Ok(None);
        }
        let value = |&field: &Field| {
            let value = match field {
                Field::Ip if self.kind.has(field) => Value::from(shown(address)),
                Field::Network if self.kind.has(field) => Value::from(found.network().ok()?.to_string()),
                _ => json::from_serde(field.value(&record, self.kind)?),
            };
            Some((field, value))
        };
        Ok(Some(self.fields.iter().filter_map(value).collect()))
    }
}

/// An address as Java shows it: of version 6 with all its parts.
fn shown(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => address.segments().map(|part| format!("{part:x}")).join(":"),
    }
}
