//! Pods as the API server of a cluster describes them.
//!
//! One `GET` a pod, when a log of it is first seen, over HTTPS with the service account: that needs only the right to
//! `get` pods, and nothing that a restart, a lost watch or an expired resource version could leave behind. A file's own
//! name tells the rest, so that all works, with less, where there is no API server or it is away. A pod that was made
//! anew under its old name, as a StatefulSet does, is described by its successor, but keeps the uid that its path
//! names.
//!
//! Annotations that say what to do with a pod are in [`super::wishes`].
//!
//! Limits: [`POD_BYTES_MAX`], [`ANSWER_WAIT`], and those of [`super`] and [`super::lookups`].

use super::{
    Describe, Described,
    cri::Named,
    lookups::{Fetched, Known, LookupCounters, Lookups},
    pods::Pod,
    read_bounded,
};
use std::{
    env, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Longest description of a pod, in bytes.
pub const POD_BYTES_MAX: u64 = 2 << 20;
/// How long the API server may take.
pub const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// A longer token or a longer list of certificates is not read.
const SECRET_BYTES_MAX: u64 = 1 << 20;
/// Where a pod finds its service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Where the API server is, and who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubernetesOptions {
    /// `https://host:port`; `None` where there is none: then the names of the files tell all.
    pub api: Option<String>,
    /// The file that holds the token. Read for each request, because tokens are replaced.
    pub token: Option<PathBuf>,
    /// The authority that signed the API server's certificate.
    pub ca: Option<PathBuf>,
    /// This node, as `kubernetes.node.name` of pods that the API server does not tell of.
    pub node: Option<String>,
    /// Skip pods without the annotation `logship.io/include: "true"`, and those of which nobody tells whether they have it.
    pub only_included: bool,
}

