//! Golden twins of the query language: `fixtures/query/{ok,err}/NAME.query` and what becomes of it in `NAME.txt`.
//! `UPDATE_EXPECT=1` writes the twins anew.

use logship_parsers::query::ast::Query;
use logship_parsers::query::parse;
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};

fn queries(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/query").join(folder);
    let entries = read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "query"));
    paths.sort();
    assert!(!paths.is_empty(), "no fixtures in {}", folder.display());
    paths
}

fn check(folder: &str, shown: impl Fn(&str) -> Result<String, String>) {
    for path in queries(folder) {
        #[allow(clippy::disallowed_methods)]
        let text = read_to_string(&path).unwrap();
        // An editor's newline at the end is not part of the query.
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let shown = shown(text).unwrap_or_else(|what| panic!("{}: {what}", path.display()));
        expect_test::expect_file![path.with_extension("txt")].assert_eq(&shown);
    }
}

fn tree(query: &Query) -> String {
    let mut shown = format!("{query:#?}\n");
    // Spans compare equal whatever they are; in the twins they are noise.
    while let Some(at) = shown.find("span: SpanIgnored(") {
        let line = shown[..at].rfind('\n').map_or(0, |at| at + 1);
        let indent = " ".repeat(at - line);
        let close = format!("\n{indent}),\n");
        let end = shown[at..].find(&close).map_or(shown.len(), |end| at + end + close.len());
        shown.replace_range(line..end, "");
    }
    shown
}

#[test]
fn good_queries_become_trees() {
    check("ok", |text| {
        let parsed = parse(text).map_err(|error| error.render(text))?;
        let canonical = parsed.query.to_string();
        let again = parse(&canonical).map_err(|error| error.render(&canonical))?;
        if again.query != parsed.query {
            return Err(format!("{canonical} is another query"));
        }
        let mut shown = format!("{canonical}\n");
        for hint in &parsed.hints {
            shown += &format!("hint at {}..{}: {}\n", hint.span.start, hint.span.end, hint.message);
        }
        Ok(shown + "\n" + &tree(&parsed.query))
    });
}

#[test]
fn bad_queries_are_explained() {
    check("err", |text| match parse(text) {
        Ok(parsed) => Err(format!("this is a good query: {}", parsed.query)),
        Err(error) => Ok(format!("{:?}\n{}\n", error.code, error.render(text))),
    });
}
