//! The files under `deploy/`: that they are what their programs read, that they agree with each other, and that the commands
//! in them do what they are there for.

use crate::harness::{Server, folder, signal, until, wait};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
};

const LOGSHIP: &str = env!("CARGO_BIN_EXE_logship");
const VERSION: &str = env!("CARGO_PKG_VERSION");
const PORT: &str = "7447";
const TOKEN: &str = "a-token-of-this-test";
/// Variables that no option stands for: `src/cli/settings.rs` reads them.
const BARE_VARIABLES: &[&str] = &["LOGSHIP_TOKEN", "LOGSHIP_LOG"];
const KUBERNETES: &[&str] = &["kubernetes/server.yaml", "kubernetes/sidecar.yaml", "kubernetes/daemonset.yaml"];
const UNITS: &[&str] = &["systemd/logship-server.service", "systemd/logship-agent.service"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    fs::read_to_string(root().join("deploy").join(name)).unwrap_or_else(|cause| panic!("deploy/{name}: {cause}"))
}

/// The YAML documents of a file.
fn documents(name: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(name)).unwrap_or_else(|cause| panic!("deploy/{name}: {cause}"))
}

fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    value.pointer(path).unwrap_or_else(|| panic!("no {path} in {value:#}"))
}

fn word<'v>(value: &'v Value, path: &str) -> &'v str {
    at(value, path).as_str().unwrap_or_else(|| panic!("{path} is no text in {value:#}"))
}

fn list<'v>(value: &'v Value, path: &str) -> &'v [Value] {
    value.pointer(path).map_or(&[], |found| found.as_array().unwrap_or_else(|| panic!("{path} is no list")))
}

/// The value of an option, written as one word or as two.
fn option<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    let at = args.iter().position(|word| word.split('=').next() == Some(name))?;
    Some(match args[at].split_once('=') {
        Some((_, value)) => value,
        None => &args[at + 1],
    })
}

fn words(values: &[Value]) -> Vec<String> {
    values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

fn image() -> String {
    format!("ghcr.io/logship/logship:{VERSION}")
}

/// A command line of logship in one of the files.
#[derive(Debug)]
struct Said {
    place: String,
    args: Vec<String>,
    variables: BTreeMap<String, String>,
}

/// The instructions of the Dockerfile, continued lines put together.
fn instructions() -> Vec<(String, String)> {
    let text = text("Dockerfile").replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap()).map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
}

/// The JSON list that the last instruction of that name ends with.
fn exec_form(name: &str) -> Vec<String> {
    let all = instructions();
    let (_, rest) = all.iter().rfind(|(of, _)| of == name).unwrap_or_else(|| panic!("no {name}"));
    let list = rest.find('[').unwrap_or_else(|| panic!("{name} wants a shell, and there is none: {rest}"));
    serde_json::from_str(&rest[list..]).unwrap_or_else(|cause| panic!("{name} {rest}: {cause}"))
}

/// The containers of pods with the documents that they are in.
fn containers(name: &str) -> Vec<(Value, Value)> {
    let mut found = Vec::new();
    for document in documents(name) {
        for kind in ["initContainers", "containers"] {
            let each = list(&document, &format!("/spec/template/spec/{kind}")).to_vec();
            found.extend(each.into_iter().map(|container| (container, document.clone())));
        }
    }
    found
}

/// The settings of a unit: section, key, value.
fn settings(name: &str) -> Vec<(String, String, String)> {
    let (mut section, mut found) = (String::new(), Vec::new());
    for line in text(name).lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(named) = line.strip_prefix('[') {
            section = named.strip_suffix(']').unwrap().to_owned();
        } else {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{name}: {line}"));
            found.push((section.clone(), key.to_owned(), value.to_owned()));
        }
    }
    found
}

fn in_image() -> Vec<Said> {
    let entry = exec_form("ENTRYPOINT");
    assert_eq!(entry, ["logship"]);
    let health = exec_form("HEALTHCHECK");
    assert_eq!(health[0], "logship");
    [("CMD", exec_form("CMD")), ("HEALTHCHECK", health[1..].to_vec())]
        .map(|(name, args)| Said { place: format!("Dockerfile {name}"), args, variables: BTreeMap::new() })
        .into()
}

fn in_compose() -> Vec<Said> {
    let mut found = Vec::new();
    let file = documents("compose.yaml").remove(0);
    for (name, service) in at(&file, "/services").as_object().unwrap() {
        if word(service, "/image") != image() {
            continue;
        }
        let variables = service.get("environment").and_then(Value::as_object).into_iter().flatten();
        let variables = variables.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        let health = words(list(service, "/healthcheck/test"));
        assert_eq!(health[..2], ["CMD", "logship"]);
        let check = Said { place: format!("compose {name} health"), args: health[2..].into(), ..nothing() };
        let args = words(list(service, "/command"));
        found.extend([check, Said { place: format!("compose {name}"), args, variables: variables.collect() }]);
    }
    found
}

