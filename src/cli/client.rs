//! Who answers a search: the server that was named, the one that owns the data directory, or this process itself.

use super::{Failure, args::Shared, settings};
use crate::{
    clock,
    config::DataDir,
    event::Timestamp,
    flow::{LogId, Stored},
    pipeline::{Common, Finished, Owner, OwnerSettings, State, tail::Tail},
    plan::Plan,
    query::{Backend, Cancel, Count, Cursor, RESULT_PAGE_MAX, Relation, Scope, SearchRequest},
    store,
};
use logship_parsers::query;
use serde::Deserialize;
use std::{
    io::{BufRead, BufReader, Read},
    ops::ControlFlow,
    time::Duration,
};

/// A page or a count without a server ends after this.
const COUNT_DEADLINE: Duration = Duration::from_secs(60);
/// How long this process may take to index what the logs hold before it searches.
const CATCH_UP: Duration = Duration::from_secs(600);
/// A server that says nothing for this long is given up.
const SERVER_SILENCE: Duration = Duration::from_secs(75);

/// What is asked, page by page.
#[derive(Clone, Debug)]
pub struct Question {
    /// The query text.
    pub text: String,
    /// Its meaning.
    pub query: query::ast::Query,
    /// Events at or after.
    pub from: Option<Timestamp>,
    /// Events before.
    pub to: Option<Timestamp>,
}

impl Question {
    /// Parses the query; an error shows where.
    pub fn new(words: &[String], from: Option<Timestamp>, to: Option<Timestamp>) -> Result<Question, Failure> {
        let text = words.join(" ");
        match query::parse(&text) {
            Ok(parsed) => Ok(Question { text, query: parsed.query, from, to }),
            Err(error) => Err(Failure::usage(error.render(&text))),
        }
    }
}

/// One page of an answer.
#[derive(Debug, Default)]
pub struct Page {
    /// Events as JSON, newest first.
    pub rows: Vec<String>,
    /// What came behind them.
    pub trailer: Trailer,
}

/// What a search says after its rows, as `/api/v1/search` does.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Trailer {
    /// Matches.
    pub matched: u64,
    /// `eq` or `gte`.
    pub relation: String,
    /// Where the next page begins.
    pub cursor: Option<String>,
    /// Where a tail goes on.
    pub position: Option<String>,
    /// A part could not be read.
    pub partial: bool,
    /// Sentences for the reader.
    pub warnings: Vec<String>,
}

/// Who answers.
pub struct Source<'s> {
    shared: &'s Shared,
    answers: Answers,
}

enum Answers {
    /// A server over HTTP.
    Remote(Remote),
    /// The store, opened by this process.
    Local(Box<dyn Backend>),
}

impl<'s> Source<'s> {
    /// The named server, else the owner of the data directory, else the store itself.
    pub fn find(shared: &'s Shared) -> Result<Source<'s>, Failure> {
        Ok(Source { shared, answers: Answers::find(shared)? })
    }

    /// One page. An owner of the data directory that has ended since it was found is replaced by whoever answers now.
    pub fn page(
        &mut self,
        question: &Question,
        limit: usize,
        cursor: Option<&str>,
        count: Count,
    ) -> Result<Page, Failure> {
        let found = self.answers.page(question, limit, cursor, count);
        match (&found, &self.answers) {
            (Err(_), Answers::Remote(remote)) if self.shared.server.is_none() && !remote.is_there() => {
                self.answers = Answers::find(self.shared)?;
                self.answers.page(question, limit, cursor, count)
            }
            _ => found,
        }
    }
}

impl Answers {
    fn find(shared: &Shared) -> Result<Answers, Failure> {
        if let Some(remote) = Remote::find(shared)? {
            return Ok(Answers::Remote(remote));
        }
        let path = settings::data_path(shared)?;
        let data = DataDir::open_existing(&path).map_err(|cause| {
            let fresh = !path.exists();
            let advice = if fresh { " (nothing was stored there yet? try: app | logship)" } else { "" };
            Failure::failed(format!("{cause}{advice}"))
        })?;
        // A search drops nothing: the retention of whoever stores need not be what this command line says.
        let kept = store::Options {
            retention_age: None,
            retention_bytes: None,
            free_bytes_min: 0,
            ..settings::storage(shared)?.store
        };
        open_store(&data, kept, settings::auto_plan(shared)).map(Answers::Local)
    }

