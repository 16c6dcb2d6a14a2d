//! A query over one segment: from its parts to postings, columns and runs of documents.
//!
//! A plan finds every match. It is exact where it finds nothing else; otherwise who uses it asks the evaluator about the
//! stored event. What cannot be decided here is everything, to be asked about; so is the negation of what is not exact.
//!
//! Segments have their documents in order of time, so a time range is a run of documents.

use super::{
    columns::{ColumnScan, equal_text},
    eval::{FieldNode, MessageTest, Node},
    field_test::{ValueTest, Wanted},
    text::{Sequence, TOKEN_CUT_MIN, TextTest, Word, WordPart},
    window::Window,
};
use crate::store::{Schema, column_name, column_path, is_unique_id};
use std::{ops::Range, sync::Arc};
use tantivy::{
    DateTime, DocId, DocSet, InvertedIndexReader, SegmentReader, Term,
    columnar::{Column, DynamicColumn},
    postings::SegmentPostings,
    query::{EnableScoring, PhraseQuery, Query as _, Scorer, Weight},
    schema::{Field, IndexRecordOption},
};

/// How to find the documents of one segment that match.
pub(super) struct Plan {
    /// What to do.
    pub(super) op: Op,
    /// Whether all that it finds match.
    pub(super) exact: bool,
}

/// One step of a plan.
#[allow(clippy::large_enum_variant, reason = "a plan has few steps")]
pub(super) enum Op {
    All,
    None,
    And(Vec<Op>),
    Or(Vec<Op>),
    Not(Box<Op>),
    Run(Range<DocId>),
    Term(Box<TermOp>),
    Phrase(Box<PhraseOp>),
    Set(Vec<u64>),
    Column(ColumnScan),
}

impl Plan {
    fn exact(op: Op) -> Plan {
        Plan { op, exact: true }
    }

    /// Everything, to be asked about.
    fn unknown() -> Plan {
        Plan { op: Op::All, exact: false }
    }

    fn and(plans: Vec<Plan>) -> Plan {
        if plans.iter().any(|plan| matches!(plan.op, Op::None)) {
            return Plan::exact(Op::None);
        }
        let exact = plans.iter().all(|plan| plan.exact);
        let mut ops: Vec<Op> = plans.into_iter().map(|plan| plan.op).filter(|op| !matches!(op, Op::All)).collect();
        ops.sort_by_key(Op::cost);
        let op = match ops.len() {
            0 => Op::All,
            1 => ops.pop().unwrap_or(Op::All),
            _ => Op::And(ops),
        };
        Plan { op, exact }
    }

    fn or(plans: Vec<Plan>) -> Plan {
        if plans.iter().any(|plan| plan.exact && matches!(plan.op, Op::All)) {
            return Plan::exact(Op::All);
        }
        let exact = plans.iter().all(|plan| plan.exact);
        if plans.iter().any(|plan| matches!(plan.op, Op::All)) {
            return Plan { op: Op::All, exact };
        }
        let mut ops: Vec<Op> = plans.into_iter().map(|plan| plan.op).filter(|op| !matches!(op, Op::None)).collect();
        let op = match ops.len() {
            0 => Op::None,
            1 => ops.pop().unwrap_or(Op::None),
            _ => Op::Or(ops),
        };
        Plan { op, exact }
    }

    fn not(self) -> Plan {
        match (self.exact, self.op) {
            (false, _) => Plan::unknown(),
            (true, Op::All) => Plan::exact(Op::None),
            (true, Op::None) => Plan::exact(Op::All),
            (true, op) => Plan::exact(Op::Not(Box::new(op))),
        }
    }

    fn inexact(mut self, not_exact: bool) -> Plan {
        self.exact &= !not_exact;
        self
    }
}

impl Op {
    /// Cheap and selective steps first.
    fn cost(&self) -> u8 {
        match self {
            Op::None | Op::All | Op::Run(_) => 0,
            Op::Term(_) | Op::Set(_) => 1,
            Op::Column(_) => 2,
            Op::Phrase(_) => 3,
            Op::And(_) | Op::Or(_) | Op::Not(_) => 4,
        }
    }

    /// The documents of the run that it finds.
    pub(super) fn find(&mut self, docs: Range<DocId>) -> tantivy::Result<Window> {
        let mut window = Window::none(docs.clone());
        match self {
            Op::All => window.invert(),
            Op::None => {}
            Op::Run(run) => window.insert_run(run.clone()),
            Op::And(ops) => {
                window.invert();
                for op in ops {
                    if window.is_empty() {
                        break;
                    }
                    window.retain(&op.find(docs.clone())?);
                }
            }
            Op::Or(ops) => {
                for op in ops {
                    window.extend(&op.find(docs.clone())?);
                }
            }
            Op::Not(op) => {
                window = op.find(docs)?;
                window.invert();
            }
            Op::Term(op) => op.find(&mut window)?,
            Op::Phrase(op) => op.find(&mut window)?,
            Op::Set(bits) => {
                for doc in window.docs() {
                    if super::columns::has_bit(bits, u64::from(doc)) {
                        window.insert(doc);
                    }
                }
            }
            Op::Column(scan) => scan.scan(&mut window),
        }
        Ok(window)
    }
}