fn in_kubernetes(name: &str) -> Vec<Said> {
    let ours = containers(name).into_iter().filter(|(container, _)| word(container, "/image") == image());
    let said = ours.map(|(container, _)| {
        assert!(container.get("command").is_none(), "the entry point is logship");
        let mut variables = BTreeMap::new();
        for variable in list(&container, "/env") {
            let value = variable.get("value").map_or("of-the-pod", |value| value.as_str().unwrap());
            let before = variables.insert(word(variable, "/name").to_owned(), value.to_owned());
            assert_eq!(before, None, "{name}: {variable} is there twice");
        }
        let place = format!("{name} {}", word(&container, "/name"));
        Said { place, args: words(list(&container, "/args")), variables }
    });
    said.collect()
}

fn in_unit(name: &str) -> Said {
    let (mut args, mut variables) = (Vec::new(), BTreeMap::new());
    for (_, key, value) in settings(name) {
        match key.as_str() {
            "ExecStart" => {
                let command = value.strip_prefix("/usr/local/bin/logship ").unwrap();
                args = command.split_whitespace().map(str::to_owned).collect();
            }
            "Environment" => {
                let (name, value) = value.split_once('=').unwrap();
                variables.insert(name.to_owned(), value.to_owned());
            }
            _ => {}
        }
    }
    Said { place: name.to_owned(), args, variables }
}

fn nothing() -> Said {
    Said { place: String::new(), args: Vec::new(), variables: BTreeMap::new() }
}

/// Every command line of logship in every file.
fn all_said() -> Vec<Said> {
    let kubernetes = KUBERNETES.iter().flat_map(|name| in_kubernetes(name));
    let units = UNITS.iter().map(|name| in_unit(name));
    in_image().into_iter().chain(in_compose()).chain(kubernetes).chain(units).collect()
}

/// logship without what the environment of these tests says.
fn logship() -> Command {
    let mut command = Command::new(LOGSHIP);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LOGSHIP_") || name.starts_with("XDG_")) {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").env("TZ", "UTC").env("LOGSHIP_FREE_DISK", "1MiB").stdin(Stdio::null());
    command
}

fn help(args: &[&str]) -> String {
    let output = logship().args(args).arg("--help").output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The words of `logship --help`'s list of commands.
fn commands() -> Vec<String> {
    let help = help(&[]);
    let behind = help.split("Commands:\n").nth(1).unwrap();
    // What is further in goes on with the line before.
    let listed = behind.lines().take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    listed.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Words of a text that begin so, as far as they are made of these characters.
fn beginning<'t>(text: &'t str, with: &str, of: impl Fn(char) -> bool) -> BTreeSet<&'t str> {
    let starts = text.match_indices(with).filter(|(at, _)| !text[..*at].ends_with(&of));
    let whole = |at: usize| text[at..].find(|c| !of(c)).map_or(&text[at..], |end| &text[at..at + end]);
    starts.map(|(at, _)| whole(at)).collect()
}

fn variables(text: &str) -> BTreeSet<&str> {
    beginning(text, "LOGSHIP_", |c| c.is_ascii_uppercase() || c == '_')
}

fn flags(text: &str) -> BTreeSet<&str> {
    beginning(text, "--", |c| c.is_ascii_lowercase() || c == '-').into_iter().filter(|flag| flag.len() > 2).collect()
}

