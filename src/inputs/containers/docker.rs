//! Containers of Docker and Podman whose logs are files.
//!
//! Docker's `json-file` driver writes `containers/<id>/<id>-json.log` and rotates to `.1` and `.1.gz`; beside it lies
//! `config.v2.json`, which holds name, image and labels. Podman's `k8s-file` driver writes
//! `overlay-containers/<id>/userdata/ctr.log`; names and images are in `overlay-containers/containers.json`, labels
//! only in its database. The shapes are known wherever they are mounted. What no file tells, the engine's API does,
//! where its socket is named.
//!
//! Labels that say what to do with a container are in [`super::wishes`].
//!
//! Limits: [`CONFIG_BYTES_MAX`], [`STORAGE_BYTES_MAX`], and those of [`super`] and [`super::lookups`].

use super::{
    Describe, Described,
    engine::{Config, Engine, EngineError, Inspected},
    is_id,
    lookups::{Fetched, Known, LookupCounters, Lookups},
    name_of, read_bounded,
    wishes::Wishes,
};
use serde::Deserialize;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A larger `config.v2.json` is not read.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// A larger `containers.json` of Podman's storage is not read.
pub const STORAGE_BYTES_MAX: u64 = 4 << 20;

const COMPOSE_PROJECT: &str = "com.docker.compose.project";
const COMPOSE_SERVICE: &str = "com.docker.compose.service";

/// How containers are described.
#[derive(Clone, Debug, Default)]
pub struct DockerOptions {
    /// The engine's socket, asked where no file tells; `None` asks nobody.
    pub socket: Option<PathBuf>,
    /// Skip containers without the label `logship.include=true`.
    pub only_included: bool,
}

/// Describes the containers of an engine.
pub struct Docker {
    only_included: bool,
    lookups: Option<Lookups<Inspected>>,
}

impl Docker {
    /// Starts the thread that asks the engine, if there is one to ask.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(options: &DockerOptions) -> io::Result<Docker> {
        let lookups = match &options.socket {
            Some(socket) => Some(lookups(socket)?),
            None => None,
        };
        Ok(Docker { only_included: options.only_included, lookups })
    }

    /// What was asked of the engine, if one is asked.
    #[must_use]
    pub fn counters(&self) -> Option<&Arc<LookupCounters>> {
        self.lookups.as_ref().map(Lookups::counters)
    }
}

impl Describe for Docker {
    fn describe(&self, path: &Path) -> Option<Described> {
        let place = Place::of(path)?;
        let asked = || self.lookups.as_ref().map_or(Known::Absent, |lookups| lookups.get(place.id));
        let (inspected, complete) = match place.beside() {
            Some(inspected) if place.tells_labels => (Some(Arc::new(inspected)), true),
            beside => match asked() {
                Known::Found(found) => (Some(found), true),
                Known::Absent => (beside.map(Arc::new), true),
                Known::Unknown => (beside.map(Arc::new), false),
            },
        };
        // Who is not known has not asked for it.
        let unknown = || Described { skip: self.only_included, ..Described::default() };
        let mut described = inspected.map_or_else(unknown, |inspected| inspected.described(self.only_included));
        described.container = Some(place.id.to_owned());
        described.complete = complete;
        Some(described)
    }
}

fn lookups(socket: &Path) -> io::Result<Lookups<Inspected>> {
    let engine = Engine::at(socket);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Lookups::start("containers", move |id| {
        match runtime.block_on(engine.json::<Inspected>(&format!("/containers/{id}/json"))) {
            Ok(inspected) => Fetched::Found(inspected),
            Err(EngineError::Absent) => Fetched::Absent,
            Err(EngineError::Failed(cause)) => Fetched::Failed(cause),
        }
    })
}

