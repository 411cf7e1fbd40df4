//! Two nodes by the compose file: the commands of `docs/how-to/docker-compose.md` as they stand, and what goes wrong with
//! containers.

use super::base::Base;
use super::containers::hardened;
use super::engine::Engine;
use super::https::{get, open};
use super::markdown::{blocks, section};
use super::shell::{bad, end, good, root};
use bib_node_tests::{Lab, free_port, until};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const FLIGHTS: u64 = 336_776;
/// How many seconds the commands of one part of the page may take.
const PATIENCE: &str = "600";
/// The settings of the compose file for its ports.
const PORTS: [&str; 4] = ["LAB_A_PORT", "LAB_B_PORT", "LAB_A_WEB_PORT", "LAB_B_WEB_PORT"];

/// What the reader's shell has elsewhere in a test: the programs are built, the base needs the machine's network to be
/// filled, nobody types, and an older compose is a program of its own.
const SHELL: &str = r#"
cargo() { test "$1" = build; }
docker() {
    case "$1" in
    build) shift; command docker build --network host $BASE_WORDS "$@" ;;
    compose)
        local word="$2"; shift 2
        if [ "$word" = exec ] && [ "$1" != -T ]; then set -- -T "$@"; fi
        if command docker compose version >/dev/null 2>&1; then command docker compose "$word" "$@"
        else docker-compose "$word" "$@"; fi ;;
    *) command docker "$@" ;;
    esac
}
"#;

/// The page's reader with a clone, an engine, and ports that are free.
struct Pair<'a> {
    engine: &'a Engine,
    clone: PathBuf,
    base: String,
    ports: [u16; 4],
}

impl<'a> Pair<'a> {
    fn new(engine: &'a Engine, lab: &Lab, base: &Base) -> Self {
        let clone = lab.path().join("clone");
        std::fs::create_dir_all(clone.join("target/release")).unwrap();
        for folder in ["containers", "examples"] {
            good(Command::new("cp").arg("-r").arg(root().join(folder)).arg(&clone));
        }
        for program in ["bib", "bibd"] {
            let built = clone.join("target/release").join(program);
            good(Command::new("strip").arg("-o").arg(built).arg(lab.program(program)));
        }
        Self { engine, clone, base: base.words().join(" "), ports: [(); 4].map(|()| free_port()) }
    }

    fn around(&self, mut command: Command) -> Command {
        command.env("COMPOSE_PROJECT_NAME", "bib").env("BASE_WORDS", &self.base);
        command.envs(PORTS.into_iter().zip(self.ports.map(|port| port.to_string())));
        command
    }

    /// Runs a part of the page in a folder of the clone and answers what it prints.
    fn page(&self, part: &str, folder: &str) -> String {
        let text = std::fs::read_to_string(root().join("docs/how-to/docker-compose.md")).unwrap();
        let commands: Vec<String> = blocks(&section(&text, part)).into_iter().map(|block| block.text).collect();
        assert!(!commands.is_empty(), "there is nothing to run in {part}");
        let script = format!("{SHELL}\n{}", commands.concat());
        let words = [PATIENCE, "bash", "-euo", "pipefail", "-c", &script];
        let mut command = self.around(self.engine.client("timeout", &words));
        good(command.current_dir(self.clone.join(folder)))
    }

    fn compose(&self, words: &[&str]) -> Command {
        let file = self.clone.join("containers/compose.yaml");
        self.around(self.engine.compose(&[&["--file", file.to_str().unwrap()], words].concat()))
    }

    fn container(&self, service: &str) -> String {
        good(&mut self.compose(&["ps", "-q", service]))
    }