fn deployment_files() -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![root().join("deploy")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

#[test]
fn every_variable_that_is_named_exists() {
    let mut helps: Vec<_> = commands().iter().filter(|name| *name != "help").map(|name| help(&[name])).collect();
    helps.push(help(&[]));
    let mut known: BTreeSet<_> = helps.iter().flat_map(|help| variables(help)).collect();
    known.extend(BARE_VARIABLES);
    for path in deployment_files().into_iter().chain(["docs/AGENT.md", "README.md"].map(|name| root().join(name))) {
        let text = fs::read_to_string(&path).unwrap();
        // `LOGSHIP_` alone is spoken of as the beginning of all of them.
        let unknown: Vec<_> = variables(&text).into_iter().filter(|name| *name != "LOGSHIP_").collect();
        let unknown: Vec<_> = unknown.into_iter().filter(|name| !known.contains(name)).collect();
        assert!(unknown.is_empty(), "{}: there is no {unknown:?}", path.display());
    }
}

#[test]
fn the_guide_names_what_an_agent_takes() {
    let guide = fs::read_to_string(root().join("docs/AGENT.md")).unwrap();
    let help = help(&["agent"]);
    let missing: Vec<_> = variables(&help).difference(&variables(&guide)).copied().collect();
    assert!(missing.is_empty(), "docs/AGENT.md does not name {missing:?}");
    let missing: Vec<_> = flags(&help).difference(&flags(&guide)).copied().collect();
    assert!(missing.is_empty(), "docs/AGENT.md does not name {missing:?}");
}

#[test]
fn every_command_line_is_accepted() {
    let commands = commands();
    let all = all_said();
    let named: BTreeSet<_> = all.iter().map(|said| said.args[0].as_str()).collect();
    assert!(named.is_superset(&["agent", "server", "status"].into()), "{named:?}");
    for said in all {
        if said.args[0] == "status" && !commands.contains(&said.args[0]) {
            continue;
        }
        let output = logship().args(&said.args).envs(&said.variables).arg("--help").output().unwrap();
        assert!(output.status.success(), "{said:?}: {output:?}");
        let usage = format!("Usage: logship {}", said.args[0]);
        assert!(String::from_utf8_lossy(&output.stdout).contains(&usage), "{said:?}: {output:?}");
    }
}

#[test]
fn images_versions_and_ports_agree() {
    for path in deployment_files() {
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("logship/logship:") {
            let tag = text[at..].split(':').nth(1).unwrap().split_whitespace().next();
            assert_eq!(tag, Some(VERSION), "{}", path.display());
        }
        for line in text.lines().filter_map(|line| line.trim().strip_prefix("image: ")) {
            let (_, tag) = line.rsplit_once(':').unwrap_or_else(|| panic!("{line}: no tag"));
            assert_ne!(tag, "latest", "{}: {line}", path.display());
        }
        // The port is told by these, whoever names it.
        for before in
            ["0.0.0.0:", "127.0.0.1:", "server:", ".svc:", "port: ", "containerPort: ", "EXPOSE ", "targetPort: "]
        {
            for (at, _) in text.match_indices(before) {
                let digits = text[at + before.len()..].split(|c: char| !c.is_ascii_digit()).next().unwrap();
                assert!(digits.is_empty() || digits == PORT, "{}: {before}{digits}", path.display());
            }
        }
    }
    assert!(help(&["server"]).contains(&format!("127.0.0.1:{PORT}")));
    let label = instructions().into_iter().find(|(name, _)| name == "LABEL").unwrap().1;
    assert!(label.contains(&format!("image.version=\"{VERSION}\"")), "{label}");
}

#[test]
fn the_image_is_one_binary_that_nobody_can_write() {
    const KNOWN: &[&str] = &[
        "FROM",
        "ARG",
        "RUN",
        "WORKDIR",
        "COPY",
        "LABEL",
        "ENV",
        "USER",
        "VOLUME",
        "EXPOSE",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    ];
    let all = instructions();
    for (name, rest) in &all {
        assert!(KNOWN.contains(&name.as_str()), "{name} {rest}");
    }
    let stages: Vec<_> = all.iter().enumerate().filter(|(_, (name, _))| name == "FROM").collect();
    assert_eq!(stages[0].0, 0);
    let (last, (_, base)) = *stages.last().unwrap();
    assert_eq!(base, "scratch", "the last stage is what runs");
    for (_, (_, base)) in &stages[..stages.len() - 1] {
        let image = base.split_whitespace().next().unwrap();
        let tag = image.split_once(':').unwrap().1;
        let needed = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        let needed = needed.split("rust-version = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        assert!(tag.starts_with(&needed), "{image}, and the crate needs Rust {needed}");
    }
    let run: Vec<_> = all[last + 1..].iter().map(|(name, _)| name.as_str()).collect();
    assert!(!run.contains(&"RUN"), "nothing can run before there is anything to run");
    let place = |name| run.iter().position(|found| *found == name).unwrap_or_else(|| panic!("no {name}"));
    for pair in ["COPY", "USER", "VOLUME", "HEALTHCHECK", "ENTRYPOINT", "CMD"].windows(2) {
        assert!(place(pair[0]) < place(pair[1]), "{pair:?}");
    }
    let of = |name| &all[last + 1 + place(name)].1;
    let ids: Vec<u32> = of("USER").split(':').map(|id| id.parse().expect("no user database, so a number")).collect();
    assert!(ids.len() == 2 && ids.iter().all(|id| *id >= 1_000), "{ids:?}");
    assert_eq!(exec_form("VOLUME"), ["/var/lib/logship"]);
    assert!(of("ENV").contains("LOGSHIP_DATA=/var/lib/logship"));
    let build: Vec<_> = all[..last].iter().filter(|(name, _)| name == "RUN").map(|(_, rest)| rest.as_str()).collect();
    assert!(build.iter().any(|run| run.contains("cargo build --release --locked")), "{build:?}");
    assert!(build.iter().any(|run| run.contains("-o 65532 -g 65532 /out/var/lib/logship")), "{build:?}");
    let ignored = text("Dockerfile.dockerignore");
    assert!(ignored.lines().any(|line| line == "target") && !ignored.lines().any(|line| line == "ui/dist"));
}

#[test]
fn compose_services_are_closed_and_keep_their_data() {
    let file = documents("compose.yaml").remove(0);
    let declared: BTreeSet<_> = at(&file, "/volumes").as_object().unwrap().keys().cloned().collect();
    let mut used = BTreeSet::new();
    let services = at(&file, "/services").as_object().unwrap();
    for (name, service) in services {
        assert_eq!(at(service, "/read_only"), true, "{name}");
        assert_eq!(words(list(service, "/cap_drop")), ["ALL"], "{name}");
        assert_eq!(words(list(service, "/security_opt")), ["no-new-privileges:true"], "{name}");
        let mounts = words(list(service, "/volumes"));
        used.extend(mounts.iter().map(|mount| mount.split(':').next().unwrap().to_owned()));
        if word(service, "/image") == image() {
            assert!(mounts.iter().any(|mount| mount.ends_with(":/var/lib/logship")), "{name} forgets: {mounts:?}");
            let dockerfile = root().join("deploy").join(word(service, "/build/context"));
            assert!(dockerfile.join(word(service, "/build/dockerfile")).is_file());
            at(service, "/mem_limit");
        }
    }
    assert_eq!(declared, used);
    // The agent reads what the app writes, and cannot change it.
    let [app, agent] = ["app", "agent"].map(|name| words(list(&services[name], "/volumes")));
    assert!(agent.contains(&format!("{}:ro", app[0])), "{app:?}, {agent:?}");
    for said in in_compose().iter().filter(|said| said.args[0] != "status") {
        let token = &said.variables["LOGSHIP_TOKEN"];
        assert!(token.starts_with("${LOGSHIP_TOKEN:?"), "no default for a secret: {token}");
    }
    let agent = the(in_compose(), "agent");
    let host = option(&agent.args, "--server").unwrap().strip_prefix("http://").unwrap().split(':').next().unwrap();
    assert!(services.contains_key(host), "there is no service {host}");
}

/// What a pod may use beside what is in its own manifest.
#[derive(Default)]
struct Cluster {
    secrets: BTreeSet<String>,
    accounts: BTreeSet<String>,
    services: BTreeMap<String, Value>,
    labels: Vec<Value>,
}

fn cluster() -> Cluster {
    let mut cluster = Cluster::default();
    for document in KUBERNETES.iter().flat_map(|name| documents(name)) {
        let name = word(&document, "/metadata/name").to_owned();
        match word(&document, "/kind") {
            "Secret" => cluster.secrets.extend([name]),
            "ServiceAccount" => cluster.accounts.extend([name]),
            "Service" => cluster.services.extend([(name, document)]),
            _ => cluster.labels.extend(document.pointer("/spec/template/metadata/labels").cloned()),
        }
    }
    cluster
}

#[test]
fn manifests_have_what_their_kinds_need() {
    const VERSIONS: &[(&str, &str)] = &[
        ("ClusterRole", "rbac.authorization.k8s.io/v1"),
        ("ClusterRoleBinding", "rbac.authorization.k8s.io/v1"),
        ("DaemonSet", "apps/v1"),
        ("Deployment", "apps/v1"),
        ("Namespace", "v1"),
        ("Secret", "v1"),
        ("Service", "v1"),
        ("ServiceAccount", "v1"),
        ("StatefulSet", "apps/v1"),
    ];
    let (mut kinds, mut names) = (BTreeSet::new(), BTreeSet::new());
    for document in KUBERNETES.iter().flat_map(|name| documents(name)) {
        let kind = word(&document, "/kind").to_owned();
        let version = VERSIONS.iter().find(|(known, _)| *known == kind).unwrap_or_else(|| panic!("{kind}")).1;
        assert_eq!(word(&document, "/apiVersion"), version, "{kind}");
        let name = word(&document, "/metadata/name").to_owned();
        let whole_cluster = kind.starts_with("Cluster") || kind == "Namespace";
        assert_eq!(document.pointer("/metadata/namespace").is_none(), whole_cluster, "{kind} {name}");
        assert!(names.insert((kind.clone(), name.clone())), "{kind} {name} is there twice");
        if let Some(template) = document.pointer("/spec/template") {
            assert_eq!(at(&document, "/spec/selector/matchLabels"), at(template, "/metadata/labels"), "{kind} {name}");
            check_pod(&document, at(template, "/spec"));
        }
        kinds.insert(kind);
    }
    assert_eq!(kinds.len(), VERSIONS.len(), "{kinds:?}");
    let role = documents("kubernetes/daemonset.yaml").into_iter().find(|document| document["kind"] == "ClusterRole");
    assert_eq!(
        at(&role.unwrap(), "/rules").to_string(),
        r#"[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]"#
    );
    let cluster = cluster();
    for service in cluster.services.values() {
        assert!(cluster.labels.contains(at(service, "/spec/selector")), "{service:#} selects no pod");
    }
    for document in KUBERNETES.iter().flat_map(|name| documents(name)) {
        for subject in list(&document, "/subjects") {
            assert!(cluster.accounts.contains(word(subject, "/name")), "{subject}");
        }
    }
}

fn check_pod(document: &Value, pod: &Value) {
    let cluster = cluster();
    let name = word(document, "/metadata/name");
    let mut volumes: BTreeMap<String, Value> = BTreeMap::new();
    for volume in list(pod, "/volumes") {
        volumes.insert(word(volume, "/name").to_owned(), volume.clone());
        if let Some(secret) = volume.pointer("/secret/secretName") {
            assert!(cluster.secrets.contains(secret.as_str().unwrap()), "{volume}");
            // An octal number is read as a decimal one by some.
            assert_eq!(at(volume, "/secret/defaultMode"), 0o440, "{volume}");
        }
    }
    for claim in list(document, "/spec/volumeClaimTemplates") {
        volumes.insert(word(claim, "/metadata/name").to_owned(), claim.clone());
        at(claim, "/spec/resources/requests/storage");
    }
    if let Some(account) = pod.get("serviceAccountName") {
        assert!(cluster.accounts.contains(account.as_str().unwrap()), "{name}: there is no {account}");
    } else {
        assert_eq!(at(pod, "/automountServiceAccountToken"), false, "{name}");
    }
    assert_eq!(at(pod, "/securityContext/seccompProfile/type"), "RuntimeDefault", "{name}");
    let root = pod.pointer("/securityContext/runAsUser") == Some(&0.into());
    assert_eq!(root, word(document, "/kind") == "DaemonSet", "{name}");
    assert!(root || pod.pointer("/securityContext/runAsNonRoot") == Some(&true.into()), "{name}");
    let mut mounted = BTreeSet::new();
    for container in list(pod, "/initContainers").iter().chain(list(pod, "/containers")) {
        let security = at(container, "/securityContext");
        assert_eq!(at(security, "/readOnlyRootFilesystem"), true, "{name}");
        assert_eq!(at(security, "/allowPrivilegeEscalation"), false, "{name}");
        assert_eq!(words(list(security, "/capabilities/drop")), ["ALL"], "{name}");
        assert!(security.pointer("/capabilities/add").is_none(), "{name}");
        at(container, "/resources/limits/memory");
        at(container, "/resources/requests/cpu");
        for mount in list(container, "/volumeMounts") {
            let volume = word(mount, "/name");
            assert!(volumes.contains_key(volume), "{name}: there is no volume {volume}");
            mounted.insert(volume.to_owned());
            let written = volumes[volume].get("secret").is_none()
                && volumes[volume].pointer("/hostPath/path") != Some(&"/var/log".into());
            assert!(written || mount.get("readOnly") == Some(&true.into()), "{name}: {mount}");
        }
        if word(container, "/image") == image() {
            check_ours(container, &cluster);
        }
    }
    assert_eq!(mounted, volumes.into_keys().collect(), "{name}: volumes that nobody mounts");
}

/// What a container of logship is told lies where a volume is mounted.
fn check_ours(container: &Value, cluster: &Cluster) {
    let mounts = list(container, "/volumeMounts");
    let value = |name: &str| {
        let found = list(container, "/env").iter().find(|variable| variable["name"] == name)?;
        Some(found.get("value")?.as_str()?.to_owned())
    };
    let data = value("LOGSHIP_DATA").unwrap();
    assert!(mounts.iter().any(|mount| mount["mountPath"] == data.as_str()), "{data} is forgotten with the container");
    let token = PathBuf::from(value("LOGSHIP_TOKEN_FILE").unwrap());
    assert_eq!(token.file_name().unwrap(), "token", "the key of the Secret");
    let folder = token.parent().unwrap().to_str().unwrap();
    assert!(mounts.iter().any(|mount| mount["mountPath"] == folder), "{token:?}");
    let args = words(list(container, "/args"));
    if let Some(server) = option(&args, "--server") {
        let (host, port) = server.strip_prefix("http://").unwrap().split_once(':').unwrap();
        let (service, namespace) = host.strip_suffix(".svc").unwrap().split_once('.').unwrap();
        let found = &cluster.services[service];
        assert_eq!(
            (word(found, "/metadata/namespace"), at(found, "/spec/ports/0/port").to_string()),
            (namespace, port.to_owned())
        );
        let files = option(&args, "--files").unwrap();
        let below = |mount: &&Value| Path::new(files).starts_with(mount["mountPath"].as_str().unwrap());
        let mount = mounts.iter().find(below).unwrap_or_else(|| panic!("{files} is on no volume"));
        assert_eq!(mount["readOnly"], true);
    } else {
        assert_eq!(at(container, "/readinessProbe/httpGet/path"), "/api/v1/health");
        let ports = list(container, "/ports");
        for probe in ["/readinessProbe/httpGet/port", "/livenessProbe/tcpSocket/port"] {
            assert!(ports.iter().any(|port| &port["name"] == at(container, probe)), "{probe}");
        }
    }
}

#[test]
fn the_sidecar_starts_first_and_ends_last() {
    let all = containers("kubernetes/sidecar.yaml");
    let (sidecar, document) = &all[0];
    assert_eq!(word(sidecar, "/image"), image());
    assert_eq!(word(sidecar, "/restartPolicy"), "Always", "an init container with it is a sidecar");
    assert_eq!(list(document, "/spec/template/spec/initContainers").len(), 1);
    // Kubernetes kills what has not ended by then.
    let args = words(list(sidecar, "/args"));
    let drain: u64 = option(&args, "--drain").unwrap().strip_suffix('s').unwrap().parse().unwrap();
    assert!(at(document, "/spec/template/spec/terminationGracePeriodSeconds").as_u64().unwrap() > drain + 10);
}

#[test]
fn units_are_hardened() {
    const HARDENED: &[(&str, &str)] = &[
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("DynamicUser", "yes"),
        ("ProtectSystem", "strict"),
        ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
        ("RestrictNamespaces", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("SystemCallFilter", "@system-service"),
        ("SystemCallArchitectures", "native"),
        ("Restart", "always"),
    ];
    for unit in UNITS {
        let settings = settings(unit);
        let of = |wanted: &str| {
            let found = settings.iter().find(|(_, key, _)| key == wanted);
            found.unwrap_or_else(|| panic!("{unit}: no {wanted}")).2.as_str()
        };
        for (section, key, _) in &settings {
            assert!(["Unit", "Service", "Install"].contains(&section.as_str()), "{unit}: {section} {key}");
        }
        for (key, value) in HARDENED {
            assert_eq!(of(key), *value, "{unit}: {key}");
        }
        assert_eq!(in_unit(unit).variables["LOGSHIP_DATA"], format!("/var/lib/{}", of("StateDirectory")), "{unit}");
        assert!(of("LimitNOFILE").parse::<u32>().unwrap() >= 1_024, "{unit}");
        of("ProtectHome");
        of("EnvironmentFile");
    }
    let groups = settings(UNITS[1]).into_iter().find(|(_, key, _)| key == "SupplementaryGroups").unwrap().2;
    assert_eq!(groups, "adm systemd-journal");
}

/// Runs a program, unless it is not there.
fn ran(command: &mut Command) -> Option<Output> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) => Some(output),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
        Err(cause) => panic!("{command:?}: {cause}"),
    }
}

