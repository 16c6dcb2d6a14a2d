//! Scripts that change documents: what `script` and its like make of an update.

use crate::{
    config::Options,
    event::{Event, Timestamp, json, render::rendered},
};
use logship_parsers::config::{Template, typed};

/// A script and what it is given.
#[derive(Debug)]
pub(super) struct Script {
    /// The script itself, or its name.
    text: Template,
    /// What the text is, as Elasticsearch calls it.
    kind: &'static str,
    /// Empty for the server's own.
    lang: String,
    /// The name by which the script knows the event: `params.event`.
    variable: String,
    /// Whether the script makes the document where there is none.
    upserts: bool,
}

impl Script {
    /// `None` where there is none.
    pub(super) fn read(options: &mut Options<'_>) -> Option<Script> {
        let text = options.get("script", typed::template).filter(|script| script.as_literal() != Some(""));
        let kinds = ["file", "indexed", "inline"];
        let kind = options.get("script_type", |value| typed::choice(value, &kinds).map(str::to_owned));
        let kind = match kind.as_deref() {
            Some("file") => "file",
            Some("indexed") => "id",
            _ => "source",
        };
        let lang = options.text("script_lang").unwrap_or_else(|| "painless".to_owned());
        let variable = options.text("script_var_name").unwrap_or_else(|| "event".to_owned());
        let upserts = options.flag("scripted_upsert", false);
        Some(Script { text: text?, kind, lang, variable, upserts })
    }

    /// Whether what is there without a document is the script's affair.
    pub(super) fn upserts(&self) -> bool {
        self.upserts
    }

    /// Appends `"script":{...}`. `document` is the event as JSON.
    pub(super) fn write(&self, event: &Event, now: Timestamp, document: &str, out: &mut String) {
        out.push_str("\"script\":{\"params\":{");
        json::write_text(out, &self.variable);
        out.push(':');
        out.push_str(document);
        out.push_str("},\"");
        out.push_str(self.kind);
        out.push_str("\":");
        json::write_text(out, &rendered(&self.text, event, now));
        // A stored script has its language, and Elasticsearch refuses to be told it.
        if !self.lang.is_empty() && self.kind != "id" {
            out.push_str(",\"lang\":");
            json::write_text(out, &self.lang);
        }
        out.push('}');
    }
}
