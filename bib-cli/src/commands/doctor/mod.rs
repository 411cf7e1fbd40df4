//! `bib doctor`: checks this machine and the node on it, also while the node is down, and mends what is safe to mend.

mod check;
mod files;
mod fix;
mod machine;
mod node;
mod ports;

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::global::Format;
use crate::listing::Listing;
use crate::output::{Output, column, counted, field, terminal_width, wrap};
use crate::session::{Env, Target};
use check::{AREAS, CHECKS, Check, State};
use serde_json::Value;
use std::collections::BTreeSet;

/// The check that the node answers at all.
const ANSWERS: (&str, &str) = ("node", "answers");

/// Which checks, and what to do about them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib doctor\n  bib doctor --only ports,database\n  bib doctor --fix --dry-run\n  \
    bib doctor -o json --filter 'state != \"ok\"'")]
pub(crate) struct Args {
    /// Only these areas or checks: --only os,config.file
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    only: Vec<String>,
    /// Not these areas or checks
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    skip: Vec<String>,
    /// Mend what can be mended without a risk for data, after asking
    #[arg(long)]
    fix: bool,
    /// With --fix: say what would be mended, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    listing: Listing,
}

/// Runs the checks; exit code 11 if one fails. `damage`: why this program's own settings cannot be read.
pub(super) async fn run(env: &Env, args: Args, damage: Option<CliError>) -> CliResult {
    let wanted = Wanted::new(&args)?;
    if let Ok(target) = env.target()
        && !target.is_here()
        && wanted.only.is_empty()
    {
        let text =
            format!("commands go to {}, so this machine is not looked at: bib doctor --context local", target.address);
        env.out.remark(&text);
    }
    let mut checks = look(env, &wanted, damage.as_ref()).await;
    if args.fix && fix::mend(env, &checks, args.dry_run)? {
        // what was damaged is read anew
        let damage = env.home.settings().err();
        checks = look(env, &wanted, damage.as_ref()).await;
    }
    let items: Vec<Value> = checks.iter().map(Check::record).collect();
    let items = args.listing.pick(items, &Check::ok("os", "disk", "").record())?;
    show(&env.out.limited(args.listing.most()), &items, env.global.accessible)?;
    let failed = items.iter().filter(|item| item["state"] == "fail").count() as u64;
    if failed == 0 {
        return Ok(());
    }
    let mut error = CliError::new(Exit::Unhealthy, format!("{} failed", counted(failed, "check")))
        .because("UNHEALTHY")
        .hint("each failed line says what is wrong; mend it and look again: bib doctor");
    if !args.fix && checks.iter().any(|check| check.fix.is_some()) {
        error = error.hint("bib doctor --fix");
    }
    Err(error)
}

async fn look(env: &Env, wanted: &Wanted, damage: Option<&CliError>) -> Vec<Check> {
    let target = env.target();
    let here = target.as_ref().map_or(true, Target::is_here);
    // where commands go to another machine, what is about this one is looked at only if it is named
    let machine = |area: &str| wanted.area(area) && (here || !wanted.only.is_empty());
    let mut checks = Vec::new();
    if machine("os") {
        checks.extend(machine::os(&env.data_dir()));
    }
    if machine("config") {
        checks.extend(files::config(env));
    }
    if machine("identity") {
        checks.extend(files::identity(&env.data_dir()));
    }
    if wanted.area("client") {
        checks.extend(files::client(env, damage));
    }
    if wanted.area("database") && (here || wanted.only.iter().any(|word| word == "database.postgres")) {
        checks.push(machine::postgres());
    }
    let of_node: Vec<_> = CHECKS.iter().copied().filter(|check| is_of_node(*check) && wanted.name(*check)).collect();
    let listens = machine("ports") || machine("web");
    let answer = match target {
        _ if of_node.is_empty() && !(here && listens) => None,
        Ok(target) => Some(node::ask(env, target).await),
        Err(error) => Some(Err(error)),
    };
    let runs = match &answer {
        Some(answer) if here => answer.is_ok(),
        _ => listens && node::ask(env, env.local()).await.is_ok(),
    };
    if machine("ports") {
        checks.extend(ports::all(env, runs));
    }
    if machine("web") && runs {
        checks.push(ports::web(env).await);
    } else if machine("web") && !(here && of_node.contains(&ANSWERS)) {
        checks.push(Check::fail("web", "ready", "not checked: no node answers on this machine"));
    }
    match answer {
        Some(Ok(answer)) if !of_node.is_empty() => checks.extend(answer.checks(env).await),
        Some(Err(error)) => checks.extend(silent(&of_node, &node::silence(env, &error))),
        _ => {}
    }
    checks.retain(|check| wanted.name((check.area, check.check)));
    checks.sort_by_key(|check| AREAS.iter().position(|area| *area == check.area));
    checks
}

/// Whether the node must answer for a check.
fn is_of_node((area, check): (&str, &str)) -> bool {
    matches!(area, "node" | "p2p" | "audit") || (area, check) == ("database", "storage")
}

/// A node that does not answer is told once where that was to be checked, else in each area that it was to be asked about.
fn silent(of_node: &[(&'static str, &'static str)], why: &str) -> Vec<Check> {
    if of_node.contains(&ANSWERS) {
        return vec![Check::fail(ANSWERS.0, ANSWERS.1, why)];
    }
    let mut told = BTreeSet::new();
    let first = of_node.iter().filter(|(area, _)| told.insert(*area));
    first.map(|(area, check)| Check::fail(area, check, format!("not checked: {why}"))).collect()
}

/// What was asked for.
struct Wanted {
    only: Vec<String>,
    skip: Vec<String>,
}

