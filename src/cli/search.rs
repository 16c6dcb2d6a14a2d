//! `logship search QUERY`: the newest N matches, oldest first.

use super::{
    Failure, args,
    client::{Question, Source},
    is_read,
    print::Printer,
    say::say,
    times,
};
use crate::{
    clock,
    query::{Count, RESULT_PAGE_MAX},
};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Most rows that are held to be turned around; a larger limit is refused.
const LIMIT_MAX: u64 = 1_000_000;

pub fn run(shared: &args::Shared, args: &args::Search) -> Result<(), Failure> {
    if args.limit > LIMIT_MAX {
        return Err(Failure::usage(format!(
            "--limit {}: at most {LIMIT_MAX}; narrow the time with --since and --until",
            args.limit
        )));
    }
    let now = clock::now();
    let since = args.since.as_deref().map(|text| times::parse("since", text, now)).transpose()?;
    let until = args.until.as_deref().map(|text| times::parse("until", text, now)).transpose()?;
    if since.zip(until).is_some_and(|(since, until)| since > until) {
        return Err(Failure::usage(
            "--since is later than --until: `--since 2h --until 1h` is the hour before the last",
        ));
    }
    let question = Question::new(&args.query, since, until)?;
    let mut source = Source::find(shared)?;
    if args.count {
        let page = source.page(&question, 0, None, Count::Exact)?;
        warn(shared, &page.trailer.warnings);
        let more = if page.trailer.relation == "eq" { "" } else { "+" };
        return is_read(writeln!(io::stdout(), "{}{more}", page.trailer.matched)).map(drop);
    }
    let mut rows: Vec<String> = Vec::new();
    let mut cursor: Option<String> = None;
    let mut warned: BTreeSet<String> = BTreeSet::new();
    while (rows.len() as u64) < args.limit {
        let left = usize::try_from(args.limit).unwrap_or(usize::MAX) - rows.len();
        let page = source.page(&question, left.min(RESULT_PAGE_MAX), cursor.as_deref(), Count::None)?;
        // Later pages may say more than the first: that rows are missing.
        let new: Vec<String> = page.trailer.warnings.into_iter().filter(|text| warned.insert(text.clone())).collect();
        warn(shared, &new);
        rows.extend(page.rows);
        cursor = page.trailer.cursor;
        // A page may be empty and yet not the last: its time ran out.
        if cursor.is_none() {
            break;
        }
    }
    let mut printer = Printer::new(io::stdout().lock(), &args.print);
    for row in rows.iter().rev() {
        if !printer.row(row)? {
            return Ok(());
        }
    }
    printer.finish()
}

fn warn(shared: &args::Shared, warnings: &[String]) {
    if !shared.quiet {
        warnings.iter().for_each(say);
    }
}