impl KubernetesOptions {
    /// As in a pod of the cluster: the service account, and `NODE_NAME` where the manifest sets it.
    #[must_use]
    pub fn from_env() -> KubernetesOptions {
        KubernetesOptions::of(|name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> KubernetesOptions {
        let node = variable("NODE_NAME");
        let Some(host) = variable("KUBERNETES_SERVICE_HOST") else {
            return KubernetesOptions { node, ..KubernetesOptions::default() };
        };
        let port = variable("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned());
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        KubernetesOptions {
            api: Some(format!("https://{host}:{port}")),
            token: Some(Path::new(ACCOUNT).join("token")),
            ca: Some(Path::new(ACCOUNT).join("ca.crt")),
            node,
            only_included: false,
        }
    }
}

/// Describes the pods of a node.
pub struct Kubernetes {
    node: Option<String>,
    only_included: bool,
    lookups: Option<Lookups<Pod>>,
}

impl Kubernetes {
    /// Starts the thread that asks the API server, if there is one to ask.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(options: &KubernetesOptions) -> io::Result<Kubernetes> {
        let lookups = match &options.api {
            Some(api) => {
                let mut client =
                    Client { api: api.trim_end_matches('/').to_owned(), options: options.clone(), agent: None };
                Some(Lookups::start("kubernetes", move |key| client.pod(key))?)
            }
            None => None,
        };
        Ok(Kubernetes { node: options.node.clone(), only_included: options.only_included, lookups })
    }

    /// What was asked of the API server, if one is asked.
    #[must_use]
    pub fn counters(&self) -> Option<&Arc<LookupCounters>> {
        self.lookups.as_ref().map(Lookups::counters)
    }
}

impl Describe for Kubernetes {
    fn describe(&self, path: &Path) -> Option<Described> {
        let named = Named::of(path)?;
        let mut described = named.described();
        described.put("kubernetes.node.name", self.node.as_deref().unwrap_or_default());
        described.skip = self.only_included;
        let known = self.lookups.as_ref().map_or(Known::Absent, |lookups| lookups.get(&key_of(&named)));
        match known {
            Known::Found(pod) => pod.add_to(&mut described, &named, self.only_included),
            Known::Absent => {}
            Known::Unknown => described.complete = false,
        }
        Some(described)
    }
}

/// Names in Kubernetes need no escapes in a path.
fn key_of(named: &Named) -> String {
    format!("/api/v1/namespaces/{}/pods/{}", named.namespace, named.pod)
}

/// Who asks the API server.
struct Client {
    api: String,
    options: KubernetesOptions,
    /// Made anew after a failure, since the authority may have been replaced.
    agent: Option<ureq::Agent>,
}

impl Client {
    fn pod(&mut self, path: &str) -> Fetched<Pod> {
        let outcome = self.get(path);
        outcome.unwrap_or_else(|cause| {
            self.agent = None;
            Fetched::Failed(format!("the Kubernetes API at {}: GET {path}: {cause}", self.api))
        })
    }

    fn get(&mut self, path: &str) -> Result<Fetched<Pod>, String> {
        let agent = match self.agent.take() {
            Some(agent) => agent,
            None => self.connect()?,
        };
        let mut request = agent.get(format!("{}{path}", self.api));
        if let Some(token) = &self.options.token {
            request = request.header("Authorization", format!("Bearer {}", read_text(token)?.trim()));
        }
        let mut response = request.call().map_err(|cause| cause.to_string())?;
        let answer = match response.status().as_u16() {
            200 => {
                let json = response.body_mut().with_config().limit(POD_BYTES_MAX).read_to_vec();
                let json = json.map_err(|cause| cause.to_string())?;
                Fetched::Found(serde_json::from_slice(&json).map_err(|cause| format!("unexpected answer: {cause}"))?)
            }
            404 | 410 => Fetched::Absent,
            401 => return Err("status 401: the token of the service account is not accepted".to_owned()),
            403 => return Err("status 403: allow the service account to `get` pods (a ClusterRole)".to_owned()),
            status => return Err(format!("status {status}")),
        };
        self.agent = Some(agent);
        Ok(answer)
    }

    fn connect(&self) -> Result<ureq::Agent, String> {
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_WAIT))
            // The API server is in the cluster, whatever the environment says of the world outside.
            .proxy(None);
        if let Some(ca) = &self.options.ca {
            let pem = read_text(ca)?;
            let certificates = parse_pem(pem.as_bytes()).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            config = config.tls_config(TlsConfig::builder().root_certs(RootCerts::from(certificates)).build());
        }
        Ok(config.build().new_agent())
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let bytes = read_bounded(path, SECRET_BYTES_MAX).map_err(|cause| format!("{}: {cause}", path.display()))?;
    String::from_utf8(bytes).map_err(|_| format!("{}: not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::{
        listed,
        testing::{Served, reply},
    };
    use super::*;
    use expect_test::expect_file;
    use std::fs;

    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/containers");
    const LOG: &str = "/var/log/pods/shop_web-7d9c5b6f4-x2x9k_8c9f3a52-2f0e-4f6e-9a55-1e7b7c2d9a10/app/1.log";
    const POD: &str = "/api/v1/namespaces/shop/pods/web-7d9c5b6f4-x2x9k";

    fn start(api: &str, token: Option<PathBuf>) -> Kubernetes {
        let node = Some("node-1".to_owned());
        let options = KubernetesOptions { api: Some(api.to_owned()), token, node, ..KubernetesOptions::default() };
        Kubernetes::start(&options).unwrap()
    }

    #[test]
    fn the_environment_of_a_pod_names_the_api_server() {
        let check = |variables: &[(&str, &str)], api: Option<&str>| {
            let found = KubernetesOptions::of(|name| {
                variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
            });
            assert_eq!(found.api.as_deref(), api, "{variables:?}");
        };
        check(&[], None);
        check(&[("KUBERNETES_SERVICE_HOST", "10.0.0.1")], Some("https://10.0.0.1:443"));
        check(
            &[("KUBERNETES_SERVICE_HOST", "fd00::1"), ("KUBERNETES_SERVICE_PORT", "6443")],
            Some("https://[fd00::1]:6443"),
        );
    }

    #[test]
    fn a_pod_is_described_by_its_name_and_then_by_the_api_server() {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        fs::write(&token, "first\n").unwrap();
        let pod = fs::read_to_string(format!("{FIXTURES}/pod-deployment.json")).unwrap();
        let served = Served::tcp(vec![(POD.to_owned(), reply(200, &pod))]);
        let kubernetes = start(served.base(), Some(token.clone()));
        let first = kubernetes.describe(Path::new(LOG)).unwrap();
        assert_eq!((first.service.as_deref(), first.complete), (Some("app"), false));
        kubernetes.lookups.as_ref().unwrap().wait_for(POD);
        let found = listed(kubernetes.describe(Path::new(LOG)).as_ref());
        expect_file![format!("{FIXTURES}/pod-deployment.expected")].assert_eq(&found);
        fs::write(&token, "second\n").unwrap();
        kubernetes.lookups.as_ref().unwrap().wait_for("/other");
        let requests = served.requests();
        assert!(requests[0].contains("Bearer first\r\n") && requests[1].contains("Bearer second\r\n"), "{requests:?}");
    }

    #[test]
    fn without_an_answer_the_name_tells() {
        let check = |status: u16, body: &str, complete: bool, error: Option<&str>| {
            let served = Served::tcp(vec![(POD.to_owned(), reply(status, body))]);
            let kubernetes = start(served.base(), None);
            kubernetes.lookups.as_ref().unwrap().wait_for(POD);
            let described = kubernetes.describe(Path::new(LOG)).unwrap();
            assert_eq!(described.fields["kubernetes.pod.name"], "web-7d9c5b6f4-x2x9k");
            assert_eq!(described.fields["kubernetes.node.name"], "node-1");
            assert_eq!(described.complete, complete, "{status} {body}");
            let last = kubernetes.counters().unwrap().last_error();
            assert_eq!(last.is_some(), error.is_some(), "{last:?}");
            assert!(last.unwrap_or_default().contains(error.unwrap_or_default()), "{status} {body}");
        };
        check(404, "{}", true, None);
        check(410, "{}", true, None);
        check(401, "{}", false, Some("token"));
        check(403, "{}", false, Some("ClusterRole"));
        check(500, "", false, Some("status 500"));
        check(200, "<html>", false, Some("unexpected answer"));
        check(200, "{}", true, None);
        check(200, r#"{"metadata":{"labels":null,"annotations":null},"spec":null,"status":null}"#, true, None);
    }

    #[test]
    fn where_only_included_pods_are_wanted_others_wait_for_an_answer() {
        let pod = fs::read_to_string(format!("{FIXTURES}/pod-wishes.json")).unwrap();
        let edge = "/api/v1/namespaces/shop/pods/edge";
        let served = Served::tcp(vec![(edge.to_owned(), reply(200, &pod))]);
        let api = Some(served.base().to_owned());
        let options = KubernetesOptions { api, only_included: true, ..KubernetesOptions::default() };
        let kubernetes = Kubernetes::start(&options).unwrap();
        let log = LOG.replace("web-7d9c5b6f4-x2x9k", "edge");
        let skips = |log: &str| kubernetes.describe(Path::new(log)).unwrap().skip;
        assert!(skips(&log), "not known yet");
        kubernetes.lookups.as_ref().unwrap().wait_for(edge);
        assert!(!skips(&log));
        kubernetes.lookups.as_ref().unwrap().wait_for(POD);
        assert!(skips(LOG), "gone");
        let alone = KubernetesOptions { only_included: true, ..KubernetesOptions::default() };
        assert!(Kubernetes::start(&alone).unwrap().describe(Path::new(&log)).unwrap().skip, "nobody tells");
    }

    #[test]
    fn what_is_missing_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let check = |options: KubernetesOptions, expected: &str| {
            let kubernetes = Kubernetes::start(&options).unwrap();
            kubernetes.lookups.as_ref().unwrap().wait_for(POD);
            let error = kubernetes.counters().unwrap().last_error().unwrap();
            assert!(error.contains(expected), "{error}");
        };
        let api = || Some("http://127.0.0.1:1".to_owned());
        let none = folder.path().join("none");
        check(KubernetesOptions { api: api(), ..KubernetesOptions::default() }, "127.0.0.1:1");
        check(
            KubernetesOptions { api: api(), token: Some(none.clone()), ..KubernetesOptions::default() },
            "none: No such",
        );
        check(KubernetesOptions { api: api(), ca: Some(none), ..KubernetesOptions::default() }, "none: No such");
    }
}
