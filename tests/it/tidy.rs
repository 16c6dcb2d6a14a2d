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
    ("codecs", &["event", "flow", "config", "clock"]),
    ("filters", &["event", "config"]),
    ("plan", &["event", "flow", "config", "filters"]),
    ("query", &["event", "flow", "store", "clock"]),
    ("inputs", &["event", "flow", "fs", "config", "codecs", "filters", "log", "clock"]),
    ("outputs", &["event", "flow", "config", "codecs", "store", "plan", "clock"]),
    (
        "pipeline",
        &[
            "event", "flow", "fs", "config", "log", "store", "filters", "codecs", "plan", "query", "inputs", "outputs",
            "clock",
        ],
    ),
    ("ship", &["event", "flow", "fs", "config", "log", "inputs", "pipeline", "clock"]),
    ("agent", &["event", "flow", "fs", "config", "log", "codecs", "inputs", "pipeline", "ship", "clock"]),
    ("auth", &["event", "flow", "config", "clock"]),
    ("api", &["event", "flow", "codecs", "log", "query", "pipeline", "auth", "clock"]),
];
/// The one module that nobody imports.
const TOP: &str = "cli";
/// The document that lists the plugins of pipelines.
const PIPELINES: &str = "docs/PIPELINES.md";
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

#[test]
fn every_plugin_is_documented() {
    let document = fs::read_to_string(PIPELINES).unwrap();
    let inputs = logship::inputs::plugins::INPUTS.iter().map(|kind| ("input", kind.name, kind.summary));
    let outputs = logship::outputs::plugins::OUTPUTS.iter().map(|kind| ("output", kind.name, kind.summary));
    // `event` is for what passes between pipelines, and not for configs.
    let codecs = logship::codecs::plugins::CODECS.iter().filter(|kind| kind.name != "event");
    let codecs = codecs.map(|kind| ("codec", kind.name, kind.summary));
    let filters = logship::filters::FILTERS.iter().map(|kind| ("filter", kind.name, kind.summary));
    for (role, name, summary) in inputs.chain(outputs).chain(codecs).chain(filters) {
        let table = document
            .split(&format!("| {role} | what | beside that |"))
            .nth(1)
            .unwrap_or_else(|| panic!("{PIPELINES}: {role}"));
        let table = table.split("\n\n").next().unwrap_or_default();
        let row = format!("\n| `{name}` | {summary} |");
        assert!(table.contains(&row), "{PIPELINES}: the table of {role}s has no row that begins with{row}");
    }
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
fn unsafe_code_is_in_one_place() {
    let allows = |path: &PathBuf| fs::read_to_string(path).unwrap().matches("allow(unsafe_code)").count();
    let places: Vec<_> = rust_files("src")
        .into_iter()
        .filter_map(|path| Some((allows(&path), path)).filter(|(count, _)| *count > 0))
        .collect();
    assert_eq!(places, [(1, root().join("src/cli/resident.rs"))]);
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

/// Line and length of each function with a body, from its signature to the brace that closes it. By indentation, which
/// rustfmt sees to.
fn functions(code: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_signature(line.trim_start())) {
        let indent = &line[..line.len() - line.trim_start().len()];
        let beside = |line: &str| line.strip_prefix(indent).is_some_and(|rest| !rest.starts_with(' '));
        let ends = |line: &&str| beside(line) && line.ends_with(['{', '}', ';']);
        let Some(signature) = lines[at..].iter().position(ends) else { continue };
        let length = match lines[at + signature].chars().last() {
            Some(';') => continue,
            Some('}') => Some(signature),
            _ => lines[at..]
                .iter()
                .skip(signature + 1)
                .position(|line| *line == format!("{indent}}}"))
                .map(|more| signature + 1 + more),
        };
        found.extend(length.map(|length| (at + 1, length + 1)));
    }
    found
}

/// Whether a function begins here: `fn` behind nothing but a visibility and qualifiers.
fn is_signature(line: &str) -> bool {
    let mut rest = line;
    if let Some(behind) = rest.strip_prefix("pub") {
        let restricted = behind.strip_prefix('(').and_then(|inside| inside.split_once(')'));
        rest = restricted.map_or(behind, |(_, behind)| behind).trim_start();
    }
    for qualifier in ["default ", "const ", "async ", "unsafe ", "extern \"C\" "] {
        rest = rest.strip_prefix(qualifier).unwrap_or(rest);
    }
    rest.starts_with("fn ")
}

#[test]
fn functions_are_found_whatever_their_signature() {
    let check = |code: &str, expected: &[(usize, usize)]| assert_eq!(functions(code), expected, "{code}");
    for signature in [
        "fn a()",
        "pub fn a()",
        "pub(crate) fn a()",
        "pub(super) async fn a()",
        "pub(super) const fn a()",
        "pub(in crate::b) const unsafe fn a()",
        "pub async fn a()",
        "extern \"C\" fn a()",
    ] {
        check(&format!("{signature} {{\n    if b {{\n    }}\n}}\n"), &[(1, 4)]);
        check(&format!("impl A {{\n    {signature} {{\n        b\n    }}\n}}\n"), &[(2, 3)]);
        check(&format!("{signature} {{}}\nfn b() {{\n}}\n"), &[(1, 1), (2, 2)]);
    }
    check("fn a(\n    b: u8,\n) -> u8 {\n    b\n}\n", &[(1, 5)]);
    check("fn a<T>()\nwhere\n    T: B,\n{\n    c\n}\n", &[(1, 6)]);
    check("trait A {\n    fn a();\n    fn b(\n        c: u8,\n    );\n    fn d() {\n    }\n}\n", &[(6, 2)]);
    check("const A: fn(u8) = b;\nlet fn_ = 1;\n// fn c() {\ntype D = fn();\n", &[]);
}

/// Which test opens the fixtures of a folder: those it walks by the endings of twins, or all files below.
struct Opens {
    folder: String,
    twins: Option<[&'static str; 2]>,
    test: &'static str,
    /// What the test says to find them.
    names: &'static str,
}

fn openers() -> Vec<Opens> {
    let formats = logship_parsers::line::FORMATS.iter().map(|format| format.name);
    let lines = formats.map(|name| Opens {
        folder: format!("lines/{name}"),
        twins: Some(["log", "json"]),
        test: "parsers/tests/lines.rs",
        names: "fixtures/lines",
    });
    let queries = ["ok", "err"].map(|name| Opens {
        folder: format!("query/{name}"),
        twins: Some(["query", "txt"]),
        test: "parsers/tests/query.rs",
        names: "fixtures/query",
    });
    let configs = ["ok", "err"].map(|name| Opens {
        folder: format!("config/{name}"),
        twins: Some(["conf", "txt"]),
        test: "parsers/tests/config.rs",
        names: "fixtures/config",
    });
    let groks = Opens {
        folder: "grok".to_owned(),
        twins: Some(["log", "json"]),
        test: "parsers/src/grok/tests.rs",
        names: "fixtures/grok",
    };
    let joined = Opens {
        folder: "join".to_owned(),
        twins: Some(["log", "json"]),
        test: "parsers/tests/join.rs",
        names: "fixtures/join",
    };
    let redacted = Opens {
        folder: "redact".to_owned(),
        twins: Some(["log", "out"]),
        test: "src/codecs/redact/mod.rs",
        names: "fixtures/redact",
    };
    let whole = [
        ("capture", "parsers/tests/accuracy.rs", "fixtures(\"capture\")"),
        ("captured", "parsers/tests/accuracy.rs", "fixtures(\"captured\")"),
        ("containers", "src/inputs/containers/docker.rs", "/fixtures/containers"),
        ("codecs", "src/pipeline/cases/tests.rs", "fixtures/codecs"),
        ("dns", "src/pipeline/cases/tests.rs", "fixtures/filters"),
        ("filters", "src/pipeline/cases/tests.rs", "fixtures/filters"),
        ("fuzz", "parsers/tests/fuzz.rs", "fixtures/fuzz"),
        ("geoip", "src/filters/geoip/tiny.rs", "fixtures/geoip"),
        ("inputs", "src/inputs/testing.rs", "fixtures/inputs"),
        ("lines/allocations.txt", "parsers/tests/allocations.rs", "allocations.txt"),
        ("log/v1", "src/log/golden.rs", "/fixtures/log/v1"),
        ("outputs", "src/outputs/plugins/elasticsearch/tests.rs", "fixtures/outputs"),
        ("store/v1", "src/store/tests/fixture.rs", "fixtures/store/v1"),
        ("templates", "parsers/tests/templates.rs", "fixtures/templates"),
        ("tls", "src/ship/testing.rs", "fixtures/tls"),
        ("useragent", "src/filters/useragent/mod.rs", "fixtures/useragent"),
    ]
    .map(|(folder, test, names)| Opens { folder: folder.to_owned(), twins: None, test, names });
    lines.chain(queries).chain(configs).chain([groks, joined, redacted]).chain(whole).collect()
}

/// Whether a test opens this file, given by its path below `fixtures/`.
fn is_opened(file: &Path, openers: &[Opens]) -> bool {
    openers.iter().any(|opens| match opens.twins {
        None => file.starts_with(&opens.folder),
        Some([first, second]) => {
            let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            let twin = if ending == first { second } else { first };
            file.parent() == Some(Path::new(&opens.folder))
                && [first, second].contains(&ending)
                && root().join("fixtures").join(file).with_extension(twin).is_file()
        }
    })
}

#[test]
fn every_fixture_is_used() {
    let openers = openers();
    for opens in &openers {
        let test = fs::read_to_string(root().join(opens.test)).unwrap();
        assert!(test.contains(opens.names), "{} does not read {}", opens.test, opens.names);
        assert!(root().join("fixtures").join(&opens.folder).exists(), "fixtures/{} is missing", opens.folder);
    }
    let below = |path: &PathBuf| path.strip_prefix(root().join("fixtures")).unwrap().to_owned();
    let all = files_below("fixtures").iter().map(below).collect::<Vec<_>>();
    assert!(!all.is_empty());
    let forgotten: Vec<_> = all.iter().filter(|file| !is_opened(file, &openers)).collect();
    assert!(forgotten.is_empty(), "no test opens {forgotten:?}");
}

#[test]
fn a_forgotten_fixture_is_seen() {
    let openers = openers();
    for (file, opened) in [
        ("lines/clf/combined.log", true),
        ("lines/clf/combined.json", true),
        ("lines/clf/combined.txt", false),
        ("lines/clf/without_twin.json", false),
        ("lines/clf/deeper/combined.log", false),
        ("lines/no_format/combined.log", false),
        ("query/other/pipe.query", false),
        ("store/v1/manifest.json", true),
        ("store/v0/manifest.json", false),
        ("stray.log", false),
    ] {
        assert_eq!(is_opened(Path::new(file), &openers), opened, "{file}");
    }
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
    let mut found = files_below(dir);
    found.retain(|path| path.extension().is_some_and(|ending| ending == "rs"));
    found
}

fn files_below(dir: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(dir)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
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