    fn page(&self, question: &Question, limit: usize, cursor: Option<&str>, count: Count) -> Result<Page, Failure> {
        match self {
            Answers::Remote(remote) => remote.page(question, limit, cursor, count),
            Answers::Local(backend) => local_page(backend.as_ref(), question, limit, cursor, count),
        }
    }
}

fn local_page(
    backend: &dyn Backend,
    question: &Question,
    limit: usize,
    cursor: Option<&str>,
    count: Count,
) -> Result<Page, Failure> {
    let cursor: Option<Cursor> = cursor.map(str::parse).transpose().map_err(Failure::failed)?;
    let scope = Scope { query: question.query.clone(), from: question.from, to: question.to, now: clock::now() };
    let request = SearchRequest {
        scope,
        limit: limit.min(RESULT_PAGE_MAX),
        cursor,
        count,
        deadline: COUNT_DEADLINE,
        cancel: Cancel::default(),
    };
    let mut rows = Vec::new();
    let mut take = |stored: Stored| {
        let mut row = String::new();
        crate::event::json::write_event(&mut row, &stored.event, Some(&stored.id));
        rows.push(row);
        ControlFlow::Continue(())
    };
    let summary = backend.search(&request, &mut take).map_err(Failure::failed)?;
    let relation = if summary.relation == Relation::Eq { "eq" } else { "gte" };
    let trailer = Trailer {
        matched: summary.matched,
        relation: relation.to_owned(),
        cursor: summary.cursor.map(|cursor| cursor.to_string()),
        position: None,
        partial: summary.partial,
        warnings: summary.warnings,
    };
    Ok(Page { rows, trailer })
}

/// Opens the store in this process: as its owner, which first indexes what the logs still hold; or, where it cannot be
/// written or somebody else has it, as it is on disk with the logs' rest in memory.
fn open_store(data: &DataDir, options: store::Options, plan: Plan) -> Result<Box<dyn Backend>, Failure> {
    let runtime = super::serving::runtime()?;
    let common = Common::new(Tail::new(LogId::random()));
    // What is wrong comes with the answers.
    let (owning, say) = (Box::new(|| {}), Box::new(|_: &str| {}));
    let owner_settings = OwnerSettings { store: options, plan, owning, say };
    let owner = Owner::start(data.clone(), owner_settings, common.clone(), runtime.handle().clone())
        .map_err(|cause| Failure::failed(format!("cannot start a thread: {cause}")))?;
    match common.wait_until_opened() {
        State::Waiting | State::Failed(_) => {
            drop(owner);
            read_only(data, plan)
        }
        _ => {
            // A full disk keeps the store from taking more, not from being read.
            if owner.finish(CATCH_UP) != Ok(Finished::Whole) {
                return read_only(data, plan);
            }
            let backend = common.embedded().map_err(Failure::failed)?;
            Ok(Box::new(backend))
        }
    }
}

/// The store as it is on disk, and the logs' rest beside it.
fn read_only(data: &DataDir, plan: Plan) -> Result<Box<dyn Backend>, Failure> {
    let reading = crate::pipeline::open_read_only(data, plan);
    reading.map(|backend| Box::new(backend) as Box<dyn Backend>).map_err(Failure::failed)
}

/// A server over HTTP.
pub struct Remote {
    agent: ureq::Agent,
    base: String,
    token: Option<String>,
}

impl Remote {
    /// The server at that address.
    pub fn at(shared: &Shared, base: &str) -> Result<Remote, Failure> {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_recv_body(None)
            .timeout_recv_response(Some(SERVER_SILENCE))
            .build();
        let token = settings::tokens(shared)?.first().map(str::to_owned);
        Ok(Remote { agent: config.new_agent(), base: base.trim_end_matches('/').to_owned(), token })
    }

