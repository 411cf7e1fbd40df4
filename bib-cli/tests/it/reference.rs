//! The reference page: made from the command tree, and the same as the file in `docs/`.
//!
//! `BIB_BLESS=1 cargo test` writes the page anew.

use bib_cli::Cli;
use clap::{Arg, ArgAction, Command, CommandFactory};
use std::fmt::Write;
use std::path::PathBuf;

const HEAD: &str = "# The command line

This page is made from the program itself, by a test: `BIB_BLESS=1 cargo test --workspace` writes it anew.

`bib` talks to one node: the one of `--node`, else the one that `bib connect` chose, else the one on this machine through
its Unix socket. Results go to standard output, everything else to standard error. What is printed is a table on a
terminal and tab-separated text elsewhere; `-o json` gives one document, `-o jsonl` one object a line. Fields of JSON may
be added, never removed. In CSV, and in lists as plain text, sizes are bytes, times are RFC 3339 in UTC and ids are
whole. A single record as plain text is what a person is shown; programs read it as JSON or CSV.

An error says what happened, its stable word in brackets, what to try and the id of the request. With `-o json` its last
line on standard error is one JSON object with `exitCode`, `reason`, `message`, `hint` and `requestId`.
";

fn page() -> String {
    let mut root = Cli::command();
    root.build();
    let mut text = HEAD.to_owned();
    text.push_str("\n## Commands\n\n");
    contents(&root, &mut text);
    text.push_str("\n## Global options\n\nBefore or after the command's name.\n\n");
    options(root.get_arguments().filter(|arg| arg.is_global_set()), &mut text);
    section(&root, &mut text);
    topics(&root, &mut text);
    text.push_str("\n## Exit codes\n\n`bib exit-codes` prints them. New ones may be added: take any other than 0 for a failure.\n\n");
    exit_codes(&mut text);
    text
}

/// Help that belongs to no command: commands that are not listed.
fn topics(root: &Command, text: &mut String) {
    text.push_str("\n## Help topics\n\n");
    for topic in root.get_subcommands().filter(|command| command.is_hide_set()) {
        let about = topic.get_about().map(ToString::to_string).unwrap_or_default();
        writeln!(text, "* `bib help {}`: {about}", topic.get_name()).unwrap();
    }
    text.push_str("* `bib help config`: settings, and where they come from\n");
}

fn exit_codes(text: &mut String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_bib")).args(["exit-codes", "--json"]).output().unwrap();
    let codes: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    text.push_str("| code | meaning |\n|---|---|\n");
    for code in codes.as_array().unwrap() {
        writeln!(text, "| {} | {} |", code["code"], code["meaning"].as_str().unwrap()).unwrap();
    }
}

fn children(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|child| child.get_name() != "help" && !child.is_hide_set())
}

fn path_of(command: &Command) -> String {
    command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn contents(command: &Command, text: &mut String) {
    for child in children(command) {
        if children(child).next().is_none() {
            let path = path_of(child);
            let about = child.get_about().map(ToString::to_string).unwrap_or_default();
            writeln!(text, "* [`{path}`](#{}): {about}", path.replace(' ', "-")).unwrap();
        }
        contents(child, text);
    }
}

fn section(command: &Command, text: &mut String) {
    for child in children(command) {
        if children(child).next().is_none() {
            leaf(child, text);
        }
        section(child, text);
    }
}

fn leaf(command: &Command, text: &mut String) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    writeln!(text, "\n## {}\n\n{about}.\n", path_of(command)).unwrap();
    writeln!(text, "```text\n{}\n```", usage(command)).unwrap();
    let own = || command.get_arguments().filter(|arg| !arg.is_global_set() && arg.get_id() != "help");
    if own().next().is_some() {
        text.push('\n');
        options(own(), text);
    }
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines: Vec<&str> = examples.lines().skip(1).map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
    writeln!(text, "\n```sh\n{}\n```", lines.join("\n")).unwrap();
}

fn usage(command: &Command) -> String {
    let mut line = path_of(command);
    if command.get_arguments().any(|arg| !arg.is_positional() && !arg.is_global_set() && arg.get_id() != "help") {
        line.push_str(" [OPTIONS]");
    }
    for arg in command.get_positionals() {
        let name = arg.get_id().as_str().to_uppercase();
        line.push_str(&if arg.is_required_set() { format!(" {name}") } else { format!(" [{name}]") });
    }
    line
}

fn options<'a>(args: impl Iterator<Item = &'a Arg>, text: &mut String) {
    text.push_str("| option | meaning |\n|---|---|\n");
    for arg in args {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        writeln!(text, "| {} | {} |", name(arg), cell(&help, arg)).unwrap();
    }
}

fn name(arg: &Arg) -> String {
    if arg.is_positional() {
        return format!("`{}`", arg.get_id().as_str().to_uppercase());
    }
    let value = match arg.get_action() {
        ArgAction::Set | ArgAction::Append => {
            let names = arg.get_value_names().map(|names| names.join(" "));
            format!(" {}", names.unwrap_or_else(|| arg.get_id().as_str().to_uppercase()))
        }
        _ => String::new(),
    };
    let long = arg.get_long().map(|long| format!("--{long}"));
    let short = arg.get_short().map(|short| format!("-{short}"));
    let both: Vec<String> = [short, long].into_iter().flatten().collect();
    format!("`{}{value}`", both.join("`, `"))
}

fn cell(help: &str, arg: &Arg) -> String {
    let mut text = help.replace('|', "\\|").replace('\n', " ");
    let choices: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|_| matches!(arg.get_action(), ArgAction::Set | ArgAction::Append))
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !choices.is_empty() {
        write!(text, "; one of {}", choices.join(", ")).unwrap();
    }
    let defaults: Vec<String> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy().into_owned())
        .filter(|v| !v.is_empty())
        .collect();
    if matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) && !defaults.is_empty() {
        write!(text, "; default `{}`", defaults.join(" ")).unwrap();
    }
    if let Some(variable) = arg.get_env() {
        write!(text, "; or `{}`", variable.to_string_lossy()).unwrap();
    }
    text
}

fn file() -> PathBuf {
    crate::errors::package_dir().join("../docs/reference/cli.md")
}

#[test]
fn the_reference_page_is_what_the_program_says() {
    let page = page();
    if std::env::var_os("BIB_BLESS").is_some() {
        std::fs::write(file(), &page).unwrap();
    }
    let kept = std::fs::read_to_string(file()).unwrap_or_default();
    let changed = page.lines().zip(kept.lines()).find(|(new, old)| new != old);
    assert!(kept == page, "docs/reference/cli.md is stale, first at {changed:?}: run this test with BIB_BLESS=1");
}

#[test]
fn every_link_of_the_page_has_its_section() {
    let page = page();
    for line in page.lines().filter(|line| line.starts_with("* [`")) {
        let title = line.trim_start_matches("* [`").split('`').next().unwrap();
        assert!(page.contains(&format!("\n## {title}\n")), "{title} has no section");
    }
}
