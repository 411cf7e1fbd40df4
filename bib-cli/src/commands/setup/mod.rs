//! `bib setup`: asks little, writes the daemon's configuration and this program's own, starts the node if asked to, and
//! says what is next.

mod answers;
mod key;
mod plan;
mod start;

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::session::{Env, LOCAL_CONTEXT, Target};
use crate::settings::{Settings, socket_of, write_private};
use crate::shell::word;
use answers::Answers;
use bib_proto::client::Address;
use plan::Plan;
use serde_json::{Value, json};
use start::{Outcome, Start};
use std::path::PathBuf;

/// What to set up; what is not said is asked on a terminal, else taken from the present setup or the default.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib setup\n  bib setup --no-input --name lab-a --mode full --start now\n  \
    bib setup --no-input --data-dir /srv/bib --p2p-listen /ip4/0.0.0.0/tcp/4101 --grpc-listen 0.0.0.0:4100\n  \
    bib setup --print > lab.toml   # then, elsewhere: bib setup --from lab.toml --name lab-b")]
pub(crate) struct Args {
    /// Name of this node for people [default: the host name]
    #[arg(long)]
    name: Option<String>,
    /// full: keeps everything its base nodes have; selective: keeps the topics it subscribed to; proxy: keeps nothing,
    /// reads what the nodes that it joined have
    #[arg(long, value_parser = answers::MODES)]
    mode: Option<String>,
    /// Folder of everything that the node keeps
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// auto, process (a PostgreSQL of its own) or sqlite (limited)
    #[arg(long, value_parser = ["auto", "process", "sqlite"])]
    storage: Option<String>,
    /// Address of the API; may be given more than once
    #[arg(long, value_name = "ADDR")]
    grpc_listen: Vec<std::net::SocketAddr>,
    /// Multiaddress of the node network; may be given more than once
    #[arg(long, value_name = "MULTIADDR")]
    p2p_listen: Vec<String>,
    /// Address of pages and health probes
    #[arg(long, value_name = "ADDR")]
    web_listen: Option<std::net::SocketAddr>,
    /// Do not look for nodes by multicast DNS
    #[arg(long)]
    no_mdns: bool,
    /// Start the node: now, or now and at every login (systemd) [default: no]
    #[arg(long, value_enum, value_name = "WHEN")]
    start: Option<Start>,
    /// Take the answers from this file, as --print writes it; flags win over it
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Print the answers of the present setup, and change nothing
    #[arg(long, conflicts_with = "from")]
    print: bool,
    /// Take no answer from a default: print those that are missing, and end with exit code 2
    #[arg(long)]
    non_interactive: bool,
    /// Overwrite a setup that says something else
    #[arg(long)]
    force: bool,
    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Sets this machine up.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let path = env.home.daemon_config();
    let present = plan::read(&path)?;
    if args.print {
        return print(env, &present);
    }
    let given = answers::given(&args)?;
    if args.non_interactive {
        answers::all_given(&given)?;
    }
    let asks = env.global.may_ask() && !env.global.yes && !args.non_interactive;
    let answers = Answers::settle(env, given, &present, asks, args.dry_run).await?;
    let plan = Plan::new(&present, &answers, &args)?;
    let agreed = args.force || args.dry_run;
    if plan.is_new() || !plan.changes() || agreed {
        // nothing that was there is lost
    } else if asks {
        crate::output::note(&format!("\n{} says something else now:\n{}", path.display(), plan.differences()));
        if !env.ask().confirm("Change it?", true)? {
            return Err(CliError::new(Exit::Cancelled, "nothing was written"));
        }
    } else {
        let text =
            format!("this machine is set up already, differently, in {}:\n{}", path.display(), plan.differences());
        return Err(CliError::new(Exit::Conflict, text)
            .because("SETUP_DIFFERS")
            .hint("keep it as it is, edit that file, or overwrite it: --force"));
    }
    if args.dry_run {
        let record = record(env, &answers, &plan, true, None);
        return env.out.object(&record, || plan.text().to_owned());
    }
    let settings = write(env, &answers, &plan)?;
    let started = start::start(env, &answers).await?;
    let record = record(env, &answers, &plan, false, started.as_ref());
    env.out.object(&record, || done(&env.later(&settings), &answers, &plan, started.as_ref()))
}