    /// The named server, or the living owner of the data directory.
    pub fn find(shared: &Shared) -> Result<Option<Remote>, Failure> {
        if let Some(named) = &shared.server {
            if !named.starts_with("http://") && !named.starts_with("https://") {
                return Err(Failure::usage(format!(
                    "--server {named}: expected a URL such as http://logs.example:7447"
                )));
            }
            return Remote::at(shared, named).map(Some);
        }
        let Ok(data) = DataDir::open_existing(&settings::data_path(shared)?) else { return Ok(None) };
        let owner = data.read_server().map(|server| Remote::at(shared, &server.url)).transpose()?;
        Ok(owner.filter(Remote::is_there))
    }

    pub fn is_there(&self) -> bool {
        self.agent.get(format!("{}/api/v1/health", self.base)).call().is_ok()
    }

    /// A GET request; a refusal becomes its message.
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Box<dyn Read + Send>, Failure> {
        let mut request = self.agent.get(format!("{}{path}", self.base)).query_pairs(query.iter().copied());
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let response = request
            .call()
            .map_err(|cause| Failure::failed(format!("cannot reach {}: {cause}; is the server running?", self.base)))?;
        let status = response.status();
        let body = response.into_body().into_reader();
        if status.is_success() {
            return Ok(Box::new(body));
        }
        let mut text = String::new();
        let _ = body.take(64 << 10).read_to_string(&mut text);
        let message = serde_json::from_str::<serde_json::Value>(&text)
            .ok()
            .and_then(|reply| Some(reply.get("error")?.get("message")?.as_str()?.to_owned()))
            .unwrap_or_else(|| format!("status {status}"));
        let advice = if status.as_u16() == 401 { "; give it with LOGSHIP_TOKEN or --token-file FILE" } else { "" };
        Err(Failure::failed(format!("{}: {message}{advice}", self.base)))
    }

    fn page(&self, question: &Question, limit: usize, cursor: Option<&str>, count: Count) -> Result<Page, Failure> {
        let limit = limit.min(RESULT_PAGE_MAX).to_string();
        let (from, to) = (question.from.map(|t| t.to_string()), question.to.map(|t| t.to_string()));
        let mut pairs = vec![("q", question.text.as_str()), ("limit", &limit)];
        pairs.extend(from.as_deref().map(|from| ("from", from)));
        pairs.extend(to.as_deref().map(|to| ("to", to)));
        pairs.extend(cursor.map(|cursor| ("cursor", cursor)));
        pairs.push(("count", if count == Count::Exact { "exact" } else { "none" }));
        let mut page = Page::default();
        let mut ended = false;
        for line in BufReader::new(self.get("/api/v1/search", &pairs)?).lines() {
            let line = line.map_err(|cause| Failure::failed(format!("{} broke off: {cause}", self.base)))?;
            if line.starts_with("{\"_trailer\":") {
                #[derive(Deserialize)]
                struct Wrapped {
                    #[serde(rename = "_trailer")]
                    trailer: Trailer,
                }
                let wrapped: Wrapped = serde_json::from_str(&line).map_err(|cause| {
                    Failure::failed(format!("{} sent a trailer that cannot be read: {cause}", self.base))
                })?;
                page.trailer = wrapped.trailer;
                ended = true;
            } else {
                page.rows.push(line);
            }
        }
        if ended {
            Ok(page)
        } else {
            Err(Failure::failed(format!("{} broke off in the middle of its answer", self.base)))
        }
    }
}
