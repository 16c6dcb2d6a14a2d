//! What a pod's description says of the lines of one of its containers.
//!
//! Source: the Pod of Kubernetes' API, version `v1`.

use super::{Described, cri::Named, cut, wishes::Wishes};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// A whole object in one annotation, which nobody searches.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What a pod's labels call its service, the surest first.
const SERVICE_LABELS: [&str; 3] = ["app.kubernetes.io/name", "app", "k8s-app"];
/// The letters of the hashes that Kubernetes appends to names: no vowels, and nothing that looks like one.
const HASH_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A pod, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Pod {
    #[serde(deserialize_with = "or_default")]
    metadata: Metadata,
    #[serde(deserialize_with = "or_default")]
    spec: Spec,
    #[serde(deserialize_with = "or_default")]
    status: Status,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    uid: String,
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    owner_references: Vec<Owner>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Owner {
    kind: String,
    name: String,
    controller: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(deserialize_with = "or_default")]
    node_name: String,
    #[serde(deserialize_with = "or_default")]
    containers: Vec<Container>,
    #[serde(deserialize_with = "or_default")]
    init_containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Container {
    name: String,
    image: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    #[serde(deserialize_with = "or_default")]
    container_statuses: Vec<ContainerStatus>,
    #[serde(deserialize_with = "or_default")]
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    name: String,
    restart_count: u32,
    #[serde(rename = "containerID", deserialize_with = "or_default")]
    container_id: String,
}

/// `null` is nothing.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

impl Pod {
    /// Adds what the pod says of the container that the path named.
    pub(super) fn add_to(&self, described: &mut Described, named: &Named, only_included: bool) {
        let Metadata { uid, labels, annotations, .. } = &self.metadata;
        if named.uid.is_none() {
            described.put("kubernetes.pod.uid", uid);
        }
        described.put("kubernetes.node.name", &self.spec.node_name);
        described.put_all("kubernetes.labels", labels);
        let mut told = annotations.clone();
        told.remove(LAST_APPLIED);
        described.put_all("kubernetes.annotations", &told);
        let workload = self.add_owner(described);
        self.add_container(described, named);
        let labelled = SERVICE_LABELS.iter().find_map(|label| labels.get(*label)).filter(|name| !name.is_empty());
        if let Some(service) = labelled.or(workload.as_ref()) {
            described.service = Some(cut(service).to_owned());
        }
        Wishes::of(annotations, named.container.as_deref()).add_to(described, only_included);
    }

    /// The workload that made the pod, and its name.
    fn add_owner(&self, described: &mut Described) -> Option<String> {
        let owners = &self.metadata.owner_references;
        let owner = owners.iter().find(|owner| owner.controller).or(owners.first())?;
        let name = owner.name.as_str();
        let workload = match owner.kind.as_str() {
            "ReplicaSet" => {
                described.put("kubernetes.replicaset.name", name);
                let hash = self.metadata.labels.get("pod-template-hash").map(String::as_str);
                let deployment = without_hash(name, hash);
                described.put("kubernetes.deployment.name", deployment.unwrap_or_default());
                deployment.unwrap_or(name)
            }
            "Job" => {
                described.put("kubernetes.job.name", name);
                // A CronJob's jobs are named after it and the minute.
                let minute = |text: &str| (8..=11).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
                let cron = name.rsplit_once('-').filter(|(_, tail)| minute(tail)).map(|(cron, _)| cron);
                described.put("kubernetes.cronjob.name", cron.unwrap_or_default());
                cron.unwrap_or(name)
            }
            "StatefulSet" => {
                described.put("kubernetes.statefulset.name", name);
                name
            }
            "DaemonSet" => {
                described.put("kubernetes.daemonset.name", name);
                name
            }
            // A static pod's owner is its node.
            _ => return None,
        };
        Some(workload.to_owned()).filter(|name| !name.is_empty())
    }

    fn add_container(&self, described: &mut Described, named: &Named) {
        let Some(name) = &named.container else { return };
        let mut containers = self.spec.containers.iter().chain(&self.spec.init_containers);
        if let Some(container) = containers.find(|container| container.name == *name) {
            described.put_image(&container.image);
        }
        let mut statuses = self.status.container_statuses.iter().chain(&self.status.init_container_statuses);
        let Some(status) = statuses.find(|status| status.name == *name) else { return };
        let Some((runtime, id)) = status.container_id.split_once("://") else { return };
        described.put("container.runtime", runtime);
        // The id is that of the container that runs now: of the pod that the path names, and of its latest start.
        let same = named.uid.as_ref().is_none_or(|uid| *uid == self.metadata.uid);
        if described.container.is_none() && same && named.restarts == Some(status.restart_count) {
            described.container = Some(cut(id).to_owned());
        }
    }
}

/// The name of the deployment that made a ReplicaSet: without the hash of the pod's template.
fn without_hash<'n>(name: &'n str, hash: Option<&str>) -> Option<&'n str> {
    let (deployment, tail) = name.rsplit_once('-')?;
    let hash_like = (6..=10).contains(&tail.len()) && tail.bytes().all(|letter| HASH_LETTERS.contains(&letter));
    hash.map_or(hash_like, |hash| hash == tail).then_some(deployment)
}

