//! Where sorts and groups set aside what does not fit into a query's memory: a folder that is made when the first of them
//! has to. Most queries never do, and need none made and removed.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::{DiskManager, SpillFile, TempFileFactory};
use parking_lot::Mutex;

/// The files of one query, in a folder of their own in `dir`.
pub(crate) struct Spill {
    dir: PathBuf,
    /// Bytes in them at most.
    most: u64,
    manager: Mutex<Option<Arc<DiskManager>>>,
}

impl Spill {
    pub(crate) fn new(dir: PathBuf, most: u64) -> Self {
        Self { dir, most, manager: Mutex::default() }
    }
}

impl TempFileFactory for Spill {
    fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
        let mut manager = self.manager.lock();
        let manager = match &*manager {
            Some(there) => Arc::clone(there),
            None => {
                let builder = DiskManagerBuilder::default()
                    .with_mode(DiskManagerMode::Directories(vec![self.dir.clone()]))
                    .with_max_temp_directory_size(self.most);
                Arc::clone(manager.insert(Arc::new(builder.build()?)))
            }
        };
        manager.create_tmp_file(description)
    }
}