fn write(env: &Env, answers: &Answers, plan: &Plan) -> CliResult<Settings> {
    answers.key.keep()?;
    if plan.changes() {
        write_private(&env.home.daemon_config(), plan.text())?;
    }
    let mut settings = env.settings.clone();
    settings.node = settings.node.filter(|node| !node.starts_with("unix:"));
    settings.ssh_key = answers.key.file.clone();
    settings.data_dir = Some(answers.data_dir.clone());
    if settings != env.settings {
        env.home.save(&settings)?;
    }
    Ok(settings)
}

fn record(env: &Env, answers: &Answers, plan: &Plan, dry_run: bool, started: Option<&Outcome>) -> Value {
    json!({
        "name": answers.name, "mode": answers.mode, "storage": answers.storage, "dataDir": answers.data_dir,
        "config": env.home.daemon_config(), "key": answers.key.public, "keyFile": answers.key.file,
        "keyMade": answers.key.is_new(), "mdns": answers.mdns, "changed": plan.changes(), "dryRun": dry_run,
        "started": started.map(|outcome| outcome.how.clone()), "id": started.map(|outcome| outcome.id.clone()),
        "fingerprint": started.map(|outcome| outcome.fingerprint.clone()),
    })
}

/// What was done and what is next; `env` is that of the next command.
fn done(env: &Env, answers: &Answers, plan: &Plan, started: Option<&Outcome>) -> String {
    let key = match (&answers.key.file, answers.key.is_new()) {
        (Some(file), true) => format!("✓ made the key {} for you; it is who you are, keep it", file.display()),
        (Some(file), false) => format!("✓ you are the key {}", file.display()),
        (None, _) => format!("✓ you are the key {} of the SSH agent", answers.key.comment()),
    };
    let path = env.home.daemon_config();
    let usual = env.global.config_dir.is_none();
    let start = if usual { "bibd &".to_owned() } else { format!("bibd --config {} &", word(&path)) };
    let plain = if usual { "bib".to_owned() } else { format!("bib --config-dir {}", word(env.home.path())) };
    let (bib, elsewhere) = way_here(env, answers, &plain);
    let wrote = if plan.changes() { "wrote" } else { "nothing to change in" };
    let mut text = format!(
        "✓ {} is a {} node, its data in {}\n✓ {}\n{key}\n✓ {wrote} {}\n",
        answers.name,
        answers.mode,
        answers.data_dir.display(),
        answers.database(),
        path.display(),
    );
    let mut next = Vec::new();
    match started {
        Some(outcome) => text.push_str(&format!(
            "✓ it runs, {}\n  id          {}\n  fingerprint {}\n",
            outcome.how, outcome.id, outcome.fingerprint
        )),
        None => next.push(start),
    }
    next.push(format!("{bib} status"));
    next.push(if answers.storage == "sqlite" || answers.mode == "proxy" {
        format!("{bib} join TICKET   # bib invite prints it on a node that has data")
    } else {
        format!("{bib} topic create weather")
    });
    text.push_str(&elsewhere);
    text.push_str("\nnext\n");
    next.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    text
}

/// How a command gets to the node that was set up, and a line for where it would go else.
fn way_here(env: &Env, answers: &Answers, plain: &str) -> (String, String) {
    let socket = Address::Unix(socket_of(&answers.data_dir));
    let Some(elsewhere) = env.goes_elsewhere(&Target::at(socket.clone(), None)) else {
        return (plain.to_owned(), String::new());
    };
    if env.local().address != socket {
        // another folder is named by the environment
        return (format!("{plain} --node {socket}"), format!("! {elsewhere}\n"));
    }
    let bib = format!("{plain} --context {LOCAL_CONTEXT}");
    let advice = format!("to this node from now on: {plain} context use {LOCAL_CONTEXT}");
    (bib, format!("! {elsewhere}; {advice}\n"))
}

/// The answers of the present setup, as `--from` takes them.
fn print(env: &Env, present: &toml::Table) -> CliResult {
    if present.is_empty() {
        return Err(CliError::new(Exit::NotFound, "this machine is not set up yet")
            .because("NOT_SET_UP")
            .hint("bib setup"));
    }
    let answers = answers::of_config(present, env.settings.ssh_key.clone());
    let text = toml::to_string(&answers).map_err(|error| CliError::new(Exit::Failed, error.to_string()))?;
    env.out.object(&json!(answers), || text)
}