impl Inspected {
    /// What it says, without the id.
    pub(super) fn described(&self, only_included: bool) -> Described {
        let labels = &self.config.labels;
        let name = self.name.trim_start_matches('/');
        let mut described = Described { complete: true, ..Described::default() };
        described.put("container.name", name);
        described.put_image(&self.config.image);
        described.put_all("container.labels", labels);
        if let Some(project) = labels.get(COMPOSE_PROJECT) {
            described.put("docker.compose.project", project);
        }
        if let Some(service) = labels.get(COMPOSE_SERVICE) {
            described.put("docker.compose.service", service);
        }
        let named = labels.get(COMPOSE_SERVICE).map(String::as_str);
        described.service =
            named.or(Some(name)).filter(|name| !name.is_empty()).map(|name| super::cut(name).to_owned());
        Wishes::of(labels, None).add_to(&mut described, only_included);
        described
    }
}

/// A log file of an engine.
#[derive(Debug)]
struct Place<'p> {
    id: &'p str,
    folder: &'p Path,
    /// What lies beside it tells the labels, too.
    tells_labels: bool,
}

impl Place<'_> {
    fn of(path: &Path) -> Option<Place<'_>> {
        let (name, folder) = (name_of(path)?, path.parent()?);
        let own = name_of(folder)?;
        if is_id(own) {
            let rest = name.strip_prefix(own)?.strip_prefix("-json.log")?;
            return is_rotated(rest).then_some(Place { id: own, folder, tells_labels: true });
        }
        let above = folder.parent()?;
        let id = name_of(above).filter(|id| is_id(id) && own == "userdata")?;
        let storage = above.parent()?;
        let rest = name.strip_prefix("ctr.log")?;
        is_rotated(rest).then_some(Place { id, folder: storage, tells_labels: false })
    }

    /// What the files beside it say; `None` where they cannot be read.
    fn beside(&self) -> Option<Inspected> {
        if self.tells_labels {
            let json = read_bounded(&self.folder.join("config.v2.json"), CONFIG_BYTES_MAX).ok()?;
            return serde_json::from_slice(&json).ok();
        }
        let json = read_bounded(&self.folder.join("containers.json"), STORAGE_BYTES_MAX).ok()?;
        let all: Vec<Kept> = serde_json::from_slice(&json).ok()?;
        let kept = all.into_iter().find(|kept| kept.id == self.id)?;
        let about: About = serde_json::from_str(&kept.metadata).unwrap_or_default();
        let name = kept.names.into_iter().next().unwrap_or_default();
        let config = Config { image: about.image, ..Config::default() };
        Some(Inspected { name, config, ..Inspected::default() })
    }
}

/// A container in Podman's storage.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Kept {
    id: String,
    names: Vec<String>,
    /// JSON in a string.
    metadata: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct About {
    #[serde(rename = "image-name")]
    image: String,
}