/// Moves a cursor over documents into the window and over it; false where the cursor is past its beginning already.
fn sweep(cursor: &mut (impl DocSet + ?Sized), window: &mut Window) {
    let docs = window.docs();
    let mut doc = cursor.doc();
    if doc < docs.start {
        doc = cursor.seek(docs.start);
    }
    while doc < docs.end {
        window.insert(doc);
        doc = cursor.advance();
    }
}

/// Documents with a word.
pub(super) struct TermOp {
    index: Arc<InvertedIndexReader>,
    term: Term,
    /// The postings, and the first document that they have not passed.
    at: Option<(SegmentPostings, DocId)>,
}

impl TermOp {
    fn find(&mut self, window: &mut Window) -> tantivy::Result<()> {
        let docs = window.docs();
        if self.at.as_ref().is_none_or(|(_, passed)| *passed > docs.start) {
            let postings = self.index.read_postings(&self.term, IndexRecordOption::Basic)?;
            self.at = postings.map(|postings| (postings, 0));
        }
        if let Some((postings, passed)) = &mut self.at {
            sweep(postings, window);
            *passed = docs.end;
        }
        Ok(())
    }
}

/// Documents with words that follow each other.
pub(super) struct PhraseOp {
    weight: Box<dyn Weight>,
    reader: SegmentReader,
    at: Option<(Box<dyn Scorer>, DocId)>,
}

impl PhraseOp {
    fn find(&mut self, window: &mut Window) -> tantivy::Result<()> {
        let docs = window.docs();
        if self.at.as_ref().is_none_or(|(_, passed)| *passed > docs.start) {
            self.at = Some((self.weight.scorer(&self.reader, 1.0)?, 0));
        }
        if let Some((scorer, passed)) = &mut self.at {
            sweep(&mut **scorer, window);
            *passed = docs.end;
        }
        Ok(())
    }
}

/// Makes plans for one segment.
pub(super) struct Planner<'a> {
    reader: &'a SegmentReader,
    schema: &'a Schema,
    time: Column<DateTime>,
    /// Names of fields whose values are not all in columns, and where.
    partial: Option<tantivy::columnar::StrColumn>,
}

