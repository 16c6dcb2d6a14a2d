//! Which pipelines there are, and how they run: from the command line, `logstash.yml` and `pipelines.yml`.
//!
//! What the command line says counts most, then what a pipeline of `pipelines.yml` says of itself, then `logstash.yml`. Where the
//! command line or `logstash.yml` has a config, `pipelines.yml` means nothing. Settings that mean nothing here are passed over;
//! what Logstash does not have either is an error.

use super::{
    super::settings::size,
    EcsMode, Failure, Pipelines, QueueType,
    api::{self, Api},
    files,
    known::{Scope, complaint},
};
use crate::{
    config::{DataDir, Settings},
    flow::Addresses,
    log,
    pipeline::configured::{Pipeline, QueueKind, Sources},
};
use clap::ValueEnum as _;
use logship_parsers::config::Source;
use serde_json::{Map, Value as Json};
use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Most pipelines of one process.
pub const PIPELINES_MAX: usize = 100;
/// The name of a pipeline that has none of its own.
const MAIN: &str = "main";
/// The largest file of settings.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How often -r looks where nothing is said.
const RELOAD_EVERY: Duration = Duration::from_secs(3);
/// How often it looks at most.
const RELOAD_EVERY_MIN: Duration = Duration::from_millis(100);

/// How the process runs, whatever its pipelines are.
pub(super) struct General {
    /// Whether configs are looked at again,
    pub(super) reloads: bool,
    /// each so often.
    pub(super) interval: Duration,
    pub(super) api: Api,
}

/// What the command line and `logstash.yml` say of it.
pub(super) fn general(args: &Pipelines) -> Result<General, Failure> {
    let named = of_all(args)?;
    let flag = |text: &str| text.parse().ok();
    let interval = match &args.reload_interval {
        Some(text) => Some(time_value(text).ok_or_else(|| {
            Failure::usage(format!("--config.reload.interval {text}: expected a duration such as 3s or 500ms"))
        })?),
        None => named.parsed("config.reload.interval", time_value)?,
    };
    let wrong =
        |text: &str| Failure::usage(format!("--api.http.port {text}: expected a port, or a range such as 9600-9700"));
    let ports = match &args.api_port {
        Some(text) => Some(api::ports(text).ok_or_else(|| wrong(text))?),
        None => named.either(["api.http.port", "http.port"], api::ports)?,
    };
    let usual = Api::default();
    Ok(General {
        reloads: args.reload || !args.no_reload && named.parsed("config.reload.automatic", flag)?.unwrap_or_default(),
        interval: interval.unwrap_or(RELOAD_EVERY).max(RELOAD_EVERY_MIN),
        api: Api {
            is_enabled: args
                .api
                .or(args.no_api.then_some(false))
                .or(named.either(["api.enabled", "http.enabled"], flag)?),
            host: match &args.api_host {
                Some(host) => host.clone(),
                None => {
                    named.either(["api.http.host", "http.host"], |text| Some(text.to_owned()))?.unwrap_or(usual.host)
                }
            },
            ports: ports.unwrap_or(usual.ports),
        },
    })
}

/// A duration with its unit.
fn time_value(text: &str) -> Option<Duration> {
    let (number, unit) = text.trim().split_at_checked(text.trim().find(|c: char| !c.is_ascii_digit())?)?;
    let number: u64 = number.parse().ok()?;
    let seconds = |factor: u64| number.checked_mul(factor).map(Duration::from_secs);
    match unit.trim_start() {
        "ns" | "nanos" => Some(Duration::from_nanos(number)),
        "us" | "micros" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(60 * 60),
        "d" => seconds(24 * 60 * 60),
        _ => None,
    }
}

/// One pipeline, before its config is read.
pub(super) struct Spec {
    pub(super) id: String,
    pub(super) sources: Sources,
    pub(super) support_escapes: bool,
    workers: Option<usize>,
    queue: Option<QueueType>,
    queue_bytes_max: Option<u64>,
    /// What `logstash.yml` says where data is.
    data: Option<PathBuf>,
    ecs: Option<EcsMode>,
}

