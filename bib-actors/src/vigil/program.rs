//! Pages of the program's own file: a start touches most of the code that it maps, and rest needs a quarter of it.
//!
//! They are copies of the file, which the system takes back by itself only when it runs short. Here they are given back
//! when the node has done nothing for some seconds; the next call finds those that it needs in the page cache again. So
//! are those of the libraries.

use bib_domain::vigil::{RestWatch, VigilRules};
use rustix::mm::{Advice, madvise};
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Watches the program at rest.
pub(super) struct Program {
    watch: RestWatch,
    /// What was mapped before the actors began: the program and its libraries.
    mapped: Arc<Vec<Mapped>>,
    giving: Option<JoinHandle<()>>,
}

impl Program {
    /// Gives back by these rules what is mapped now.
    pub(super) fn new(rules: VigilRules) -> Self {
        // without /proc nothing is known, and nothing given back
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let mapped = maps.lines().filter_map(mapped).collect();
        Self { watch: RestWatch::new(rules), mapped: Arc::new(mapped), giving: None }
    }

    /// Looks, and gives back what the look says, on a thread that may block.
    pub(super) fn look(&mut self) {
        if self.giving.as_ref().is_some_and(|running| !running.is_finished()) {
            return;
        }
        let Ok(held) = file_bytes() else { return };
        if self.watch.look(processor_time(), held) {
            let mapped = Arc::clone(&self.mapped);
            self.giving = Some(tokio::task::spawn_blocking(move || {
                let parts = match clean_now(&mapped) {
                    Ok(parts) => parts,
                    Err(error) => return tracing::debug!(%error, "pages of the program's file are not given back"),
                };
                // said before it is done: what says it is code of the program, too
                tracing::debug!(bytes = bytes(&parts), "gives pages of the program's file back");
                give_back(&parts);
            }));
        }
    }
}

/// What all threads of this process used.
fn processor_time() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(used.tv_sec).unwrap_or(0), u32::try_from(used.tv_nsec).unwrap_or(0))
}

/// Bytes of files that are mapped and in memory.
fn file_bytes() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: Option<u64> = text.split(' ').nth(2).and_then(|pages| pages.parse().ok());
    let pages = pages.ok_or_else(|| io::Error::other("/proc/self/statm has another form"))?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// Gives these parts back. Blocking.
fn give_back(parts: &[Part]) {
    for part in parts {
        // what cannot be given back stays
        let _ = drop_pages(&part.range);
    }
}

/// Bytes of these parts that are in memory.
fn bytes(parts: &[Part]) -> u64 {
    parts.iter().map(|part| part.held).sum()
}

/// A range of addresses that shows a file and that nobody may write to, and the line that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mapped {
    range: Range<usize>,
    line: String,
}

/// A part of a file as it is mapped.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    range: Range<usize>,
    /// Bytes in memory.
    held: u64,
}

fn clean_now(known: &[Mapped]) -> io::Result<Vec<Part>> {
    clean_parts(BufReader::new(File::open("/proc/self/smaps")?), known)
}

/// Those of `known` that are mapped as they were and have no page of their own: each page of theirs is the file's. Line by
/// line: all of them together are more than many a node has to give back.
fn clean_parts(mut smaps: impl BufRead, known: &[Mapped]) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    let mut part = None;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if smaps.read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        // a name that is no text is none of the program's
        let text = String::from_utf8_lossy(&bytes);
        let line = text.trim_end();
        let mut words = line.split_ascii_whitespace();
        let Some(first) = words.next() else { continue };
        if !first.ends_with(':') {
            parts.extend(part.take());
            let same = mapped(line).filter(|found| known.contains(found));
            part = same.map(|found| Part { range: found.range, held: 0 });
            continue;
        }
        let bytes = words.next().and_then(|word| word.parse::<u64>().ok()).map_or(u64::MAX, |kib| kib * 1024);
        match (first, &mut part) {
            ("Rss:", Some(part)) => part.held = bytes,
            ("Anonymous:" | "Private_Dirty:" | "Shared_Dirty:" | "Locked:", _) if bytes > 0 => part = None,
            _ => {}
        }
    }
    parts.extend(part);
    parts.retain(|part| part.held > 0);
    Ok(parts)
}

