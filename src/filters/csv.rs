//! `csv { columns => ["a", "b"] }`: fields from a row of separated values.
//!
//! Columns without a name are `column1` and so on unless `autogenerate_column_names => false`. With `autodetect_column_names`
//! the first row names them and is gone; that takes one worker. `skip_header` drops rows that are the names. An empty value is
//! `null`, left out with `skip_empty_columns`; an empty text is tagged `_csvskippedemptyfield` with `skip_empty_rows`. Values may be
//! converted: `integer`, `float`, `boolean`, `date`, `date_time`; what cannot be stays. `quote_char => "\x00"` or an empty one turns
//! quotes off. What is no row is tagged `_csvparsefailure`.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::{
        Options,
        columns::{self, Type},
    },
    event::{Event, Value},
};
use logship_parsers::{
    config::{FieldRef, typed},
    csv::row,
};
use std::{borrow::Cow, sync::OnceLock};

pub(super) const KIND: FilterKind = FilterKind {
    name: "csv",
    summary: "Reads separated values",
    options: &[
        "autodetect_column_names",
        "autogenerate_column_names",
        "columns",
        "convert",
        "quote_char",
        "separator",
        "skip_empty_columns",
        "skip_empty_rows",
        "skip_header",
        "source",
        "target",
    ],
    build,
};

#[derive(Debug)]
struct Csv {
    source: FieldRef,
    target: Option<FieldRef>,
    separator: String,
    quote: Option<char>,
    columns: OnceLock<Vec<Column>>,
    conversions: Vec<(String, Type)>,
    autodetect: bool,
    autogenerate: bool,
    skip_header: bool,
    skip_empty_columns: bool,
    skip_empty_rows: bool,
}

#[derive(Debug)]
struct Column {
    name: String,
    field: FieldRef,
    conversion: Option<Type>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let owned = |value: &_| typed::text(value).map(str::to_owned);
    let conversions = columns::conversions(options);
    let quote = columns::quote(options);
    let names = options.each("columns", owned);
    let csv = Csv {
        source: options.field("source").unwrap_or_else(|| FieldRef { parts: vec!["message".to_owned()] }),
        target: options.field("target"),
        separator: options.text("separator").filter(|text| !text.is_empty()).unwrap_or_else(|| ",".to_owned()),
        quote,
        columns: OnceLock::new(),
        conversions,
        autodetect: options.flag("autodetect_column_names", false),
        autogenerate: options.flag("autogenerate_column_names", true),
        skip_header: options.flag("skip_header", false),
        skip_empty_columns: options.flag("skip_empty_columns", false),
        skip_empty_rows: options.flag("skip_empty_rows", false),
    };
    if !names.is_empty() || !csv.autodetect {
        _ = csv.columns.set(names.into_iter().map(|name| csv.column(name)).collect());
    }
    Some(Box::new(csv))
}

impl Filter for Csv {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        let fail = |cause: &str| FilterError::new(&["_csvparsefailure".to_owned()], cause);
        let text = match event.get(&self.source).as_deref() {
            None | Some(Value::Null) => return Ok(Verdict::Unmatched),
            Some(Value::Str(text)) => text.clone(),
            Some(_) => return Err(fail("the source is no text")),
        };
        if text.trim_end_matches(['\r', '\n']).is_empty() {
            return Err(match self.skip_empty_rows {
                true => FilterError::new(&["_csvskippedemptyfield".to_owned()], "the source is empty"),
                false => fail("the source is empty"),
            });
        }
        let values = row(&text, &self.separator, self.quote).ok_or_else(|| fail("the source is no row"))?;
        let name = |value: &Option<Cow<'_, str>>| value.as_deref().unwrap_or_default().to_owned();
        let Some(columns) = self.columns.get() else {
            _ = self.columns.set(values.iter().map(|value| self.column(name(value))).collect());
            return Ok(Verdict::Drop);
        };
        let is_header =
            || columns.iter().map(|column| column.name.as_str()).eq(values.iter().map(|v| v.as_deref().unwrap_or("")));
        if self.skip_header && !columns.is_empty() && is_header() {
            return Ok(Verdict::Drop);
        }
        for (n, value) in values.into_iter().enumerate() {
            if self.skip_empty_columns && value.as_ref().is_none_or(|value| value.is_empty()) {
                continue;
            }
            let generated;
            let column = match columns.get(n) {
                Some(column) => column,
                None if self.autogenerate => {
                    generated = self.column(format!("column{}", n + 1));
                    &generated
                }
                None => continue,
            };
            let value = match value {
                None => Value::Null,
                Some(Cow::Borrowed(part)) => columns::converted(Value::Str(text.slice_ref(part)), column.conversion),
                Some(Cow::Owned(part)) => columns::converted(Value::from(part), column.conversion),
            };
            event.set(&column.field, value).map_err(|cause| fail(&cause.to_string()))?;
        }
        Ok(Verdict::Matched)
    }

    fn is_stateful(&self) -> bool {
        self.autodetect
    }
}

impl Csv {
    fn column(&self, name: String) -> Column {
        let field = FieldRef::parse(&name).unwrap_or_else(|_| FieldRef { parts: vec![name.clone()] });
        let field = match &self.target {
            None => field,
            Some(target) => FieldRef { parts: target.parts.iter().chain(&field.parts).cloned().collect() },
        };
        let conversion = self.conversions.iter().find(|(known, _)| *known == name).map(|(_, to)| *to);
        Column { name, field, conversion }
    }
}
