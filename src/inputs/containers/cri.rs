//! The kubelet's log files: what their names say of pods and containers.
//!
//! Source: the kubelet's layout of log files. `/var/log/pods/<namespace>_<pod>_<uid>/<container>/<restarts>.log` is the
//! file, with `.<stamp>` and `.gz` behind once rotated; `/var/log/containers/<pod>_<namespace>_<container>-<id>.log` is
//! a link to it, of at most 255 bytes: a longer name loses the end of the id. The same shapes are known wherever they
//! are mounted. Names in Kubernetes have no underscore, so the parts are unmistakable. A static pod's uid is the hash
//! of its manifest.

use super::{Describe, Described, ID_DIGITS, is_id, name_of};
use std::path::Path;

/// The kubelet cuts the name of its link here.
const LINK_BYTES_MAX: usize = 255;
/// Longest name that Kubernetes gives anything, in bytes.
const NAME_BYTES_MAX: usize = 253;

/// What the name of a log file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The pod's uid.
    pub uid: Option<String>,
    /// The container's name in the pod.
    pub container: Option<String>,
    /// Its id.
    pub id: Option<String>,
    /// How often the container had been started anew.
    pub restarts: Option<u32>,
}

impl Named {
    /// What the path says; of a link also what its target says.
    #[must_use]
    pub fn of(path: &Path) -> Option<Named> {
        if let Some(named) = of_file(path) {
            return Some(named);
        }
        let mut named = of_link(path)?;
        let target = std::fs::read_link(path).ok().and_then(|target| of_file(&target));
        if let Some(target) = target.filter(|target| target.pod == named.pod && target.namespace == named.namespace) {
            named = Named { id: named.id, ..target };
        }
        Some(named)
    }

    /// The same as fields.
    #[must_use]
    pub fn described(&self) -> Described {
        let mut described = Described {
            service: self.container.clone(),
            container: self.id.clone(),
            complete: true,
            ..Described::default()
        };
        described.put("kubernetes.namespace", &self.namespace);
        described.put("kubernetes.pod.name", &self.pod);
        described.put("kubernetes.pod.uid", self.uid.as_deref().unwrap_or_default());
        described.put("kubernetes.container.name", self.container.as_deref().unwrap_or_default());
        if let Some(restarts) = self.restarts {
            described.put("kubernetes.container.restart_count", &restarts.to_string());
        }
        described
    }
}

/// Reads names alone: for where there is no API.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cri;

impl Describe for Cri {
    fn describe(&self, path: &Path) -> Option<Described> {
        Named::of(path).map(|named| named.described())
    }
}

/// Of `<namespace>_<pod>_<uid>/<container>/<restarts>.log`.
fn of_file(path: &Path) -> Option<Named> {
    let folder = path.parent()?;
    let (digits, rest) = name_of(path)?.split_once(".log")?;
    if !(rest.is_empty() || rest.starts_with('.')) || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let container = name_of(folder).filter(|name| is_label(name))?;
    let [namespace, pod, uid] = three_parts(name_of(folder.parent()?)?)?;
    let sound = is_label(namespace) && is_name(pod) && is_uid(uid);
    sound.then(|| Named {
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        uid: Some(uid.to_owned()),
        container: Some(container.to_owned()),
        id: None,
        restarts: digits.parse().ok(),
    })
}

/// Of `<pod>_<namespace>_<container>-<id>.log`.
fn of_link(path: &Path) -> Option<Named> {
    let name = name_of(path)?;
    let [pod, namespace, rest] = three_parts(name.strip_suffix(".log")?)?;
    if !is_name(pod) || !is_label(namespace) {
        return None;
    }
    let named = Named { namespace: namespace.to_owned(), pod: pod.to_owned(), ..Named::default() };
    match rest.rsplit_once('-') {
        Some((container, id)) if is_id(id) && is_label(container) => {
            Some(Named { container: Some(container.to_owned()), id: Some(id.to_owned()), ..named })
        }
        // The rest of the name may hold a piece of an id, or of the container's name: the target tells.
        _ if name.len() == LINK_BYTES_MAX && rest.len() <= ID_DIGITS * 2 => Some(named),
        _ => None,
    }
}

fn three_parts(text: &str) -> Option<[&str; 3]> {
    let mut parts = text.split('_');
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

/// Whether Kubernetes allows it as a pod's name: small letters, digits, dashes and dots.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= NAME_BYTES_MAX && bytes.iter().copied().all(allowed) && edge(bytes.first()) && edge(bytes.last())
}

/// Whether Kubernetes allows it as the name of a namespace or a container.
fn is_label(text: &str) -> bool {
    text.len() <= 63 && !text.contains('.') && is_name(text)
}

/// A UUID, or a static pod's hash.
fn is_uid(text: &str) -> bool {
    (32..=36).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::super::listed;
    use super::*;
    use expect_test::expect_file;
    use std::fmt::Write as _;

    const PATHS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/containers/cri.paths");

    #[test]
    fn names_say_what_the_golden_file_says() {
        let mut found = String::new();
        for path in std::fs::read_to_string(PATHS).unwrap().lines() {
            writeln!(found, "{path}\n{}", listed(Cri.describe(Path::new(path)).as_ref())).unwrap();
        }
        expect_file![concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/containers/cri.expected")].assert_eq(&found);
    }

    #[test]
    fn a_link_tells_what_its_target_tells() {
        let folder = tempfile::tempdir().unwrap();
        let check = |link: &str, target: &str, uid: Option<&str>, restarts: Option<u32>, container: Option<&str>| {
            let link = folder.path().join(link);
            std::os::unix::fs::symlink(target, &link).unwrap();
            let named = Named::of(&link).unwrap();
            assert_eq!((named.uid.as_deref(), named.restarts), (uid, restarts), "{link:?}");
            assert_eq!(named.container.as_deref(), container, "{link:?}");
        };
        let (id, uid) = ("0123456789abcdef".repeat(4), "8c9f3a52-2f0e-4f6e-9a55-1e7b7c2d9a10");
        let file = |pod: &str| format!("/var/log/pods/shop_{pod}_{uid}/app/3.log");
        check(&format!("web-1_shop_app-{id}.log"), &file("web-1"), Some(uid), Some(3), Some("app"));
        check(&format!("web-2_shop_app-{id}.log"), &file("web-1"), None, None, Some("app"));
        check(&format!("web-3_shop_app-{id}.log"), "/nowhere", None, None, Some("app"));
        let long = "p".repeat(LINK_BYTES_MAX - ".log".len() - "_shop_app-".len() - 20);
        check(&format!("{long}_shop_app-{}.log", &id[..20]), &file(&long), Some(uid), Some(3), Some("app"));
    }
}