/// A range from its line (`from-to permissions offset device inode path`), if it shows a file that nobody may write to.
fn mapped(line: &str) -> Option<Mapped> {
    let mut words = line.splitn(6, ' ');
    let (from, to) = words.next()?.split_once('-')?;
    let permissions = words.next()?;
    let path = words.nth(3)?.trim_start();
    let range = usize::from_str_radix(from, 16).ok()?..usize::from_str_radix(to, 16).ok()?;
    let clean = matches!(permissions, "r-xp" | "r--p") && path.starts_with('/');
    clean.then(|| Mapped { range, line: line.to_owned() })
}

/// Has the system forget that pages of this part of a file are in memory; who touches one finds it again.
#[expect(unsafe_code, reason = "no safe call gives mapped pages back; what makes this one sound stands beside it")]
fn drop_pages(range: &Range<usize>) -> io::Result<()> {
    let start = std::ptr::with_exposed_provenance_mut(range.start);
    // SAFETY: `range` shows the running program or a library, and was mapped and relocated as a whole when the node was put
    // together, before its actors began: nothing here closes a library, so nobody unmaps it or makes it writable, and none
    // of its pages differs from the file, since `clean_parts` takes no other. For such a range the advice forgets no byte:
    // the next access, of whichever thread, reads the same byte from the file.
    unsafe { madvise(start, range.len(), Advice::LinuxDontNeed) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55d000000000-55d000100000 r--p 00000000 08:01 42                         /usr/bin/bibd
Size:               1024 kB
Rss:                 900 kB
Private_Clean:       900 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
55d000100000-55d000300000 r-xp 00100000 08:01 42                         /usr/bin/bibd
Rss:                2000 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
55d000300000-55d000400000 r--p 00300000 08:01 42                         /usr/bin/bibd
Rss:                 300 kB
Private_Dirty:       300 kB
Anonymous:           300 kB
55d000400000-55d000500000 rw-p 00400000 08:01 42                         /usr/bin/bibd
Rss:                 300 kB
Anonymous:             0 kB
55d000500000-55d000600000 r--p 00500000 08:01 42                         /usr/bin/bibd
Rss:                   0 kB
Anonymous:             0 kB
7f0000000000-7f0000100000 r-xp 00000000 08:01 43                         /usr/lib/libc.so.6
Rss:                 500 kB
Anonymous:             0 kB
7f0000200000-7f0000300000 r--p 00000000 00:00 0
Rss:                 500 kB
Anonymous:             0 kB
";

    #[test]
    fn only_parts_that_are_the_file_itself_are_given_back() {
        let known: Vec<Mapped> = SMAPS.lines().filter_map(mapped).collect();
        assert_eq!(known.len(), 5, "neither what is written nor what has no file");
        let clean = |smaps: &str, known: &[Mapped]| clean_parts(smaps.as_bytes(), known).unwrap();
        let parts = clean(SMAPS, &known);
        let part = |from: usize, to: usize, kib: u64| Part { range: from..to, held: kib * 1024 };
        let all = [
            part(0x55d0_0000_0000, 0x55d0_0010_0000, 900),
            part(0x55d0_0010_0000, 0x55d0_0030_0000, 2000),
            part(0x7f00_0000_0000, 0x7f00_0010_0000, 500),
        ];
        assert_eq!((parts.as_slice(), bytes(&parts)), (all.as_slice(), 3400 * 1024));
        assert_eq!(clean(SMAPS, &known[1..2]), all[1..2], "what came later is left alone");
        let moved = SMAPS.replace("r-xp 00100000", "r-xp 00200000");
        assert_eq!(clean(&moved, &known[1..2]), [], "what is mapped anew, too");
        assert_eq!(clean("nothing of the kind\n\n- : x", &known), []);
    }

    /// What stays is what runs at this moment, and everything works as before.
    #[test]
    fn a_program_that_gave_its_pages_back_goes_on() {
        let program = Program::new(VigilRules::default());
        let held = || clean_now(&program.mapped).unwrap();
        let sum = || SMAPS.bytes().map(u64::from).sum::<u64>();
        let (before, parts) = (sum(), held());
        assert!(bytes(&parts) > 1 << 20, "{parts:?} are less than this program's code");
        give_back(&parts);
        assert!(bytes(&held()) < bytes(&parts), "there is less to give the second time");
        assert_eq!(sum(), before);
    }
}