impl Wanted {
    fn new(args: &Args) -> CliResult<Self> {
        for word in args.only.iter().chain(&args.skip) {
            let names = |(area, check): &(&str, &str)| word == area || *word == format!("{area}.{check}");
            if CHECKS.iter().any(names) {
                continue;
            }
            let error = CliError::usage(format!("there is no check {word:?}")).because("UNKNOWN_CHECK");
            let area = word.split('.').next().unwrap_or_default();
            let near: Vec<String> =
                CHECKS.iter().filter(|(of, _)| *of == area).map(|(of, check)| format!("{of}.{check}")).collect();
            return Err(if near.is_empty() {
                error.hint(format!("areas: {}", AREAS.join(", "))).hint("one check: bib doctor --only os.disk")
            } else {
                error.hint(format!("checks of this area: {}", near.join(", ")))
            });
        }
        Ok(Self { only: args.only.clone(), skip: args.skip.clone() })
    }

    /// Whether anything of an area is wanted.
    fn area(&self, area: &str) -> bool {
        let of = |word: &String| word.split('.').next() == Some(area);
        (self.only.is_empty() || self.only.iter().any(of)) && !self.skip.iter().any(|word| word == area)
    }

    fn name(&self, (area, check): (&str, &str)) -> bool {
        let names = |word: &String| word == area || *word == format!("{area}.{check}");
        (self.only.is_empty() || self.only.iter().any(names)) && !self.skip.iter().any(names)
    }
}

fn show(out: &Output, items: &[Value], accessible: bool) -> CliResult {
    let tree = matches!(out.format, Format::Table) && out.is_plain_list() && !accessible;
    if tree {
        crate::output::people(&people(items, terminal_width().unwrap_or(usize::MAX)));
        return Ok(());
    }
    let columns = [
        column("STATE", |v| State::sign_of(&field(v, "state")).to_owned()).exact("state", |v| field(v, "state")),
        column("CHECK", |v| field(v, "name")),
        column("DETAIL", |v| field(v, "detail")),
    ];
    out.list(items, &columns, "No check fits")
}

/// The areas, each as bad as its worst check, with the checks below.
fn people(items: &[Value], width: usize) -> String {
    let mut text = String::new();
    for area in AREAS {
        let own: Vec<&Value> = items.iter().filter(|item| item["area"] == *area).collect();
        let Some(worst) = own.iter().map(|item| State::of(&field(item, "state"))).max() else { continue };
        text.push_str(&format!("{} {area}\n", worst.glyph()));
        for item in own {
            let head = format!("  {} {:<14} ", State::of(&field(item, "state")).glyph(), field(item, "check"));
            let line = format!("{head}{}", field(item, "detail"));
            text.push_str(&wrapped(&line, head.chars().count(), width));
        }
    }
    let count = |state: &str| items.iter().filter(|item| item["state"] == state).count() as u64;
    text.push_str(&format!("\n{} ok, {}, {} failed\n", count("ok"), counted(count("warn"), "warning"), count("fail")));
    crate::error::printable(&text)
}

/// A line whose text goes on below where it began.
fn wrapped(line: &str, indent: usize, width: usize) -> String {
    let (head, rest): (String, String) = (line.chars().take(indent).collect(), line.chars().skip(indent).collect());
    let pad = " ".repeat(indent);
    let body = wrap(&rest, width.saturating_sub(indent).max(20), "");
    format!("{head}{}\n", body.lines().collect::<Vec<_>>().join(&format!("\n{pad}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_is_as_bad_as_its_worst_check() {
        let checks = [
            Check::ok("os", "disk", "much free"),
            Check::warn("os", "open-files", "few, and the text of this goes on for longer than the terminal is wide"),
            Check::fail("config", "file", "broken"),
        ];
        let items: Vec<Value> = checks.iter().map(Check::record).collect();
        let text = people(&items, 50);
        assert!(text.starts_with("! os\n  ✓ disk           much free\n  ! open-files     few, and"), "{text}");
        assert!(text.contains("✗ config\n") && text.ends_with("1 ok, 1 warning, 1 failed\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 50), "{text}");
    }

    #[test]
    fn what_a_silent_node_was_to_be_asked_is_not_well() {
        let all: Vec<_> = CHECKS.iter().copied().filter(|check| is_of_node(*check)).collect();
        let names = |checks: Vec<Check>| checks.iter().map(Check::name).collect::<Vec<_>>();
        assert_eq!(names(silent(&all, "down")), ["node.answers"]);
        let some = [("p2p", "listens"), ("p2p", "peers"), ("audit", "chain")];
        let told = silent(&some, "down");
        assert!(told.iter().all(|check| check.state == State::Fail && check.detail == "not checked: down"));
        assert_eq!(names(told), ["p2p.listens", "audit.chain"]);
        assert!(silent(&[], "down").is_empty());
        assert!(CHECKS.iter().all(|(area, _)| AREAS.contains(area)));
    }

    #[test]
    fn checks_are_chosen_by_area_or_name() {
        let wanted = |only: &[&str], skip: &[&str]| Wanted {
            only: only.iter().map(ToString::to_string).collect(),
            skip: skip.iter().map(ToString::to_string).collect(),
        };
        let disk = ("os", "disk");
        assert!(wanted(&[], &[]).name(disk) && wanted(&["os"], &[]).name(disk));
        assert!(wanted(&["os.disk"], &[]).name(disk) && !wanted(&["os.open-files"], &[]).name(disk));
        assert!(!wanted(&[], &["os.disk"]).name(disk) && wanted(&[], &["os.disk"]).area("os"));
        assert!(!wanted(&["web"], &[]).area("os"));
    }
}
