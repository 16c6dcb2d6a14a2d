//! Released formats stay readable: `fixtures/log/v1` was written once and is read by every later version.

use super::{KnownFile, Limit, Options, Reader, ReaderStats, SourceTable, list, segment, writer::Writer};
use crate::event::Timestamp;
use crate::flow::{Append, FileMark, LogId, Origin, Pos, RawBatch, Record, RecordKind, Span, SyncClass};
use crate::fs::{self, Fs, RealFs, sim::SimFs};
use std::{path::Path, sync::Arc};
use tokio::sync::{oneshot, watch};

const V1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/log/v1");
const LOG: LogId = LogId::from_bits(0x4f2a_9c01_d3b7);

fn batches() -> Vec<RawBatch> {
    let record =
        |text: &'static [u8], json, truncated| Record { bytes: text.into(), kind: RecordKind { json, truncated } };
    let file = Origin {
        source: "file:/var/log/app.log".to_owned(),
        input: "file".to_owned(),
        host: Some("web-1".to_owned()),
        path: Some("/var/log/app.log".to_owned()),
        zone: Some("Europe/Berlin".to_owned()),
        ..Origin::default()
    };
    let stdin = Origin { source: "stdin".to_owned(), input: "stdin".to_owned(), ..Origin::default() };
    let received = Timestamp::from_nanos(1_767_225_600_123_456_789);
    vec![
        RawBatch {
            origin: Arc::new(file.clone()),
            span: Some(Span { from: 0, to: 34 }),
            mark: Some(FileMark { device: 2_049, inode: 1_311_768, prefix: 7, marker: 9 }),
            received,
            records: vec![record(b"GET / 200", false, false), record(b"Gr\xc3\xbc\xc3\x9fe \xff\xfe", false, false)],
        },
        RawBatch {
            origin: Arc::new(stdin),
            span: None,
            mark: None,
            received,
            records: vec![
                record(br#"{"message":"hi","log":{"level":"warn"}}"#, true, false),
                record(b"", false, false),
            ],
        },
        RawBatch {
            origin: Arc::new(file),
            span: Some(Span { from: 40, to: 50 }),
            mark: Some(FileMark { device: 2_049, inode: 1_311_768, prefix: 1, marker: u64::MAX }),
            received: Timestamp::from_nanos(-1),
            records: vec![record(b"a very long li", false, true)],
        },
        RawBatch { origin: Arc::default(), span: None, mark: None, received, records: vec![] },
    ]
}

/// Two segments: the third batch is over the size of the first.
fn generate() -> Vec<(String, Vec<u8>)> {
    let sim: Arc<dyn Fs> = Arc::new(SimFs::new(1));
    let options = Options { segment_bytes_max: 600, ..Options::default() };
    let (ends, _durable) = watch::channel(Pos(0));
    let mut table = SourceTable::default();
    table.insert("seq:client-7", Span { from: 1, to: 4 }, None, 1_767_225_600_000).unwrap();
    let mut writer = Writer::create(sim.clone(), Path::new("/"), LOG, options, table, ends).unwrap();
    for batch in batches() {
        writer.stage(Append { batch, class: SyncClass::Prompt, answer: oneshot::channel().0 });
        writer.commit();
    }
    let bases = segment::bases(&*sim, writer.dir()).unwrap();
    assert_eq!(bases.len(), 2);
    let paths = bases.iter().map(|&base| segment::path(writer.dir(), base));
    paths
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&*sim, &path).unwrap()))
        .collect()
}

/// Set `UPDATE_FIXTURES=1` to write the fixture of a format that is not released.
#[test]
fn this_version_writes_format_1() {
    let dir = Path::new(V1).join(LOG.to_string());
    for (name, bytes) in generate() {
        let path = dir.join(name);
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == bytes, "{} is written differently now", path.display());
    }
}

#[test]
fn format_1_is_read() {
    let logs = list(&RealFs, Path::new(V1)).unwrap();
    assert_eq!(logs.iter().map(|log| (log.id, log.alive)).collect::<Vec<_>>(), [(LOG, false)]);
    let real: Arc<dyn Fs> = Arc::new(RealFs);
    for limit in [Limit::Everything, Limit::Marked] {
        let mut reader = Reader::open(&real, &logs[0].dir, Pos(0)).unwrap();
        let frames: Vec<_> = std::iter::from_fn(|| reader.next(limit).unwrap()).collect();
        assert_eq!(frames.iter().map(|frame| frame.batch.clone()).collect::<Vec<_>>(), batches());
        assert_eq!(frames[0].start, Pos(0));
        assert!(frames.iter().all(|frame| frame.log == LOG && !frame.suspect));
        assert_eq!(reader.stats(), ReaderStats { frames: 4, records: 5, bytes: 72, ..ReaderStats::default() });
    }
    let newest = *segment::bases(&*real, &logs[0].dir).unwrap().last().unwrap();
    let table = segment::Segment::open(&*real, &logs[0].dir, LOG, newest).unwrap().table().unwrap().unwrap();
    assert_eq!(table.len(), 2);
    assert!(table.covers("seq:client-7", Span { from: 1, to: 4 }));
    assert!(table.covers("file:/var/log/app.log", Span { from: 3, to: 34 }));
    let file = table.get("file:/var/log/app.log").unwrap();
    assert_eq!(file.seen, 1_767_225_600_123);
    let mark = batches()[0].mark.unwrap();
    assert_eq!(file.file, Some(KnownFile { path: "/var/log/app.log".to_owned(), mark }));
}
