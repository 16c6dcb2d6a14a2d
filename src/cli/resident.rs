//! Gives back what of the program itself is no longer needed in memory.
//!
//! Starting up runs through ten megabytes of code and constants that a sidecar never needs again: options, errors, first
//! connections. The kernel would keep all of it mapped for as long as memory is plentiful, and whoever sizes a container
//! sees it. These pages hold what is in the program's file, so that letting go of them loses nothing: the few that are
//! used again come back from the page cache, some microseconds each.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    thread,
    time::Duration,
};

/// How often the program is let go.
const RELEASE_EVERY: Duration = Duration::from_secs(10);

/// A part of the address space, as `/proc/self/smaps` tells of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Mapping {
    from: usize,
    to: usize,
    /// Backed by a file and never written by us; nor could it be.
    kept_in_file: bool,
    resident_kib: usize,
    /// What differs from the file: relocated pointers, a debugger's breakpoints.
    changed_kib: usize,
}

/// Lets go of pages that hold nothing but parts of the program's and its libraries' files; tells how many KiB were resident.
/// The caller's own code is back at once.
///
/// # Errors
/// Without `/proc`, or on a kernel that refuses; nothing is lost then, nor won.
pub fn release_program() -> io::Result<usize> {
    let mut released = 0;
    for mapping in mappings(BufReader::new(File::open("/proc/self/smaps")?))? {
        if mapping.kept_in_file && mapping.changed_kib == 0 && mapping.resident_kib > 0 {
            release(&mapping)?;
            released += mapping.resident_kib;
        }
    }
    Ok(released)
}

/// Does that from time to time, in a thread of its own that ends with the process.
///
/// # Errors
/// If there are no more threads.
pub fn release_again_and_again() -> io::Result<()> {
    let release = || loop {
        thread::sleep(RELEASE_EVERY);
        // Where the kernel does not do it, it stays as it is.
        _ = release_program();
    };
    thread::Builder::new().name("resident".to_owned()).spawn(release).map(drop)
}

#[allow(unsafe_code)]
fn release(mapping: &Mapping) -> io::Result<()> {
    let start = std::ptr::without_provenance_mut::<std::ffi::c_void>(mapping.from);
    // SAFETY: dropping a page changes what memory holds only where the page differs from its file. None of this mapping
    // does, as the kernel has just told, and none will: it is not writable.
    unsafe { rustix::mm::madvise(start, mapping.to - mapping.from, rustix::mm::Advice::LinuxDontNeed) }?;
    Ok(())
}

/// Reads proc(5)'s `smaps`: for each mapping a line `FROM-TO PERMS OFFSET DEVICE INODE PATH`, then lines `NAME: N kB`.
fn mappings(smaps: impl BufRead) -> io::Result<Vec<Mapping>> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in smaps.lines() {
        let line = line?;
        let mut words = line.split_ascii_whitespace();
        let Some(first) = words.next() else { continue };
        if let Some(name) = first.strip_suffix(':') {
            let Some(mapping) = mappings.last_mut() else { continue };
            let kib = words.next().and_then(|size| size.parse().ok());
            match (name, kib) {
                ("Rss", Some(kib)) => mapping.resident_kib = kib,
                ("Anonymous" | "Swap", Some(kib)) => mapping.changed_kib += kib,
                _ => {}
            }
        } else if let Some((from, to)) = first.split_once('-')
            && let (Ok(from), Ok(to)) = (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16))
        {
            let permissions = words.next().unwrap_or_default();
            let path = words.nth(3).unwrap_or_default();
            let kept_in_file = permissions.ends_with('p') && !permissions.contains('w') && path.starts_with('/');
            mappings.push(Mapping { from, to, kept_in_file, ..Mapping::default() });
        }
    }
    Ok(mappings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_mappings_is_read() {
        let smaps = "55d0c0000000-55d0c1000000 r-xp 00532000 fe:00 77 /usr/bin/logship\nSize: 16384 kB\nRss: 9716 kB\n\
                     Anonymous: 0 kB\nVmFlags: rd ex mr mw me\n\
                     55d0c2000000-55d0c2001000 r--p 0 fe:00 77 /usr/bin/logship\nRss: 4 kB\nAnonymous: 4 kB\n\
                     7f0000000000-7f0000001000 rw-p 0 00:00 0\nRss: 4 kB\nAnonymous: 4 kB\n\
                     7f0000002000-7f0000003000 r--s 0 fe:00 78 /tmp/shared\nRss: 4 kB\n";
        let read = mappings(smaps.as_bytes()).unwrap();
        let text = Mapping {
            from: 0x55d0_c000_0000,
            to: 0x55d0_c100_0000,
            kept_in_file: true,
            resident_kib: 9716,
            changed_kib: 0,
        };
        assert_eq!(read[0], text);
        let droppable: Vec<_> = read.iter().map(|mapping| mapping.kept_in_file && mapping.changed_kib == 0).collect();
        assert_eq!(droppable, [true, false, false, false]);
    }

    #[test]
    fn a_program_goes_on_with_less_of_itself_in_memory() {
        let resident = || -> usize {
            let smaps = mappings(BufReader::new(File::open("/proc/self/smaps").unwrap())).unwrap();
            smaps.iter().filter(|mapping| mapping.kept_in_file).map(|mapping| mapping.resident_kib).sum()
        };
        // Other tests run beside this one and bring their pages back.
        let falls = (0..100).any(|_| {
            let before = resident();
            let released = release_program().unwrap();
            released > 0 && resident() < before
        });
        assert!(falls);
    }
}