/// All pipelines that are asked for.
pub(super) fn specs(args: &Pipelines) -> Result<Vec<Spec>, Failure> {
    let general = of_all(args)?;
    let id = || args.id.clone().or(general.text("pipeline.id")).unwrap_or_else(|| MAIN.to_owned());
    let one = |sources| Ok(vec![Spec::new(id(), sources, &general, args)?]);
    let of_text = |text: &str| one(vec![Source::new("config.string", text)]);
    match (&args.text, &args.path, &args.settings) {
        (Some(text), _, _) => of_text(text),
        (None, Some(path), _) => one(files::sources(path)?),
        (None, None, Some(folder)) => match (general.text("config.string"), general.text("path.config")) {
            (Some(_), Some(_)) => Err(Failure::usage(format!(
                "{}: `config.string` and `path.config` cannot be used together",
                general.path.display()
            ))),
            (Some(text), None) => of_text(&text),
            (None, Some(path)) => one(files::sources(Path::new(&path))?),
            (None, None) => of_folder(folder, &general, args),
        },
        (None, None, None) => Err(Failure::usage("there is nothing to check: name a pipeline with -e or -f")),
    }
}

/// The pipelines of `pipelines.yml`, each with the settings of `logstash.yml` where it has none of its own.
fn of_folder(folder: &Path, general: &Named, args: &Pipelines) -> Result<Vec<Spec>, Failure> {
    let path = folder.join("pipelines.yml");
    let all = Named::read(&path, Scope::Pipeline)?;
    let wrong = |what: &str| Failure::usage(format!("{}: {what}", path.display()));
    if all.is_empty() || all.len() > PIPELINES_MAX {
        return Err(wrong(&format!("{} pipelines are in it; there may be 1 to {PIPELINES_MAX}", all.len())));
    }
    let mut specs: Vec<Spec> = Vec::with_capacity(all.len());
    for named in all {
        let named = Named { fields: general.fields.clone().into_iter().chain(named.fields).collect(), ..named };
        let id = named.text("pipeline.id").unwrap_or_else(|| MAIN.to_owned());
        if specs.iter().any(|spec| spec.id == id) {
            return Err(wrong(&format!("two pipelines have the id `{id}`")));
        }
        let sources = match (named.text("config.string"), named.text("path.config")) {
            (Some(text), None) => vec![Source::new(format!("{id}: config.string"), text)],
            (None, Some(path)) => files::sources(Path::new(&path))?,
            _ => return Err(wrong(&format!("the pipeline `{id}` needs either `path.config` or `config.string`"))),
        };
        specs.push(Spec::new(id, sources, &named, args)?);
    }
    Ok(specs)
}

/// What `logstash.yml` says, where it is there.
fn of_all(args: &Pipelines) -> Result<Named, Failure> {
    let Some(folder) = &args.settings else { return Ok(Named::default()) };
    if !folder.is_dir() {
        return Err(Failure::usage(format!("--path.settings {}: there is no such folder", folder.display())));
    }
    let path = folder.join("logstash.yml");
    match path.exists() {
        true => Ok(Named::read(&path, Scope::All)?.pop().unwrap_or_default()),
        false => Ok(Named::default()),
    }
}

/// Settings by their names, which have dots in them.
#[derive(Default)]
struct Named {
    path: PathBuf,
    fields: Map<String, Json>,
}