    fn bib(&self, container: &str, words: &[&str]) -> Value {
        let text = self.engine.exec(container, &[&["bib"], words, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"))
    }
}

pub(crate) fn two_nodes_by_compose(engine: &Engine, lab: &Lab, base: &Base) {
    let pair = Pair::new(engine, lab, base);
    pair.page("start", ".");
    std::fs::remove_dir_all(pair.clone.join("target")).unwrap();
    let (a, b) = (pair.container("lab-a"), pair.container("lab-b"));
    engine.healthy(&a);
    engine.healthy(&b);
    pair.page("use", "containers");

    let count = r#"dataset("flights/nyc", "flights.parquet").aggregate(r, {}, {"n": count()})"#;
    assert_eq!(pair.bib(&b, &["dataset", "query", count])[0]["n"], FLIGHTS);
    let version = |container: &str| pair.bib(container, &["dataset", "get", "flights/nyc"])["version"]["id"].clone();
    assert_eq!(version(&b), version(&a));
    verified(&pair, &b);
    hardened(engine, &a);
    reached_from_outside(&pair, lab, &a);
    the_pages_open_outside(&pair, [&a, &b]);
    comes_back(&pair, &a);
    let nodes = find_each_other_at_new_addresses(&pair);

    good(&mut pair.compose(&["stop"]));
    for container in &nodes {
        assert_eq!(engine.run(&["inspect", "--format", "{{.State.ExitCode}}", container]), "0", "not stopped in order");
    }
    good(&mut pair.compose(&["down", "--volumes"]));
}

fn verified(pair: &Pair, container: &str) {
    pair.engine.exec(container, &["bib", "dataset", "verify", "flights/nyc"]);
    assert_eq!(pair.bib(container, &["admin", "audit", "verify"])["ok"], true);
}

/// The published port is the node's, under its own certificate.
fn reached_from_outside(pair: &Pair, lab: &Lab, container: &str) {
    let fingerprint = pair.bib(container, &["status"])["tlsFingerprint"].as_str().unwrap().to_owned();
    let config = lab.path().join("outside");
    let mut bib = Command::new(lab.program("bib"));
    bib.args(["--no-input", "connect", &format!("127.0.0.1:{}", pair.ports[0]), "--config-dir"]).arg(config);
    let said = bad(bib.stderr(Stdio::piped()));
    assert!(said.contains("TRUST_UNKNOWN") && said.contains(&fingerprint), "{said}");
}

/// On the machine of the containers, the link that the page has one print leads to a signed-in page, under the certificate
/// that the page has one import, and in a real browser whose user went on past the warning.
fn the_pages_open_outside(pair: &Pair, containers: [&str; 2]) {
    pair.page("authority", "containers");
    let [ours, theirs] = ["a", "b"].map(|name| pair.clone.join(format!("lab-{name}.pem")));
    std::fs::rename(pair.clone.join("containers/lab-a.pem"), &ours).unwrap();
    let other = pair.engine.exec(containers[1], &["cat", "/var/lib/bib/tls/ca.pem"]);
    std::fs::write(&theirs, other).unwrap();

    let link = pair.page("pages", "containers");
    let leads = |link: &str, port: u16| {
        assert!(link.starts_with(&format!("https://127.0.0.1:{port}/auth/ott?token=")), "{link}");
    };
    leads(&link, pair.ports[2]);
    let refused = get(&link, &theirs, None).unwrap_err().to_string();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let signed_in = |page: &str, node: &str| {
        assert!(page.contains("Sign out") && page.contains(&format!(">{node}<")), "{page}");
    };
    signed_in(&open(&link, &ours).unwrap(), "lab-a");
    let link = pair.engine.exec(containers[1], &["bib", "ui", "--print-url", "-q"]);
    leads(&link, pair.ports[3]);
    signed_in(&open(&link, &theirs).unwrap(), "lab-b");
    signed_in(&in_a_browser(&pair.page("pages", "containers"), &pair.clone.join("profile")), "lab-a");
}

/// What a Chromium has on its screen at a link, when its user was warned of the certificate and went on.
fn in_a_browser(link: &str, profile: &Path) -> String {
    let mut browser = Command::new("timeout");
    browser.args(["120", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
    browser.args(["--disable-background-networking", "--ignore-certificate-errors", "--dump-dom"]);
    good(browser.arg(format!("--user-data-dir={}", profile.display())).arg(link))
}

/// A container that was killed, and one whose bibd died, have everything again.
fn comes_back(pair: &Pair, container: &str) {
    let engine = pair.engine;
    engine.run(&["kill", "--signal", "KILL", container]);
    engine.run(&["start", container]);
    engine.healthy(container);
    verified(pair, container);

    let restarts = || engine.run(&["inspect", "--format", "{{.RestartCount}}", container]).parse::<u32>().unwrap();
    let before = restarts();
    // the shell goes down with its container
    end(&mut engine.docker(&["exec", container, "sh", "-c", "kill -9 $(cat /var/lib/bib/bibd.lock)"]));
    until("the engine starts it again", Duration::from_secs(60), || restarts() > before).unwrap();
    engine.healthy(container);
    verified(pair, container);
}

/// Containers that are made anew, in the other order, have other addresses, and perhaps each other's.
fn find_each_other_at_new_addresses(pair: &Pair) -> [String; 2] {
    good(&mut pair.compose(&["down"]));
    good(&mut pair.compose(&["up", "--detach", "--no-build", "lab-b"]));
    good(&mut pair.compose(&["up", "--detach", "--no-build"]));
    let nodes = ["lab-a", "lab-b"].map(|service| pair.container(service));
    for node in &nodes {
        pair.engine.healthy(node);
        until("the other node is found", Duration::from_secs(120), || {
            let listed = end(&mut pair.engine.docker(&["exec", node, "bib", "node", "list", "--json"]));
            serde_json::from_slice::<Value>(&listed.stdout).is_ok_and(|listed| listed[0]["connected"] == true)
        })
        .unwrap();
    }
    verified(pair, &nodes[1]);
    nodes
}
