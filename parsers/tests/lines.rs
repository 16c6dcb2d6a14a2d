//! Golden twins: every `fixtures/lines/<format>/NAME.log` is parsed line by line and compared with `NAME.json`, one
//! object a line. `UPDATE_EXPECT=1` writes the twins.
#![allow(clippy::disallowed_methods, reason = "a test runner reads its fixtures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod twins;

use logship_parsers::line::detect::{Detector, FormatId, names_columns};
use logship_parsers::line::{Context, FORMATS};
use std::fs;
use std::path::{Path, PathBuf};
use twins::{compare, context, describe, logs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/lines")
}

#[test]
fn lines_match_their_twins() {
    for format in FORMATS {
        for log in logs(&root().join(format.name)) {
            let mut actual = String::new();
            let text = fs::read_to_string(&log).unwrap();
            let mut header = None;
            for line in text.lines() {
                let context = || Context { header, ..context() };
                let (id, fields) = Detector::parse(None, line, &context());
                assert_eq!(id.format().name, format.name, "{}: {line}", log.display());
                assert_eq!(format.read(line, &context()).as_ref(), Ok(&fields), "{line}");
                // A wrong hint changes nothing for a line that is surely of its format.
                for other in FORMATS {
                    let hint = FormatId::by_name(other.name);
                    assert_eq!(Detector::parse(hint, line, &context()).0, id, "{line} as {}", other.name);
                }
                actual += &serde_json::to_string(&describe(&fields)).unwrap();
                actual.push('\n');
                header = Some(line).filter(|line| names_columns(line.as_bytes())).or(header);
            }
            compare(&log, &actual);
        }
    }
}

#[test]
fn every_twin_belongs_to_a_log_and_every_folder_to_a_format() {
    for folder in fs::read_dir(root()).unwrap() {
        let folder = folder.unwrap().path();
        if folder.is_file() {
            continue;
        }
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(FORMATS.iter().any(|format| format.name == name), "no format {name}");
        for file in fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            assert!(file.with_extension("log").exists() && file.with_extension("json").exists(), "{}", file.display());
        }
    }
}