impl Named {
    /// The settings of a file: one set of them, or a list. All that is wrong with them is said at once.
    fn read(path: &Path, scope: Scope) -> Result<Vec<Named>, Failure> {
        let wrong = |cause: &dyn std::fmt::Display| Failure::usage(format!("cannot read {}: {cause}", path.display()));
        if std::fs::metadata(path).map_err(|cause| wrong(&cause))?.len() > FILE_BYTES_MAX {
            return Err(wrong(&format!("it is longer than {FILE_BYTES_MAX} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|cause| wrong(&cause))?;
        let is_empty = text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
        let read: Json = match is_empty {
            true => Json::Array(Vec::new()),
            false => serde_saphyr::from_str(&text).map_err(|cause| wrong(&cause))?,
        };
        let items = match read {
            Json::Array(items) => items,
            one => vec![one],
        };
        let named = |item| match item {
            Json::Object(fields) => {
                let mut flat = Map::new();
                flatten("", fields, &mut flat);
                Ok(Named { path: path.to_owned(), fields: flat })
            }
            other => Err(wrong(&format!("`{other}` is no pipeline: write `- pipeline.id: NAME`, its settings below"))),
        };
        let all = items.into_iter().map(named).collect::<Result<Vec<_>, Failure>>()?;
        let complaints: Vec<String> = all.iter().flat_map(|named| named.complaints(scope)).collect();
        match complaints.is_empty() {
            true => Ok(all),
            false => Err(Failure::usage(complaints.join("\n"))),
        }
    }

    /// What is wrong with names, values and variables.
    fn complaints(&self, scope: Scope) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, value) in &self.fields {
            let text = self.text(name).filter(|_| !value.is_array());
            // What is missing in a config is said of the config.
            let missing = value.as_str().filter(|_| name != "config.string").and_then(missing_variable);
            wrong.extend(match missing {
                Some(variable) => Some(format!(
                    "`{name}`: the variable `{variable}` is not set and has no default: set it in the environment, or write \
                     `${{{variable}:default}}`"
                )),
                None => complaint(scope, name, text.as_deref()),
            });
        }
        wrong.into_iter().map(|what| format!("{}: {what}", self.path.display())).collect()
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.fields.get(name)? {
            Json::String(text) => Some(with_variables(text)),
            Json::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// A setting that must be readable where it is there.
    fn parsed<T>(&self, name: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wrong = || Failure::usage(format!("{}: `{name}` cannot be `{text}`", self.path.display()));
        read(&text).ok_or_else(wrong).map(Some)
    }

    /// A setting by its name, or by the one that it had before.
    fn either<T>(&self, names: [&str; 2], read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Failure> {
        let [name, before] = names;
        Ok(self.parsed(name, &read)?.or(self.parsed(before, &read)?))
    }
}

/// `{"a": {"b": 1}}` and `{"a.b": 1}` are the same.
fn flatten(before: &str, fields: Map<String, Json>, flat: &mut Map<String, Json>) {
    for (name, value) in fields {
        let name = if before.is_empty() { name } else { format!("{before}.{name}") };
        match value {
            Json::Object(inner) => flatten(&name, inner, flat),
            value => _ = flat.insert(name, value),
        }
    }
}

/// The first variable of a text that is not set and has no default.
fn missing_variable(text: &str) -> Option<String> {
    let mut pieces = text.split("${").skip(1).filter_map(|piece| Some(piece.split_once('}')?.0));
    let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    pieces.find(|name| !name.is_empty() && is_name(name) && std::env::var_os(name).is_none()).map(str::to_owned)
}

/// `${NAME}` and `${NAME:default}`; a variable that is not set and has no default stays as it is written.
fn with_variables(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        let (name, default) = name.split_once(':').map_or((name, None), |(name, default)| (name, Some(default)));
        out.push_str(before);
        match std::env::var(name).ok().or_else(|| default.map(str::to_owned)) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&format!("${{{name}}}")),
        }
        rest = behind;
    }
    out + rest
}

impl Spec {
    fn new(id: String, sources: Sources, named: &Named, args: &Pipelines) -> Result<Spec, Failure> {
        if id.is_empty() || id.starts_with('.') || id.contains('/') {
            return Err(Failure::usage(format!(
                "a pipeline cannot have the id `{id}`: a folder has the same name, so no `/` and no `.` in front"
            )));
        }
        let flag = |text: &str| text.parse().ok();
        let escapes = named.parsed("config.support_escapes", flag)?;
        let workers = named.parsed("pipeline.workers", |text| text.parse().ok())?;
        let queue = named.parsed("queue.type", |text| QueueType::from_str(text, true).ok())?;
        let ecs = named.parsed("pipeline.ecs_compatibility", |text| EcsMode::from_str(text, true).ok())?;
        Ok(Spec {
            id,
            sources,
            support_escapes: args.support_escapes.or(escapes).unwrap_or_default(),
            workers: args.workers.or(workers),
            queue: args.queue.or(queue),
            queue_bytes_max: named.parsed("queue.max_bytes", |text| size("queue.max_bytes", text).ok().flatten())?,
            ecs: args.ecs.or(ecs),
            data: named.text("path.data").map(PathBuf::from),
        })
    }

    /// What holds for all its plugins.
    pub(super) fn plugins(&self, addresses: &Arc<Addresses>, host: &'static str) -> Settings {
        let ecs = self.ecs.map(EcsMode::mode).unwrap_or_default();
        Settings { ecs, host, addresses: addresses.clone() }
    }

    /// Threads that filter.
    pub(super) fn workers(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.workers.filter(|workers| *workers > 0).unwrap_or_else(cores)
    }

    /// Where what is read waits. The data directory is made where it is `used`.
    pub(super) fn queue(&self, pipeline: &Pipeline, data: Option<&Path>, used: bool) -> Result<QueueKind, Failure> {
        let is_memory = match self.queue {
            Some(kind) => kind == QueueType::Memory,
            None => !pipeline.needs_log(),
        };
        if is_memory {
            return Ok(QueueKind::Memory);
        }
        let root = DataDir::locate(data.or(self.data.as_deref())).map_err(Failure::usage)?;
        if used {
            DataDir::open(&root).map_err(Failure::failed)?;
        }
        let mut options = log::Options { together: true, ..log::Options::default() };
        options.bytes_max = self.queue_bytes_max.unwrap_or(options.bytes_max);
        Ok(QueueKind::Log { dir: root.join("pipelines").join(&self.id), options })
    }

    /// A hash of all that makes it what it is.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for source in &self.sources {
            (&source.name, &source.text).hash(&mut hasher);
        }
        (self.support_escapes, self.workers, self.queue_bytes_max, &self.data).hash(&mut hasher);
        (self.queue.map(|queue| queue as u8), self.ecs.map(|ecs| ecs as u8)).hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        pipelines: Pipelines,
    }

