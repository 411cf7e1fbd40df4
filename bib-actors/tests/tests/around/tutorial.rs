//! The five minutes of the README, run as they stand: each block of commands, and what the page says that it prints.

use super::markdown::{Block, Page};
use super::shell::{end, good, root};
use bib_node_tests::{Lab, free_port, until};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, geteuid};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long all of it may take: five minutes is what the page says.
const PATIENCE: Duration = Duration::from_secs(300);
/// Words of the page that stand for what is somewhere else in a test.
const SECOND: &str = "/tmp/b";
const PORTS: [&str; 3] = ["4100", "4101", "4180"];
/// Where the pages are unless the page says otherwise.
const PAGES: &str = "127.0.0.1:4080";

/// A block of commands with the blocks of output after it.
struct Step {
    commands: String,
    prints: Vec<String>,
}

fn steps(page: Page) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for Block { language, text } in page.blocks {
        match (language.as_str(), steps.last_mut()) {
            ("sh", _) => steps.push(Step { commands: text, prints: Vec::new() }),
            ("text", Some(step)) => step.prints.extend(text.lines().map(str::to_owned)),
            (other, _) => panic!("a block of {other:?} where commands or their output are expected"),
        }
    }
    steps
}

/// Whether `line` is what `pattern` says, where blanks count once and `…` stands for anything.
fn says(line: &str, pattern: &str) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (line, pattern) = (words(line), words(pattern));
    let parts: Vec<&str> = pattern.split('…').map(str::trim).collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    if parts.len() == 1 {
        return rest.is_empty();
    }
    for part in &parts[1..parts.len() - 1] {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// The shell in which the page's reader works: a home, the programs, the example data, ports that are free.
struct Reader {
    lab: Lab,
    shell: Option<Child>,
}

impl Reader {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        for folder in ["programs", "home", "clone/examples"] {
            std::fs::create_dir_all(lab.path().join(folder)).unwrap();
        }
        good(Command::new("cp").arg("-r").arg(root().join("examples/data")).arg(lab.path().join("clone/examples")));
        for program in ["bib", "bibd"] {
            good(Command::new("cp").arg(lab.program(program)).arg(lab.path().join("programs")));
        }
        if geteuid().is_root() {
            // the reader is an ordinary user
            good(Command::new("chown").arg("-R").arg("nobody").arg(lab.path()));
        }
        Self { lab, shell: None }
    }

    fn output(&self, name: &str) -> String {
        std::fs::read_to_string(self.lab.path().join(name)).unwrap_or_default()
    }

    /// Runs `script`, its output in the files `out` and `err`.
    fn run(&mut self, script: &str) {
        let at = self.lab.path();
        std::fs::write(at.join("script"), script).unwrap();
        let mut command = if geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "bash"]);
            command
        } else {
            Command::new("bash")
        };
        let path = format!("{}:/usr/bin:/bin", at.join("programs").display());
        let file = |name: &str| File::create(at.join(name)).unwrap();
        command.arg(at.join("script")).current_dir(at.join("clone")).env_clear().env("PATH", path);
        command.env("HOME", at.join("home")).env("USER", "reader").env("TMPDIR", at.join("home"));
        // what a terminal shows
        command.env("BIB_OUTPUT", "table").process_group(0);
        self.shell = Some(command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err")).spawn().unwrap());
    }

    fn ended(&mut self) -> Option<bool> {
        self.shell.as_mut().unwrap().try_wait().unwrap().map(|status| status.success())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let Some(shell) = &mut self.shell else { return };
        // the nodes may outlive a shell that failed; they are in its group
        let group = Pid::from_raw(i32::try_from(shell.id()).unwrap_or(i32::MAX));
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            let _ = killpg(group, signal);
            let gone = || shell.try_wait().is_ok() && killpg(group, None).is_err();
            if until("the nodes end", Duration::from_secs(30), gone).is_ok() {
                break;
            }
        }
        stop_postgres(self.lab.path());
    }
}