#[test]
fn systemd_takes_the_units_and_finds_them_closed() {
    let place = folder();
    for unit in UNITS {
        // The program must be there for its unit to be right.
        let path = place.path().join(unit.rsplit('/').next().unwrap());
        fs::write(&path, text(unit).replace("/usr/local/bin/logship", LOGSHIP)).unwrap();
        let Some(verified) = ran(Command::new("systemd-analyze").arg("verify").arg(&path)) else { return };
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        let ours: Vec<_> = said.lines().filter(|line| line.contains("logship")).collect();
        assert!(verified.status.success() && ours.is_empty(), "{unit}: {said}");
        let mut security = Command::new("systemd-analyze");
        let rated =
            ran(security.args(["security", "--offline=true", "--threshold=20", "--no-pager"]).arg(&path)).unwrap();
        assert!(rated.status.success(), "{unit}: {}", String::from_utf8_lossy(&rated.stdout));
    }
}

/// A command of a file as it is there, but in a folder of this test and on a port of its own.
fn real(said: &Said, place: &Path, server: Option<&str>) -> Command {
    let below = place.to_str().unwrap();
    let here = |word: &str| {
        let word = match word.find("http://") {
            Some(url) => format!("{}{}", &word[..url], server.unwrap()),
            None => word.replace(&format!("0.0.0.0:{PORT}"), "0.0.0.0:0"),
        };
        word.replace("/var/", &format!("{below}/var/")).replace("/etc/", &format!("{below}/etc/"))
    };
    fs::create_dir_all(place.join("etc/logship")).unwrap();
    fs::write(place.join("etc/logship/token"), format!("{TOKEN}\n")).unwrap();
    let mut command = logship();
    command.args(said.args.iter().map(|word| here(word)));
    // What the image and `logship.env` say.
    command.env("LOGSHIP_DATA", here("/var/lib/logship")).env("LOGSHIP_LISTEN", "127.0.0.1:0");
    // Its own port is one for all tests of a machine.
    command.env("LOGSHIP_STATUS_LISTEN", "127.0.0.1:0");
    for (name, value) in &said.variables {
        let value = match name.as_str() {
            "LOGSHIP_TOKEN" => TOKEN.to_owned(),
            "LOGSHIP_SERVER" => server.unwrap().to_owned(),
            _ => here(value),
        };
        command.env(name, value);
    }
    if said.place.ends_with(".service") {
        command.env("LOGSHIP_TOKEN", TOKEN);
        server.map(|server| command.env("LOGSHIP_SERVER", server));
    }
    command
}