impl<'a> Planner<'a> {
    /// For this segment.
    pub(super) fn new(reader: &'a SegmentReader, schema: &'a Schema) -> tantivy::Result<Planner<'a>> {
        let time = reader.fast_fields().date("time")?;
        let partial = reader.fast_fields().str("partial")?.filter(|column| column.num_terms() > 0);
        Ok(Planner { reader, schema, time, partial })
    }

    /// The run of documents from a time up to but not including another, in milliseconds.
    pub(super) fn run(&self, from: i64, to: i64) -> Range<DocId> {
        self.first_at(from)..self.first_at(to).max(self.first_at(from))
    }

    /// The first document at or after this time.
    pub(super) fn first_at(&self, millis: i64) -> DocId {
        let (mut low, mut high) = (0, self.reader.max_doc());
        while low < high {
            let middle = low + (high - low) / 2;
            let at = self.time.first(middle).map_or(i64::MIN, DateTime::into_timestamp_millis);
            if at < millis { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The plan for a part of a query.
    pub(super) fn plan(&self, node: &Node) -> tantivy::Result<Plan> {
        let all = |nodes: &[Node]| nodes.iter().map(|node| self.plan(node)).collect::<tantivy::Result<Vec<_>>>();
        Ok(match node {
            Node::All => Plan::exact(Op::All),
            Node::And(nodes) => Plan::and(all(nodes)?),
            Node::Or(nodes) => Plan::or(all(nodes)?),
            Node::Not(node) => self.plan(node)?.not(),
            Node::Text(test) => self.text(test, true)?,
            Node::Field(field) => self.field(field)?,
            Node::Time { from, to } => Plan::exact(if *from == i64::MIN && *to == i64::MAX {
                Op::All
            } else {
                let to = if *to == i64::MAX { self.reader.max_doc() } else { self.first_at(*to) };
                Op::Run(self.first_at(*from)..to.max(self.first_at(*from)))
            }),
        })
    }

    fn term(&self, field: Field, text: &str) -> tantivy::Result<Op> {
        let index = self.reader.inverted_index(field)?;
        let term = Term::from_field_text(field, text);
        Ok(match index.get_term_info(&term)? {
            Some(_) => Op::Term(Box::new(TermOp { index, term, at: None })),
            None => Op::None,
        })
    }

    fn all_words(&self, field: Field, words: &[Word]) -> tantivy::Result<Plan> {
        let terms = words.iter().map(|word| Ok(Plan::exact(self.term(field, &word.indexed)?)));
        Ok(Plan::and(terms.collect::<tantivy::Result<_>>()?))
    }

    /// Text in the message and, where asked for, words in the other values.
    fn text(&self, test: &TextTest, others: bool) -> tantivy::Result<Plan> {
        let message = self.schema.message;
        match test {
            TextTest::Word(words) if !words.words.is_empty() && others => {
                let mut plans = vec![self.sequence(words)?];
                // Without a column, parts of an id are words after all.
                let loose = words.words.len() > 1 || self.partial.is_some() || is_cut(words);
                let values = self.all_words(self.schema.values, &words.words)?;
                let found = !matches!(values.op, Op::None);
                plans.push(values.inexact(loose && found));
                if is_unique_id(&words.lower) {
                    plans.push(self.whole_id(&words.lower)?);
                }
                Ok(Plan::or(plans))
            }
            TextTest::Word(words) | TextTest::Phrase(words) => self.sequence(words),
            TextTest::OneWord { regex, prefix } => {
                let mut fields = vec![message];
                if others {
                    fields.push(self.schema.values);
                }
                let (op, cut) = self.words_that(&fields, &[prefix], &|word| regex.is_match(word))?;
                Ok(Plan::exact(op).inexact(cut || (others && self.partial.is_some())))
            }
            TextTest::Across { words, .. } => self.word_parts(words),
            TextTest::Regex(_) => Ok(Plan::unknown()),
        }
    }

    /// Words that follow each other in the message.
    fn sequence(&self, words: &Sequence) -> tantivy::Result<Plan> {
        let field = self.schema.message;
        if words.words.is_empty() {
            return Ok(Plan::unknown());
        }
        let cut = is_cut(words);
        if words.prefix {
            let (last, before) = words.words.split_last().map_or((None, &[][..]), |(last, rest)| (Some(last), rest));
            let last = last.map(|word| word.text.as_str()).unwrap_or_default();
            let (op, long) = self.words_that(&[field], &[last], &|word| word.starts_with(last))?;
            let loose = long || cut || !before.is_empty();
            return Ok(Plan::and(vec![self.all_words(field, before)?, Plan::exact(op)]).inexact(loose));
        }
        let all = self.all_words(field, &words.words)?;
        if words.words.len() == 1 || matches!(all.op, Op::None) {
            return Ok(all.inexact(cut));
        }
        if words.slop > 0 || cut {
            return Ok(all.inexact(true));
        }
        let terms = words.words.iter().map(|word| Term::from_field_text(field, &word.indexed)).collect();
        let weight = PhraseQuery::new(terms).weight(EnableScoring::disabled_from_schema(&self.schema.index))?;
        Ok(Plan::exact(Op::Phrase(Box::new(PhraseOp { weight, reader: self.reader.clone(), at: None }))))
    }

    /// The messages that have words of which these are parts.
    fn word_parts(&self, parts: &[WordPart]) -> tantivy::Result<Plan> {
        let mut plans = Vec::new();
        for part in parts {
            let beginnings = part.beginnings();
            let beginnings: Vec<&str> = beginnings.iter().map(String::as_str).collect();
            let (op, _) = self.words_that(&[self.schema.message], &beginnings, &|word| part.agrees(word))?;
            plans.push(Plan::exact(op));
        }
        Ok(Plan::and(plans).inexact(true))
    }

    /// The documents with a word that passes and has one of these beginnings, and whether the index has only the
    /// beginning of some of them.
    fn words_that(
        &self,
        fields: &[Field],
        beginnings: &[&str],
        test: &dyn Fn(&str) -> bool,
    ) -> tantivy::Result<(Op, bool)> {
        let mut found = vec![0u64; (self.reader.max_doc() as usize).div_ceil(64)];
        let (mut any, mut cut) = (false, false);
        for (field, beginning) in fields.iter().flat_map(|field| beginnings.iter().map(move |text| (*field, *text))) {
            let whole = |at: &usize| beginning.is_char_boundary(*at);
            let start = &beginning[..(0..=beginning.len().min(TOKEN_CUT_MIN)).rev().find(whole).unwrap_or(0)];
            let index = self.reader.inverted_index(field)?;
            let mut stream = index.terms().range().ge(start).into_stream()?;
            while stream.advance() {
                let Ok(word) = std::str::from_utf8(stream.key()) else { continue };
                if !word.starts_with(start) {
                    break;
                }
                let long = word.len() >= TOKEN_CUT_MIN;
                if !long && !test(word) {
                    continue;
                }
                (any, cut) = (true, cut || long);
                let mut postings = index.read_postings_from_terminfo(stream.value(), IndexRecordOption::Basic)?;
                let mut doc = postings.doc();
                while doc != tantivy::TERMINATED {
                    if let Some(word) = found.get_mut(doc as usize / 64) {
                        *word |= 1 << (doc % 64);
                    }
                    doc = postings.advance();
                }
            }
        }
        Ok((if any { Op::Set(found) } else { Op::None }, cut))
    }

    /// Documents of which a value is this id.
    fn whole_id(&self, lower: &str) -> tantivy::Result<Plan> {
        let mut plans = vec![self.partial_docs(|_| true)?.inexact(self.partial.is_some())];
        for handle in self.reader.fast_fields().dynamic_subpath_column_handles("fields")? {
            if handle.column_type() != tantivy::columnar::ColumnType::Str {
                continue;
            }
            if let DynamicColumn::Str(column) = handle.open()? {
                let ords = equal_text(&column, lower)?;
                let scan = |ord| Plan::exact(Op::Column(ColumnScan::Ords(column.ords().clone(), ord..=ord)));
                plans.extend(ords.into_iter().map(scan));
            }
        }
        Ok(Plan::or(plans))
    }

    /// The documents that lack a column for a field with such a name, or have only the beginning of its value there.
    fn partial_docs(&self, named: impl Fn(&str) -> bool) -> tantivy::Result<Plan> {
        let Some(column) = &self.partial else { return Ok(Plan::exact(Op::None)) };
        let mut plans = Vec::new();
        let mut stream = column.dictionary().stream()?;
        while stream.advance() {
            if std::str::from_utf8(stream.key()).is_ok_and(&named) {
                let ord = stream.term_ord();
                plans.push(Plan::exact(Op::Column(ColumnScan::Ords(column.ords().clone(), ord..=ord))));
            }
        }
        let any = !plans.is_empty();
        Ok(Plan::or(plans).inexact(any))
    }

    fn field(&self, field: &FieldNode) -> tantivy::Result<Plan> {
        if field.own_time() {
            let any = field.tests.iter().any(|(_, test)| matches!(test, ValueTest::Exists));
            return Ok(if any { Plan::exact(Op::All) } else { Plan::unknown() });
        }
        let mut plans = match &field.message {
            Some(MessageTest::Text(test)) => vec![self.text(test, false)?],
            Some(MessageTest::Value(ValueTest::OneOf { wanted, .. })) if !wanted.iter().any(Wanted::has_unit) => {
                let words = wanted.iter().map(|wanted| Sequence::new(&wanted.text, 0, false));
                let all = words.map(|words| self.all_words(self.schema.message, &words.words));
                vec![Plan::or(all.collect::<tantivy::Result<_>>()?).inexact(true)]
            }
            Some(MessageTest::Value(_)) => vec![Plan::unknown()],
            None => Vec::new(),
        };
        if let (true, Some((_, test))) = (field.any_field(), field.tests.first()) {
            let handles = self.reader.fast_fields().dynamic_subpath_column_handles("fields")?;
            for handle in handles {
                plans.push(scans(handle.open()?, test)?);
            }
            plans.push(self.partial_docs(|_| true)?);
            return Ok(Plan::or(plans));
        }
        for (name, test) in &field.tests {
            let path = column_path(name);
            let mut handles = self.reader.fast_fields().dynamic_column_handles(&path)?;
            if matches!(test, ValueTest::Exists) {
                handles.extend(self.reader.fast_fields().dynamic_subpath_column_handles(&path)?);
            }
            for handle in handles {
                plans.push(scans(handle.open()?, test)?);
            }
            let name = column_name(name);
            plans.push(self.partial_docs(|partial| {
                let rest = partial.strip_prefix(&*name);
                rest.is_some_and(|rest| rest.is_empty() || (rest.starts_with('.') && matches!(test, ValueTest::Exists)))
            })?);
        }
        Ok(Plan::or(plans))
    }
}

fn is_cut(words: &Sequence) -> bool {
    words.words.iter().any(|word| word.text.len() >= TOKEN_CUT_MIN)
}

fn scans(column: DynamicColumn, test: &ValueTest) -> tantivy::Result<Plan> {
    let (scans, exact) = ColumnScan::new(column, test)?;
    let plans = scans.into_iter().map(|scan| Plan::exact(Op::Column(scan))).collect();
    Ok(Plan::or(plans).inexact(!exact))
}
