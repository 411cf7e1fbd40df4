//! Two syncthing instances that share a folder, told what to do through their own API.

use super::daemon::Daemon;
use super::{debian, output, sync};
use crate::measure::seconds;
use anyhow::{Context, ensure};
use bib_node_tests::{free_port, until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(300);

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
    _daemon: Daemon,
}

impl Syncthing {
    /// Starts both in `place` and pairs them.
    pub(crate) fn start(place: &Path) -> anyhow::Result<Self> {
        debian("syncthing", "syncthing")?;
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

impl Instance {
    fn start(place: &Path, name: &str) -> anyhow::Result<Self> {
        let (home, folder) = (place.join(format!("home-{name}")), place.join(format!("folder-{name}")));
        std::fs::create_dir_all(&home)?;
        std::fs::create_dir_all(&folder)?;
        let (api, listen) = (free_port(), free_port());
        let mut command = Command::new("syncthing");
        command.args(["serve", "--no-browser", "--no-default-folder", "--no-upgrade"]).arg("--home").arg(&home);
        command.arg(format!("--gui-address=127.0.0.1:{api}")).arg("--gui-apikey=bench").env("HOME", &home);
        // without a monitor: it would start a process that leaves its group and lives on
        let daemon = Daemon::start(command.env("STMONITORED", "yes"))?;
        let mut made = Self { api, listen, folder, id: String::new(), _daemon: daemon };
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
        let folder = json!({
            "id": "f", "label": "f", "path": self.folder, "type": "sendreceive", "fsWatcherEnabled": false,
            "rescanIntervalS": 3600, "devices": [{"deviceID": self.id}, {"deviceID": other.id}],
        });
        self.call("POST", "config/folders", Some(&folder)).map(|_| ())
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let url = format!("http://127.0.0.1:{}/rest/{path}", self.api);
        let mut command = Command::new("curl");
        command.args(["-s", "-S", "-f", "-X", method, "-H", "X-API-Key: bench", &url]);
        if let Some(body) = body {
            command.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]);
        }
        let answer = output(&mut command)?;
        ensure!(answer.status.success(), "syncthing refused {path}");
        Ok(serde_json::from_slice(&answer.stdout).unwrap_or_default())
    }
}