/// A process that does not outlive its test.
struct Running(Child);

impl Running {
    /// Asks it to end, and waits until it has done so with 0.
    fn stop(mut self, what: &str) {
        signal(&self.0, "TERM");
        let status = wait(&mut self.0);
        assert!(status.success(), "{what}: {status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The messages that a server has, by the API, oldest first.
fn found(url: &str, query: &str) -> Vec<String> {
    let mut search = logship();
    search.args(["search", "-o", "raw", "--limit", "1000", "--server", url, query]).env("LOGSHIP_TOKEN", TOKEN);
    let output = search.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn serve(said: &Said, place: &Path) -> Server {
    let mut command = real(said, place, None);
    let mut server = Server::of(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    server.url = server.url.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(server.get("/api/v1/health").0, 200, "probes have no token");
    assert_eq!(server.get("/api/v1/status").0, 401, "everybody else has one");
    server
}

fn the(said: Vec<Said>, command: &str) -> Said {
    said.into_iter().find(|said| said.args[0] == command).unwrap()
}

/// Server, agent and the app's own shell loop run as the files say; each of its lines is there once.
fn check_deployment(server: &Said, agent: &Said, app: &Value) {
    let place = folder();
    let logs = place.path().join("var/log/app");
    fs::create_dir_all(&logs).unwrap();
    let server = serve(server, place.path());
    let spool = folder();
    fs::create_dir(spool.path().join("var")).unwrap();
    std::os::unix::fs::symlink(place.path().join("var/log"), spool.path().join("var/log")).unwrap();
    let running = Running(real(agent, spool.path(), Some(&server.url)).spawn().unwrap());
    let command = words(app.as_array().unwrap());
    // `$$` is how compose writes `$`.
    let script = command[2].replace("$$", "$").replace("/var/log/app", logs.to_str().unwrap());
    let writing = Running(Command::new(&command[0]).arg(&command[1]).arg(&script).spawn().unwrap());
    let service = option(&agent.args, "--service").unwrap();
    let query = format!("service:{service} level:info");
    let lines = until("two lines are found", || Some(found(&server.url, &query)).filter(|lines| lines.len() > 1));
    drop(writing);
    running.stop(&agent.place);
    let written = fs::read_to_string(logs.join("app.log")).unwrap().lines().count();
    let lines = until("all are found", || {
        Some(found(&server.url, &query)).filter(|found| found.len() >= written.max(lines.len()))
    });
    let once: BTreeSet<_> = lines.iter().collect();
    assert_eq!((once.len(), lines.len()), (written, written), "{lines:?}");
}

#[test]
fn the_compose_file_ships() {
    let file = documents("compose.yaml").remove(0);
    check_deployment(&the(in_compose(), "server"), &the(in_compose(), "agent"), at(&file, "/services/app/command"));
}

#[test]
fn the_sidecar_ships() {
    let app = containers("kubernetes/sidecar.yaml").pop().unwrap().0;
    let server = the(in_kubernetes("kubernetes/server.yaml"), "server");
    check_deployment(&server, &the(in_kubernetes("kubernetes/sidecar.yaml"), "agent"), at(&app, "/command"));
}

#[test]
fn the_daemon_set_and_the_unit_ship() {
    let place = folder();
    let server = serve(&in_unit(UNITS[0]), place.path());
    for (agent, file, line, query) in [
        (
            the(in_kubernetes("kubernetes/daemonset.yaml"), "agent"),
            "var/log/containers/web-7d9_shop_nginx-0123456789abcdef.log",
            "2026-11-21T10:00:00.123456789Z stdout F from a pod\n",
            "\"from a pod\"",
        ),
        (
            in_unit(UNITS[1]),
            "var/log/syslog.log",
            "Nov 21 10:00:00 web-1 app[42]: from a machine\n",
            "\"from a machine\"",
        ),
    ] {
        let place = folder();
        let path = place.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, line).unwrap();
        let running = Running(real(&agent, place.path(), Some(&server.url)).spawn().unwrap());
        let lines = until("the line is found", || Some(found(&server.url, query)).filter(|lines| !lines.is_empty()));
        assert_eq!(lines.len(), 1, "{lines:?}");
        running.stop(&agent.place);
    }
}

#[test]
fn a_server_without_its_secret_says_so() {
    let place = folder();
    let server = the(in_kubernetes("kubernetes/server.yaml"), "server");
    let secret = documents("kubernetes/server.yaml").into_iter().find(|document| document["kind"] == "Secret").unwrap();
    let mut command = real(&server, place.path(), None);
    fs::write(place.path().join("etc/logship/token"), word(&secret, "/stringData/token")).unwrap();
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("holds no token"), "{output:?}");
}

/// logrotate itself turns a followed file over by each of the examples: every line is there once, in its order.
#[test]
fn rotation_by_the_examples_loses_nothing() {
    let home = folder();
    let server = serve(&in_unit(UNITS[0]), home.path());
    let check = |example: &str| {
        let place = folder();
        let logs = place.path().join("var/log/app");
        fs::create_dir_all(&logs).unwrap();
        let config = place.path().join("logrotate.conf");
        let rules = text(example).replace("/var/log/app", logs.to_str().unwrap());
        // Whoever runs the tests may have no group `adm`, and has no unit of that name.
        let rules = rules.replace("create 0640 root adm", "create 0640");
        let rules = rules.replace("systemctl kill --signal=HUP app.service", "true");
        fs::write(&config, rules).unwrap();
        let mark = example.rsplit('/').next().unwrap().replace('-', "");
        let write = |from: usize| {
            let mut lines = String::new();
            (from..from + 100).for_each(|n| lines.push_str(&format!("level=info mark={mark} msg=\"line {n:04}\"\n")));
            let file = fs::OpenOptions::new().append(true).create(true).open(logs.join("app.log"));
            std::io::Write::write_all(&mut file.unwrap(), lines.as_bytes()).unwrap();
        };
        let mut agent = real(&in_unit(UNITS[1]), place.path(), Some(&server.url));
        let running = Running(agent.env("LOGSHIP_FILES", logs.join("*.log")).spawn().unwrap());
        let query = format!("mark:{mark}");
        let all_of = |count: usize| {
            until("all are found", || Some(found(&server.url, &query)).filter(|lines| lines.len() >= count))
        };
        write(0);
        for round in 1..4 {
            // A file that was never seen under a name of the pattern is nobody's.
            all_of((round - 1) * 100 + 1);
            let mut rotate = Command::new("logrotate");
            // Debian keeps it where only root looks.
            let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
            rotate.env("PATH", path).args(["--force", "--state"]).arg(place.path().join("state")).arg(&config);
            let Some(rotated) = ran(&mut rotate) else { return };
            assert!(rotated.status.success(), "{example}: {rotated:?}");
            assert!(logs.join("app.log.1").exists(), "{example}");
            write(round * 100);
        }
        let lines = all_of(400);
        running.stop(example);
        let expected: Vec<_> = (0..400).map(|n| format!("line {n:04}")).collect();
        let mut lines: Vec<_> = lines.iter().map(|line| line[line.find("line ").unwrap()..][..9].to_owned()).collect();
        lines.sort();
        assert_eq!(lines, expected, "{example}");
    };
    thread::scope(|scope| {
        for example in ["logrotate/app", "logrotate/app-copytruncate"] {
            scope.spawn(move || check(example));
        }
    });
}
