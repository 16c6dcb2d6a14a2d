//! Golden twins of the language of pipelines: `fixtures/config/ok/NAME.conf` and its canonical form in `NAME.txt`,
//! `fixtures/config/err/NN-what.conf` and what is said about it in `NN-what.txt`. `UPDATE_EXPECT=1` writes the twins anew.
//! Escapes are read in files whose name says so.

// The promises of no panic and no I/O are the library's, not its tests'.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use logship_parsers::config::{Options, Parsed, Source, parse};
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

/// The environment of all fixtures.
fn variable(name: &str) -> Option<String> {
    let text = match name {
        "PORT" => "5044",
        "HOST" => "db-1.example.org",
        "PASSWORD" => "s3\"cr'et\\",
        "CODEC" => "json",
        "ENABLED" => "true",
        "LIST" => "[\"web-1\", \"web-2\"]",
        "ENTRIES" => "{ \"a\" => 1 }",
        "HALF" => "[1, 2",
        "EMPTY" => "",
        _ => return None,
    };
    Some(text.to_owned())
}

fn configs(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/config").join(folder);
    let entries = read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    paths.sort();
    assert!(!paths.is_empty(), "no fixtures in {}", folder.display());
    paths
}

fn read(path: &Path) -> (Vec<Source>, Parsed) {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let options = Options { support_escapes: name.contains("escapes"), variables: &variable };
    let sources = vec![Source::new(name, read_to_string(path).unwrap())];
    let parsed = parse(&sources, &options);
    (sources, parsed)
}

fn rendered(sources: &[Source], parsed: &Parsed) -> String {
    parsed.diagnostics.iter().map(|diagnostic| diagnostic.render(sources) + "\n\n").collect()
}

#[test]
fn good_configs_have_a_canonical_form() {
    for path in configs("ok") {
        let (sources, parsed) = read(&path);
        let said = rendered(&sources, &parsed);
        assert!(parsed.is_valid(), "{said}");
        let printed = parsed.config.to_string();
        let options = Options { support_escapes: path.to_string_lossy().contains("escapes"), variables: &variable };
        let again = parse(&[Source::new("printed", printed.as_str())], &options);
        assert_eq!(again.config, parsed.config, "{}: {printed}", path.display());
        assert_eq!(again.config.to_string(), printed, "{}: printed in two ways", path.display());
        let shown = if said.is_empty() { printed } else { format!("{printed}\n{}\n", said.trim_end()) };
        expect_test::expect_file![path.with_extension("txt")].assert_eq(&shown);
    }
}

#[test]
fn bad_configs_are_explained() {
    for path in configs("err") {
        let (sources, parsed) = read(&path);
        assert!(!parsed.is_valid(), "{} is a good config: {}", path.display(), parsed.config);
        let shown = format!("{}\n", rendered(&sources, &parsed).trim_end());
        expect_test::expect_file![path.with_extension("txt")].assert_eq(&shown);
    }
}