/// Whether this may stand behind the name of a log: nothing, `.1`, `.2.gz`.
fn is_rotated(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::super::{listed, testing};
    use super::*;
    use expect_test::{expect, expect_file};
    use std::fs;

    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/containers");

    fn id() -> String {
        "0123456789abcdef".repeat(4)
    }

    /// A container's folder as Docker lays it out, with one of our configurations in it.
    fn folder(config: Option<&str>) -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("containers").join(id());
        fs::create_dir_all(&folder).unwrap();
        if let Some(config) = config {
            fs::write(folder.join("config.v2.json"), config).unwrap();
        }
        (root, folder.join(format!("{}-json.log", id())))
    }

    #[test]
    fn files_beside_the_log_tell_all() {
        let docker = Docker::start(&DockerOptions::default()).unwrap();
        for name in ["compose", "plain", "labels", "wishes"] {
            let config = fs::read_to_string(format!("{FIXTURES}/docker-{name}.json")).unwrap();
            let (_root, log) = folder(Some(&config));
            let found = listed(docker.describe(&log).as_ref());
            expect_file![format!("{FIXTURES}/docker-{name}.expected")].assert_eq(&found);
            assert_eq!(listed(docker.describe(&log.with_extension("log.1.gz")).as_ref()), found);
        }
    }

    #[test]
    fn what_cannot_be_read_leaves_the_id() {
        let docker = Docker::start(&DockerOptions::default()).unwrap();
        let huge = format!("{{\"Name\":\"{}\"}}", "n".repeat(CONFIG_BYTES_MAX as usize));
        for config in [None, Some("{"), Some("[]"), Some(&*huge)] {
            let (_root, log) = folder(config);
            let described = docker.describe(&log).unwrap();
            assert_eq!((described.container, described.complete), (Some(id()), true));
            assert_eq!((described.service, described.fields.len()), (None, 0));
        }
        for path in ["/var/log/syslog", "/var/lib/docker/containers/0123/0123-json.log", "/", "x-json.log"] {
            assert_eq!(docker.describe(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn only_included_ones_where_only_such_are_wanted() {
        let check = |labels: &str, all: bool, only: bool| {
            let inspected: Inspected =
                serde_json::from_str(&format!("{{\"Name\":\"/a\",\"Config\":{{\"Labels\":{labels}}}}}")).unwrap();
            assert_eq!((inspected.described(false).skip, inspected.described(true).skip), (all, only), "{labels}");
        };
        check("null", false, true);
        check(r#"{"logship.include":"true"}"#, false, false);
        check(r#"{"logship.include":"false"}"#, false, true);
        check(r#"{"logship.exclude":"true"}"#, true, true);
        check(r#"{"logship.exclude":"true","logship.include":"true"}"#, true, true);
        check(r#"{"logship.exclude":"no"}"#, false, true);
    }

    #[test]
    fn what_nobody_tells_of_is_not_included() {
        let docker = Docker::start(&DockerOptions { socket: None, only_included: true }).unwrap();
        let (_root, log) = folder(None);
        assert!(docker.describe(&log).unwrap().skip);
        let config = fs::read_to_string(format!("{FIXTURES}/docker-wishes.json")).unwrap();
        let (_root, log) = folder(Some(&config));
        assert!(!docker.describe(&log).unwrap().skip);
    }

    #[test]
    fn podman_names_its_containers_in_its_storage() {
        let root = tempfile::tempdir().unwrap();
        let storage = root.path().join("overlay-containers");
        let userdata = storage.join(id()).join("userdata");
        fs::create_dir_all(&userdata).unwrap();
        fs::copy(format!("{FIXTURES}/podman-containers.json"), storage.join("containers.json")).unwrap();
        let docker = Docker::start(&DockerOptions::default()).unwrap();
        expect![[r#"
            service.name = web
            container.id = 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
            container.image.name = docker.io/library/nginx
            container.image.tag = 1.29
            container.name = web
        "#]]
        .assert_eq(&listed(docker.describe(&userdata.join("ctr.log")).as_ref()));
    }

    #[test]
    fn the_engine_tells_what_no_file_does() {
        let served = testing::Served::unix(vec![(
            format!("/containers/{}/json", id()),
            testing::reply(200, &fs::read_to_string(format!("{FIXTURES}/docker-inspect.json")).unwrap()),
        )]);
        let options = DockerOptions { socket: Some(served.socket().to_owned()), only_included: false };
        let docker = Docker::start(&options).unwrap();
        let (_root, log) = folder(None);
        let first = docker.describe(&log).unwrap();
        assert_eq!((first.container.as_deref(), first.complete), (Some(&*id()), false));
        docker.lookups.as_ref().unwrap().wait_for(&id());
        expect_file![format!("{FIXTURES}/docker-inspect.expected")].assert_eq(&listed(docker.describe(&log).as_ref()));
    }

    #[test]
    fn an_engine_that_is_away_is_asked_again_and_one_that_knows_nothing_is_not() {
        let served = testing::Served::unix(vec![]);
        let docker =
            |socket: PathBuf| Docker::start(&DockerOptions { socket: Some(socket), only_included: false }).unwrap();
        let (_root, log) = folder(None);
        let knows_nothing = docker(served.socket().to_owned());
        knows_nothing.lookups.as_ref().unwrap().wait_for(&id());
        assert!(knows_nothing.describe(&log).unwrap().complete);
        let away = docker(log.with_file_name("no.sock"));
        away.lookups.as_ref().unwrap().wait_for(&id());
        assert!(!away.describe(&log).unwrap().complete);
        let error = away.counters().unwrap().last_error().unwrap();
        assert!(error.contains("no.sock") && error.contains("is it running"), "{error}");
    }
}
