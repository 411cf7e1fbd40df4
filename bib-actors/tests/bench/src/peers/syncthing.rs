//! syncthing, told what to do through its own API: two instances that share a folder, or one by itself.

use super::daemon::{Daemon, answering_to};
use super::{debian, output, sync};
use crate::measure::seconds;
use anyhow::{Context, ensure};
use bib_node_tests::{free_port, until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(300);
/// What lets a caller in.
const KEY: &str = "bench";

/// The two instances.
pub(crate) struct Syncthing {
    first: Instance,
    second: Instance,
}

struct Instance {
    api: u16,
    listen: u16,
    folder: PathBuf,
    id: String,
    daemon: Daemon,
}

/// One instance by itself, with files, which is started and stopped.
pub(crate) struct Alone {
    home: PathBuf,
    api: u16,
}

impl Syncthing {
    /// Starts both in `place` and pairs them.
    pub(crate) fn start(place: &Path) -> anyhow::Result<Self> {
        install()?;
        let (first, second) = (Instance::start(place, "a")?, Instance::start(place, "b")?);
        first.pair_with(&second)?;
        second.pair_with(&first)?;
        until("the two are connected", PATIENCE, || {
            let answer = first.call("GET", "system/connections", None).unwrap_or_default();
            answer["connections"][&second.id]["connected"] == true
        })?;
        Ok(Self { first, second })
    }

    /// Puts a copy of `source` into the first one's folder; the seconds from when that has hashed it until the second
    /// one has it on the disk, and the copy that it made.
    pub(crate) fn move_file(&self, source: &Path, name: &str) -> anyhow::Result<(f64, PathBuf)> {
        let size = std::fs::copy(source, self.first.folder.join(name))?;
        sync(&self.first.folder)?;
        self.first.call("POST", "db/scan?folder=f", None)?;
        let target = self.second.folder.join(name);
        let ((), took) = seconds(|| {
            until("syncthing has moved the file", PATIENCE, || {
                std::fs::metadata(&target).is_ok_and(|about| about.len() == size)
            })?;
            sync(&self.second.folder)
        })?;
        Ok((took, target))
    }

    /// Removes a file on both sides.
    pub(crate) fn remove(&self, name: &str) -> anyhow::Result<()> {
        std::fs::remove_file(self.first.folder.join(name))?;
        self.first.call("POST", "db/scan?folder=f", None)?;
        let target = self.second.folder.join(name);
        until("syncthing has removed the file", PATIENCE, || !target.exists())
    }
}

impl Alone {
    /// Makes it in `place`, which gets the files from `fill`; it does not run then.
    pub(crate) fn new(place: &Path, fill: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<Self> {
        install()?;
        let made = Instance::start(place, "alone")?;
        fill(&made.folder)?;
        made.share(&[made.id.as_str()])?;
        made.call("POST", "db/scan?folder=f", None)?;
        let files = made.call("GET", "db/status?folder=f", None)?;
        ensure!(files["localFiles"].as_u64() > Some(0), "syncthing found no files: {files}");
        made.daemon.stop()?;
        Ok(Self { home: home(place, "alone"), api: made.api })
    }

    /// Starts it; comes back when it answers.
    pub(crate) fn start(&self) -> anyhow::Result<Daemon> {
        let daemon = Daemon::start(&mut command(&self.home, self.api))?;
        answering_to(self.api, "/rest/system/ping", &format!("X-API-Key: {KEY}\r\n"))?;
        Ok(daemon)
    }
}

fn install() -> anyhow::Result<()> {
    debian("syncthing", "syncthing")?;
    debian("curl", "curl")
}

fn home(place: &Path, name: &str) -> PathBuf {
    place.join(format!("home-{name}"))
}

fn command(home: &Path, api: u16) -> Command {
    let mut command = Command::new("syncthing");
    command.args(["serve", "--no-browser", "--no-default-folder", "--no-upgrade"]).arg("--home").arg(home);
    command.arg(format!("--gui-address=127.0.0.1:{api}")).arg(format!("--gui-apikey={KEY}")).env("HOME", home);
    // without a monitor: it would start a process that leaves its group and lives on
    command.env("STMONITORED", "yes");
    command
}

impl Instance {
    fn start(place: &Path, name: &str) -> anyhow::Result<Self> {
        let (home, folder) = (home(place, name), place.join(format!("folder-{name}")));
        std::fs::create_dir_all(&home)?;
        std::fs::create_dir_all(&folder)?;
        let (api, listen) = (free_port(), free_port());
        let daemon = Daemon::start(&mut command(&home, api))?;
        let mut made = Self { api, listen, folder, id: String::new(), daemon };
        until("syncthing answers", PATIENCE, || made.call("GET", "system/ping", None).is_ok())?;
        let status = made.call("GET", "system/status", None)?;
        status["myID"].as_str().context("syncthing's id")?.clone_into(&mut made.id);
        let options = json!({
            "listenAddresses": [format!("tcp://127.0.0.1:{listen}")], "globalAnnounceEnabled": false,
            "localAnnounceEnabled": false, "relaysEnabled": false, "natEnabled": false, "urAccepted": -1,
            "crashReportingEnabled": false, "reconnectionIntervalS": 1,
        });
        made.call("PATCH", "config/options", Some(&options))?;
        Ok(made)
    }

    fn pair_with(&self, other: &Self) -> anyhow::Result<()> {
        let address = format!("tcp://127.0.0.1:{}", other.listen);
        let device = json!({"deviceID": other.id, "name": "other", "addresses": [address], "compression": "never"});
        self.call("POST", "config/devices", Some(&device))?;
        self.share(&[self.id.as_str(), other.id.as_str()])
    }

    /// Makes its folder one that these devices share.
    fn share(&self, ids: &[&str]) -> anyhow::Result<()> {
        let devices: Vec<Value> = ids.iter().map(|id| json!({"deviceID": id})).collect();
        let folder = json!({
            "id": "f", "label": "f", "path": self.folder, "type": "sendreceive", "fsWatcherEnabled": false,
            "rescanIntervalS": 3600, "devices": devices,
        });
        self.call("POST", "config/folders", Some(&folder)).map(|_| ())
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let url = format!("http://127.0.0.1:{}/rest/{path}", self.api);
        let mut command = Command::new("curl");
        command.args(["-s", "-S", "-f", "-X", method, "-H", &format!("X-API-Key: {KEY}"), &url]);
        if let Some(body) = body {
            command.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]);
        }
        let answer = output(&mut command)?;
        ensure!(answer.status.success(), "syncthing refused {path}");
        Ok(serde_json::from_slice(&answer.stdout).unwrap_or_default())
    }
}
