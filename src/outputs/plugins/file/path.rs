//! Paths with pieces of the event in them. A value never leads out of the folder in which the config has them.

use crate::event::{Event, Timestamp, render::render};
use logship_parsers::config::{Diagnostic, Piece, Template, ast::Value, typed};
use std::{
    io,
    path::{Component, Path, PathBuf},
};

/// Longest path and longest name in it that Linux takes.
pub const PATH_BYTES_MAX: usize = 4_095;
/// See [`PATH_BYTES_MAX`].
pub const NAME_BYTES_MAX: usize = 255;

/// Where events go.
#[derive(Clone, Debug)]
pub struct PathPattern {
    template: Template,
    /// The folder that is named before the first piece of an event.
    root: String,
}

impl PathPattern {
    /// Reads the option: relative paths begin in the folder where the process runs, and what `.` and `..` mean is settled.
    pub fn read(value: &Value) -> typed::Read<PathPattern> {
        let wrong = |what: String| Diagnostic::error(value.span.0, what);
        let text = typed::text(value)?;
        if text.starts_with('~') {
            return Err(wrong("`~` means nothing here".to_owned()).help("write `${HOME}/...`"));
        }
        if text.is_empty() || text.ends_with('/') || text.contains('\0') {
            return Err(wrong(format!("`{}` names no file", text.escape_debug())));
        }
        let here =
            std::env::current_dir().map_err(|cause| wrong(format!("where does a relative path begin? {cause}")))?;
        let whole = settled(&here.join(text));
        let template = Template::parse(&whole)
            .map_err(|_| typed::template(value).err().unwrap_or_else(|| wrong(whole.clone())))?;
        let root = match template.pieces.first() {
            Some(Piece::Literal(literal)) => literal.rsplit_once('/').map_or("", |(folder, _)| folder),
            _ => "",
        };
        let is_relative = text.starts_with("%{");
        if (root.is_empty() || is_relative) && template.as_literal().is_none() {
            let error = wrong("the first folder of a path cannot come from the event".to_owned());
            return Err(error.help("write `/folder/%{field}`: values then stay inside of the folder"));
        }
        Ok(PathPattern { root: root.to_owned(), template })
    }

    /// The path, where it is the same for all events.
    pub fn as_literal(&self) -> Option<&str> {
        self.template.as_literal()
    }

    /// Where to put what has no path of its own.
    pub fn failures(&self, name: &str) -> String {
        format!("{}/{name}", self.root)
    }

    /// The path of an event; none where its values would lead elsewhere or can name no file.
    pub fn of(&self, event: &Event, now: Timestamp) -> Option<String> {
        let mut path = String::with_capacity(64);
        render(&self.template, event, now, &mut path);
        let is_name = |part: &str| part != ".." && part.len() <= NAME_BYTES_MAX;
        let is_file = !path.ends_with('/') && !path.ends_with("/.");
        let is_good = is_file && !path.contains('\0') && path.len() <= PATH_BYTES_MAX && path.split('/').all(is_name);
        is_good.then_some(path)
    }
}

/// The path without `.` and `..`, by its text alone.
fn settled(path: &Path) -> String {
    let mut settled = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => settled.push(name),
            Component::ParentDir => _ = settled.pop(),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    settled.to_string_lossy().into_owned()
}

/// Whether a path cannot be opened because of what it is called, which does not change.
pub fn is_about_the_name(cause: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, IsADirectory, NotADirectory};
    matches!(cause.kind(), InvalidFilename | InvalidInput | IsADirectory | NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> PathPattern {
        let settled = settled(Path::new(text));
        let template = Template::parse(&settled).unwrap();
        let Some(Piece::Literal(first)) = template.pieces.first() else { panic!("{text}") };
        PathPattern { root: first.rsplit_once('/').unwrap().0.to_owned(), template }
    }

    fn with(value: &str) -> Event {
        let mut event = testing::event("{}");
        event.fields.insert("x".into(), value.into());
        event
    }

    #[test]
    fn values_stay_in_their_folder() {
        let check = |text: &str, value: &str, expected: Option<&str>| {
            assert_eq!(pattern(text).of(&with(value), testing::NOW).as_deref(), expected, "{text} {value:?}");
        };
        check("/logs/%{x}.log", "app", Some("/logs/app.log"));
        check("/logs/%{x}.log", "a/b", Some("/logs/a/b.log"));
        check("/logs/%{x}", "/etc/passwd", Some("/logs//etc/passwd"));
        check("/logs/../a/./%{x}", "app", Some("/a/app"));
        check("/logs/%{none}", "app", Some("/logs/%{none}"));
        check("/logs/%{x}", "..", None);
        check("/logs/%{x}/f", "..", None);
        check("/logs/%{x}./f", ".", None);
        check("/logs/%{x}", "../../etc/passwd", None);
        check("/logs/a-%{x}", "/../b", None);
        check("/logs/%{x}", "a\0b", None);
        check("/logs/%{x}", "a/", None);
        check("/logs/%{x}", "", None);
        check("/logs/%{x}", "a/.", None);
        check("/logs/%{x}", &"n".repeat(256), None);
        check("/logs/%{x}", &"n/".repeat(2_100), None);
        assert_eq!(pattern("/logs/a-%{x}").failures("_f"), "/logs/_f");
    }

    proptest! {
        #[test]
        fn no_value_leads_out(value in "[./a\\PC]{0,12}") {
            if let Some(path) = pattern("/logs/in/%{x}/f").of(&with(&value), testing::NOW) {
                prop_assert!(settled(Path::new(&path)).starts_with("/logs/in/"), "{path:?}");
            }
        }
    }
}
