//! A disk that forgets: file operations that fail when told, and that know what a power cut would take away.
//!
//! Worst case of what POSIX allows: bytes that were not synced are gone, a name that was given after the last sync of
//! its folder may be gone or not, and bytes whose sync failed are gone for good, whatever a later sync says.

use bib_chunks::fs::{Fs, RealFs};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Which operations fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    Never,
    /// Only the operation with this number.
    Once(u64),
    /// That one and all after it: the process is dead.
    From(u64),
}

#[derive(Debug)]
pub(crate) struct Disk {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    failing: Failing,
    count: u64,
    named: u64,
    failed: bool,
    /// Files by inode: whether their bytes are on the disk.
    synced: HashMap<u64, bool>,
    lost: HashSet<u64>,
    /// Names that are not on the disk yet.
    names: Vec<PathBuf>,
    log: Vec<String>,
}

impl Disk {
    pub(crate) fn new(failing: Failing) -> Arc<Self> {
        let state = State {
            failing,
            count: 0,
            named: 0,
            failed: false,
            synced: HashMap::new(),
            lost: HashSet::new(),
            names: Vec::new(),
            log: Vec::new(),
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Which operations fail now.
    pub(crate) fn failing(&self) -> Failing {
        self.state.lock().unwrap().failing
    }

    /// Starts to count anew.
    pub(crate) fn set(&self, failing: Failing) {
        let mut state = self.state.lock().unwrap();
        (state.failing, state.count) = (failing, 0);
    }

    /// Whether any operation was made to fail so far.
    pub(crate) fn has_failed(&self) -> bool {
        self.state.lock().unwrap().failed
    }

    /// How many files got their names so far.
    pub(crate) fn named(&self) -> u64 {
        self.state.lock().unwrap().named
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.state.lock().unwrap().log.clone()
    }

    fn step(&self, what: &str, path: &Path) -> io::Result<std::sync::MutexGuard<'_, State>> {
        let mut state = self.state.lock().unwrap();
        state.count += 1;
        let line = format!("{} {what} {}", state.count, path.display());
        state.log.push(line);
        let fails = match state.failing {
            Failing::Never => false,
            Failing::Once(n) => state.count == n,
            Failing::From(n) => state.count >= n,
        };
        if fails {
            state.failed = true;
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(state)
    }

    /// The power goes: what was not on the disk is lost, or not, as `seed` will have it.
    pub(crate) fn cut_power(&self, seed: u64) {
        let mut state = self.state.lock().unwrap();
        let mut dice = seed | 1;
        for path in std::mem::take(&mut state.names).iter().rev() {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if dice >> 63 == 0 || seed == 0 {
                let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
            }
        }
        let dirty: Vec<u64> = state.synced.iter().filter(|(_, synced)| !**synced).map(|(inode, _)| *inode).collect();
        state.synced.clear();
        drop(state);
        self.forget(&dirty);
    }

    /// Empties the files whose bytes never reached the disk.
    fn forget(&self, dirty: &[u64]) {
        let Some(root) = self.log().first().and_then(|line| line.split(' ').nth(2)).map(PathBuf::from) else { return };
        let mut folders = vec![root];
        while let Some(folder) = folders.pop() {
            for item in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let about = item.metadata().unwrap();
                if about.is_dir() {
                    folders.push(item.path());
                } else if dirty.contains(&about.ino()) {
                    File::create(item.path()).unwrap();
                }
            }
        }
    }
}

impl Fs for Disk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.step("create_dir", path)?;
        RealFs.create_dir(path)?;
        state.names.push(path.to_owned());
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        let mut state = self.step("create", path)?;
        let file = RealFs.create(path)?;
        let inode = file.metadata()?.ino();
        state.lost.remove(&inode);
        state.synced.insert(inode, false);
        Ok(file)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let inode = file.metadata()?.ino();
        let mut state = self.step("write", Path::new(&inode.to_string()))?;
        state.synced.insert(inode, false);
        RealFs.write(file, bytes)
    }

    fn write_direct(&self, file: &mut File, bytes: &[u8]) -> io::Result<bool> {
        let inode = file.metadata()?.ino();
        let mut state = self.step("write", Path::new(&inode.to_string()))?;
        state.synced.insert(inode, false);
        RealFs.write_direct(file, bytes)
    }

    fn start_writeback(&self, _file: &File) {}

    fn sync(&self, file: &File) -> io::Result<()> {
        let inode = file.metadata()?.ino();
        match self.step("sync", Path::new(&inode.to_string())) {
            Ok(mut state) => {
                let kept = !state.lost.contains(&inode);
                state.synced.insert(inode, kept);
                Ok(())
            }
            Err(error) => {
                self.state.lock().unwrap().lost.insert(inode);
                Err(error)
            }
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.step("rename", to)?;
        RealFs.rename(from, to)?;
        state.named += 1;
        state.names.push(to.to_owned());
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.step("sync_dir", path)?;
        state.names.retain(|name| name.parent() != Some(path));
        Ok(())
    }

    fn sync_file_system(&self, path: &Path) -> io::Result<()> {
        let mut state = self.step("sync_file_system", path)?;
        state.names.clear();
        let lost = state.lost.clone();
        state.synced.iter_mut().for_each(|(inode, synced)| *synced = !lost.contains(inode));
        Ok(())
    }
}