/// PostgreSQL is in a group of its own.
fn stop_postgres(lab: &Path) {
    let file = lab.join("home/.local/share/bib/postgres/data/postmaster.pid");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    if let Some(pid) = text.lines().next() {
        end(Command::new("kill").args(["-QUIT", pid.trim()]));
    }
}

/// The page's commands with what the test must have elsewhere, a mark before each block, and the reader's patience.
fn script(steps: &[Step], second: &Path, ports: [u16; 6]) -> String {
    // what runs by default on fixed ports gets free ones; the second node has its own on its command line
    let mut script = format!(
        "set -euo pipefail\n\
         ready() {{ until [ \"$(grep -c ' ready ' \"$HOME\"/../err)\" -ge \"$1\" ]; do sleep 0.1; kill -0 \"$2\"; done; }}\n\
         bibd() {{\n\
         if [ $# -eq 0 ]; then export BIBD_GRPC_LISTEN=127.0.0.1:{} BIBD_P2P_LISTEN=/ip4/127.0.0.1/tcp/{} \
         BIBD_WEB_LISTEN=127.0.0.1:{} BIBD_NO_MDNS=true; fi\n\
         exec bibd \"$@\"\n}}\n",
        ports[0], ports[1], ports[2]
    );
    let mut nodes = 0;
    for (number, step) in steps.iter().enumerate() {
        let mut commands = step.commands.replace(SECOND, second.to_str().unwrap());
        for (given, free) in PORTS.iter().zip(&ports[3..]) {
            commands = commands.replace(given, &free.to_string());
        }
        script.push_str(&format!("echo '=== {number}'\n{commands}"));
        if commands.lines().any(|line| line.starts_with("bibd ") && line.ends_with(" &")) {
            nodes += 1;
            script.push_str(&format!("ready {nodes} $!\n"));
        }
    }
    // both nodes end by themselves, and well
    script + "echo '=== end'\nfor node in $(jobs -p); do wait \"$node\"; done\n"
}

#[test]
fn the_five_minutes_of_the_readme_are_true() {
    let mut steps = steps(Page::read(&root().join("docs/tutorial.md")));
    let build = steps.remove(0).commands;
    assert!(build.starts_with("cargo build ") && build.contains("export PATH="), "the first block builds: {build}");
    assert!(steps.len() > 6 && steps.iter().filter(|step| !step.prints.is_empty()).count() > 5);

    let mut reader = Reader::new();
    let second = reader.lab.path().join("home/b");
    let ports = [(); 6].map(|()| free_port());
    let script = script(&steps, &second, ports);
    reader.run(&script);
    let mut ended = None;
    let waited = until("the page is done", PATIENCE, || {
        ended = reader.ended();
        ended.is_some()
    });
    let (out, err) = (reader.output("out"), reader.output("err"));
    assert!(waited.is_ok() && ended == Some(true), "{waited:?} {ended:?}\n{out}\n--- {err}");
    for (number, step) in steps.iter().enumerate() {
        let printed = out.split(&format!("=== {number}\n")).nth(1).unwrap().split("=== ").next().unwrap();
        let mut lines = printed.lines();
        for pattern in &step.prints {
            let pattern = &pattern.replace(PAGES, &format!("127.0.0.1:{}", ports[2]));
            assert!(
                lines.any(|line| says(line, pattern)),
                "{pattern:?} is not (in this order) in\n{printed}\n--- {err}"
            );
        }
    }
    assert!(!second.join("data/bibd.lock").exists() || out.contains("=== end"), "{out}");
}

#[test]
fn patterns_say_what_they_say() {
    assert!(
        says("a   b c", "a b c")
            && says("a b c", "a … c")
            && says("vm ● ready  x", "… ● ready …")
            && says("x y", "x …")
    );
    assert!(!says("a b c", "a b") && !says("a b", "a … c") && !says("b a", "a …") && !says("x ● read", "… ● ready …"));
}
