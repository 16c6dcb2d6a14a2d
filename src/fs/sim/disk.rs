//! The disk below a simulated file system: what is durable, what is not, and what a power loss makes of it.

use super::Fault;
use std::{
    collections::BTreeMap,
    io,
    path::{Component, Path},
};

/// What is done to the bytes of a file.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// At an offset.
    Write(u64, Vec<u8>),
    /// To a length.
    Truncate(u64),
}

/// What is done to the names of a folder.
#[derive(Clone, Debug)]
pub(super) enum Naming {
    Set(String, usize),
    Remove(String),
    Rename(String, String),
}

/// The names of a folder and their nodes.
pub(super) type Names = BTreeMap<String, usize>;

/// A file or folder: as processes see it, as a power loss leaves it at least, and what lies between.
#[derive(Debug)]
pub(super) enum Node {
    File { visible: Vec<u8>, durable: Vec<u8>, pending: Vec<Change> },
    Dir { visible: Names, durable: Names, pending: Vec<Naming> },
}

/// What outlives processes.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) nodes: Vec<Node>,
    pub(super) locks: BTreeMap<usize, u64>,
    pub(super) life: u64,
    pub(super) ops: u64,
    pub(super) faults: BTreeMap<u64, Fault>,
    random: u64,
    pub(super) free: u64,
}

/// Does it to bytes.
pub(super) fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(at, written) => {
            let end = *at as usize + written.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[*at as usize..end].copy_from_slice(written);
        }
        Change::Truncate(len) => bytes.truncate(*len as usize),
    }
}

/// Does it to names.
pub(super) fn name(names: &mut Names, naming: &Naming) {
    match naming {
        Naming::Set(name, node) => drop(names.insert(name.clone(), *node)),
        Naming::Remove(name) => drop(names.remove(name)),
        Naming::Rename(from, to) => {
            let node = names.remove(from).unwrap();
            names.insert(to.clone(), node);
        }
    }
}

impl Disk {
    /// One with an empty folder, the root.
    pub(super) fn new(seed: u64) -> Disk {
        let root = Node::Dir { visible: Names::new(), durable: Names::new(), pending: Vec::new() };
        Disk {
            nodes: vec![root],
            locks: BTreeMap::new(),
            life: 0,
            ops: 0,
            faults: BTreeMap::new(),
            random: seed,
            free: u64::MAX,
        }
    }

    pub(super) fn random(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    }

    /// What of the changes reached the disk although nobody waited for it.
    pub(super) fn chance(&mut self, durable: &mut Vec<u8>, pending: &[Change]) {
        let kept = durable.len();
        let mode = self.random(4);
        let whole = match mode {
            0 => 0,
            1 => pending.len(),
            _ => self.random(pending.len() + 1),
        };
        pending[..whole].iter().for_each(|change| apply(durable, change));
        if let (2.., Some(Change::Write(at, bytes))) = (mode, pending.get(whole)) {
            let torn = self.random(bytes.len() + 1);
            apply(durable, &Change::Write(*at, bytes[..torn].to_vec()));
        }
        if mode == 3 && durable.len() > kept {
            for hole in durable[kept..].chunks_mut(16) {
                if self.random(4) == 0 {
                    hole.fill(0);
                }
            }
        }
    }

    pub(super) fn lose_power(&mut self) {
        self.life += 1;
        let mut nodes = std::mem::take(&mut self.nodes);
        for node in &mut nodes {
            match node {
                Node::File { visible, durable, pending } => {
                    self.chance(durable, pending);
                    pending.clear();
                    visible.clone_from(durable);
                }
                Node::Dir { visible, durable, pending } => {
                    let kept = self.random(pending.len() + 1);
                    pending.drain(..).take(kept).for_each(|naming| name(durable, &naming));
                    visible.clone_from(durable);
                }
            }
        }
        self.nodes = nodes;
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<usize> {
        let mut node = 0;
        for part in path.components() {
            if let Component::Normal(part) = part {
                let names = self.names(node)?;
                node = *names.get(part.to_str().unwrap()).ok_or(io::ErrorKind::NotFound)?;
            }
        }
        Ok(node)
    }

    pub(super) fn names(&self, dir: usize) -> io::Result<&Names> {
        match &self.nodes[dir] {
            Node::Dir { visible, .. } => Ok(visible),
            Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn parent(&self, path: &Path) -> io::Result<(usize, String)> {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        Ok((self.find(path.parent().unwrap())?, name))
    }

    pub(super) fn change_names(&mut self, dir: usize, naming: Naming) {
        if let Node::Dir { visible, pending, .. } = &mut self.nodes[dir] {
            name(visible, &naming);
            pending.push(naming);
        }
    }

    /// At an offset, or at the end.
    pub(super) fn write(&mut self, node: usize, written: &[u8], at: Option<u64>) {
        if let Node::File { visible, pending, .. } = &mut self.nodes[node] {
            let change = Change::Write(at.unwrap_or(visible.len() as u64), written.to_vec());
            apply(visible, &change);
            pending.push(change);
        }
    }
}
