//! The house rules that a compiler does not check.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// What each module may import. Anything absent is forbidden.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("clock", &["event"]),
    ("event", &[]),
    ("flow", &["event"]),
    ("fs", &[]),
    ("config", &["event", "flow"]),
    ("log", &["event", "flow", "fs", "clock"]),
    ("store", &["event", "flow", "fs", "clock"]),
    ("codecs", &["event", "flow"]),
    ("plan", &["event", "flow"]),
    ("query", &["event", "flow", "store", "clock"]),
    ("inputs", &["event", "flow", "codecs", "clock"]),
    ("outputs", &["event", "flow", "codecs", "store", "clock"]),
    ("pipeline", &["event", "flow", "fs", "config", "log", "store", "plan", "query", "inputs", "outputs", "clock"]),
    ("auth", &["event", "flow", "config", "clock"]),
    ("api", &["event", "flow", "codecs", "query", "pipeline", "auth", "clock"]),
];
/// The one module that nobody imports.
const TOP: &str = "cli";
const LINES_PER_FILE_MAX: usize = 500;
const LINES_PER_FUNCTION_MAX: usize = 70;

#[test]
fn modules_import_only_downwards() {
    let allowed: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in rust_files("src") {
        let module = module_of(&path);
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let Some(allowed) = allowed.get(module.as_str()).copied().or((module == TOP).then_some(&[][..])) else {
            wrong.push(format!("{}: `{module}` is not in the import table", path.display()));
            continue;
        };
        for (number, target) in imports(&code_of(&path)) {
            if target == module || (module == TOP && target != TOP) || allowed.contains(&target.as_str()) {
                continue;
            }
            wrong.push(format!("{}:{number}: {module} must not import {target}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Line and first path segment of everything named through `crate::`, also inside `use crate::{a, b::{c}}`.
fn imports(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let number = code[..at].lines().count().max(1);
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(first_names(group).into_iter().map(|name| (number, name)));
        } else {
            found.push((number, name_at(rest)));
        }
    }
    found.retain(|(_, name)| !name.is_empty() && name.chars().next().is_some_and(char::is_lowercase));
    found
}

/// The first names of a `{..}` group whose opening brace has been read.
fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut fresh) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if depth == 0 && fresh && !c.is_whitespace() => {
                names.push(name_at(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

fn name_at(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn imports_are_found_in_groups() {
    let names = |code| imports(code).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(names("use crate::{a, b::{c, d}, e::f};\ncrate::g::h()"), ["a", "b", "e", "g"]);
    assert!(names("$crate::x; my_crate::y; crate::Type").is_empty());
}

#[test]
fn files_and_functions_are_short() {
    let mut wrong = Vec::new();
    for path in rust_files("src").into_iter().chain(rust_files("parsers/src")) {
        let code = code_of(&path);
        let lines = code.lines().count();
        if lines > LINES_PER_FILE_MAX {
            wrong.push(format!("{}: {lines} lines before its tests, at most {LINES_PER_FILE_MAX}", path.display()));
        }
        for (number, length) in functions(&code) {
            if length > LINES_PER_FUNCTION_MAX {
                wrong.push(format!(
                    "{}:{number}: a function of {length} lines, at most {LINES_PER_FUNCTION_MAX}",
                    path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Line and length of each function, from its signature to the brace that closes it at the same indentation.
fn functions(code: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let is_function = [
            "fn ",
            "pub fn ",
            "pub(super) fn ",
            "pub(crate) fn ",
            "async fn ",
            "pub async fn ",
            "const fn ",
            "pub const fn ",
        ]
        .iter()
        .any(|start| body.starts_with(start));
        if !is_function || line.ends_with(';') || line.ends_with('}') {
            continue;
        }
        let closing = format!("{}}}", &line[..line.len() - body.len()]);
        if let Some(length) = lines[at..].iter().position(|line| *line == closing) {
            found.push((at + 1, length + 1));
        }
    }
    found
}

#[test]
fn every_fixture_is_used() {
    let sources: String = ["src", "parsers/src", "parsers/tests", "tests"]
        .into_iter()
        .flat_map(rust_files)
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let mut forgotten = Vec::new();
    for entry in fs::read_dir(root().join("fixtures")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !sources.contains(&format!("fixtures/{name}")) {
            forgotten.push(name);
        }
    }
    assert!(forgotten.is_empty(), "no test reads fixtures/{{{}}}", forgotten.join(","));
}

#[test]
fn every_dependency_has_its_reason() {
    for manifest in ["Cargo.toml", "parsers/Cargo.toml"] {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        let section = text.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
        let mut explained = false;
        for line in section.lines().filter(|line| !line.is_empty()) {
            if line.starts_with('#') {
                explained = true;
            } else if line.starts_with(|c: char| c.is_alphabetic()) {
                let grouped = line.starts_with("serde_json");
                assert!(explained || grouped, "{manifest}: no reason beside `{line}`");
                explained = false;
            }
        }
    }
}

#[test]
fn the_table_names_every_module_once() {
    let named: BTreeSet<_> = MAY_IMPORT.iter().map(|(module, _)| *module).chain([TOP, "lib", "main"]).collect();
    let there: BTreeSet<_> = rust_files("src").iter().map(|path| module_of(path)).collect();
    assert_eq!(there, named.into_iter().map(str::to_owned).collect());
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(dir)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The code of a file up to its tests. A file that is all tests has none.
fn code_of(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let inside_tests = path.components().any(|part| part.as_os_str() == "tests");
    let is_model = ["model.rs", "sim.rs", "testing.rs", "tests.rs"].iter().any(|name| path.ends_with(name));
    if inside_tests || is_model {
        return String::new();
    }
    text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned()
}