    fn specs_of(files: &[(&str, &str)]) -> Result<Vec<Spec>, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text.replace("HERE", folder.path().to_str().unwrap())).unwrap();
        }
        let args = Args::parse_from(["logship", "--path.settings", folder.path().to_str().unwrap()]);
        specs(&args.pipelines).map_err(|failure| failure.message)
    }

    #[test]
    fn settings_of_a_pipeline_count_more_than_general_ones() {
        let specs = specs_of(&[
            ("a.conf", "input { stdin { } }"),
            ("logstash.yml", "pipeline:\n  workers: 3\nqueue.max_bytes: 64mib\nnode.name: x\npath.data: /elsewhere\n"),
            (
                "pipelines.yml",
                "- pipeline.id: a\n  path.config: HERE/*.conf\n  pipeline.workers: 1\n\
                 - pipeline.id: b\n  config.string: 'output { }'\n  queue.type: persisted\n",
            ),
        ])
        .unwrap_or_else(|message| panic!("{message}"));
        assert_eq!((specs[0].id.as_str(), specs[0].workers, specs[0].queue), ("a", Some(1), None));
        assert_eq!(
            (specs[1].id.as_str(), specs[1].workers, specs[1].queue),
            ("b", Some(3), Some(QueueType::Persisted))
        );
        assert_eq!((specs[1].queue_bytes_max, specs[0].sources.len()), (Some(64 << 20), 1));
        assert_eq!(specs[1].data.as_deref(), Some(Path::new("/elsewhere")));
        assert_ne!(specs[0].fingerprint(), specs[1].fingerprint());
    }

    #[test]
    fn what_is_wrong_is_told_with_the_file() {
        let check = |text: &str, expected: &str| {
            let error = specs_of(&[("pipelines.yml", text)]).map(|_| ()).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("", "0 pipelines");
        check("- path.config: x", "no file or folder");
        check("- pipeline.id: a", "path.config");
        check("- {pipeline.id: a, config.string: x}\n- {pipeline.id: a, config.string: x}", "two pipelines");
        check("- {pipeline.id: a, config.string: x, queue.type: paper}", "`queue.type` cannot be `paper`");
        check("- {pipeline.id: a, config.string: x, pipeline.worker: 1}", "pipelines.yml: there is no setting");
        check("- {pipeline.id: a, path.config: '${LOGSHIP_NO_SUCH}/x'}", "the variable `LOGSHIP_NO_SUCH` is not set");
        check("- {pipeline.id: a, config.string: x, pipeline.workers: 0, queue.drain: 1}", "`pipeline.workers` cannot");
        check("- {pipeline.id: a, config.string: x, pipeline.workers: 0, queue.drain: 1}", "`queue.drain` cannot");
        check("a: [", "");
    }

    #[test]
    fn one_pipeline_needs_no_list() {
        let specs_with = |yml: &str, more: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("logstash.yml"), yml).unwrap();
            let args = ["logship", "--path.settings", folder.path().to_str().unwrap()];
            let args = Args::parse_from(args.iter().chain(more));
            specs(&args.pipelines).map_err(|failure| failure.message)
        };
        let check = |yml: &str, more: &[&str], id: &str, text: &str, escapes: bool| {
            let specs = specs_with(yml, more).unwrap_or_else(|message| panic!("{message}"));
            assert_eq!((specs.len(), specs[0].id.as_str(), specs[0].support_escapes), (1, id, escapes), "{yml}");
            assert_eq!(specs[0].sources[0].text, text, "{yml}");
        };
        check("config.support_escapes: true\n", &["-e", "output { }"], "main", "output { }", true);
        check("config.string: 'input { }'\npipeline.id: a\n", &[], "a", "input { }", false);
        check("config.string: 'input { }'\n", &["-e", "output { }", "--pipeline.id", "b"], "b", "output { }", false);
        let error = specs_with("config.string: x\npath.config: y\n", &[]).map(|_| ()).unwrap_err();
        assert!(error.contains("cannot be used together"), "{error}");
    }

    #[test]
    fn what_holds_for_the_process_is_read() {
        let general_of = |yml: &str, more: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("logstash.yml"), yml).unwrap();
            let args = ["logship", "--path.settings", folder.path().to_str().unwrap()];
            let args = Args::parse_from(args.iter().chain(more));
            general(&args.pipelines).map_err(|failure| failure.message)
        };
        let check = |yml: &str, more: &[&str], expected: (bool, u64, Api)| {
            let General { reloads, interval, api } = general_of(yml, more).unwrap_or_else(|wrong| panic!("{wrong}"));
            assert_eq!((reloads, interval.as_secs(), api), expected, "{yml} {more:?}");
        };
        let usual = Api::default;
        check("", &[], (false, 3, usual()));
        check("", &["-r", "--config.reload.interval", "7s"], (true, 7, usual()));
        check("config.reload.interval: 2m", &["-r", "--no-config.reload.automatic"], (false, 120, usual()));
        check("config.reload.interval: 5000ms", &["--no-config.reload.automatic", "-r"], (true, 5, usual()));
        check("config: { reload: { automatic: true, interval: 5s } }", &[], (true, 5, usual()));
        let yml = "api.http.host: 0.0.0.0\napi.http.port: 9601\napi.enabled: false";
        let given = Api { is_enabled: Some(false), host: "0.0.0.0".to_owned(), ports: 9601..=9601 };
        check(yml, &[], (false, 3, given.clone()));
        check("http: { host: 0.0.0.0, port: 9601, enabled: false }", &[], (false, 3, given.clone()));
        check(
            yml,
            &["--api.http.port", "1-2", "--api.enabled"],
            (false, 3, Api { is_enabled: Some(true), ports: 1..=2, ..given }),
        );
        let wrong = |yml: &str, more: &[&str]| general_of(yml, more).map(|_| ()).unwrap_err();
        assert!(wrong("api.http.port: x", &[]).contains("logstash.yml: `api.http.port` cannot be `x`"));
        assert!(wrong("", &["--api.http.port", "x"]).contains("9600-9700"));
        assert!(wrong("", &["--config.reload.interval", "3"]).contains("such as 3s"));
    }

    #[test]
    fn variables_are_read() {
        assert_eq!(with_variables("a${LOGSHIP_NO_SUCH:b}c${LOGSHIP_NO_SUCH}${"), "abc${LOGSHIP_NO_SUCH}${");
    }
}