#[cfg(test)]
mod tests {
    use super::super::listed;
    use super::*;
    use expect_test::expect_file;
    use std::{fs, path::Path};

    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/containers");

    #[test]
    fn pods_say_what_their_golden_files_say() {
        let uid = "8c9f3a52-2f0e-4f6e-9a55-1e7b7c2d9a10";
        let id = "0123456789abcdef".repeat(4);
        for (name, path) in [
            ("statefulset", format!("/var/log/pods/shop_db-0_{uid}/postgres/0.log")),
            ("daemonset", format!("/var/log/containers/agent-x2x9k_ops_agent-{id}.log")),
            ("cronjob", format!("/var/log/pods/shop_report-29456789-k4v7z_{uid}/report/0.log")),
            ("static", "/var/log/pods/kube-system_etcd-node-1_5b2a1f0e9d8c7b6a5f4e3d2c1b0a9f8e/etcd/2.log".to_owned()),
            ("hints", format!("/var/log/pods/shop_edge_{uid}/access/0.log")),
            ("wishes", format!("/var/log/pods/shop_edge_{uid}/access/0.log")),
        ] {
            let pod: Pod =
                serde_json::from_str(&fs::read_to_string(format!("{FIXTURES}/pod-{name}.json")).unwrap()).unwrap();
            let named = Named::of(Path::new(&path)).unwrap();
            let mut described = named.described();
            pod.add_to(&mut described, &named, false);
            expect_file![format!("{FIXTURES}/pod-{name}.expected")].assert_eq(&listed(Some(&described)));
        }
    }

    #[test]
    fn only_included_ones_where_only_such_are_wanted() {
        let named =
            Named::of(Path::new("/var/log/pods/shop_web_8c9f3a52-2f0e-4f6e-9a55-1e7b7c2d9a10/app/0.log")).unwrap();
        let check = |annotations: &str, all: bool, only: bool| {
            let pod: Pod =
                serde_json::from_str(&format!("{{\"metadata\":{{\"annotations\":{annotations}}}}}")).unwrap();
            let skip = |only_included| {
                let mut described = named.described();
                pod.add_to(&mut described, &named, only_included);
                described.skip
            };
            assert_eq!((skip(false), skip(true)), (all, only), "{annotations}");
        };
        check("null", false, true);
        check(r#"{"logship.io/include":"true"}"#, false, false);
        check(r#"{"logship.io/include.app":"true"}"#, false, false);
        check(r#"{"logship.io/include.other":"true"}"#, false, true);
        check(r#"{"logship.io/include":"true","logship.io/exclude.app":"true"}"#, true, true);
    }

    #[test]
    fn replica_sets_are_named_after_their_deployment() {
        let check = |name: &str, hash: Option<&str>, expected: Option<&str>| {
            assert_eq!(without_hash(name, hash), expected, "{name} {hash:?}");
        };
        check("web-7d9c5b6f4", Some("7d9c5b6f4"), Some("web"));
        check("web-7d9c5b6f4", Some("other"), None);
        check("web-7d9c5b6f4", None, Some("web"));
        check("shop-web-55d5f4c7d8", None, Some("shop-web"));
        check("web-frontend", None, None);
        check("web-abc", None, None);
        check("web", None, None);
    }
}
