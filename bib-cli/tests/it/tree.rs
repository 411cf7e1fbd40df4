//! What holds for every command: walks the tree of them.

use bib_cli::Cli;
use clap::{Arg, Command, CommandFactory, Parser};
use std::collections::BTreeMap;

/// Commands that change nothing, so that they need no `--dry-run`. Each command is here or has one.
const READS: &[&str] = &[
    "bib status",
    "bib topic list",
    "bib topic get",
    "bib dataset list",
    "bib dataset get",
    "bib dataset versions",
    "bib dataset verify",
    "bib dataset query",
    "bib dataset preview",
    "bib node list",
    "bib node info",
    "bib admin audit list",
    "bib admin audit verify",
    "bib version",
    "bib exit-codes",
    "bib ui",
    "bib auth sign",
    "bib context list",
    "bib context show",
    "bib config list",
    "bib config get",
    "bib config path",
];

fn tree() -> Command {
    let mut root = Cli::command();
    root.build();
    root
}

fn path_of(command: &Command) -> String {
    command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned()
}

/// Every command but `help`, and whether it is one that does something.
fn walk<'a>(command: &'a Command, check: &mut dyn FnMut(&'a Command, &str, bool)) {
    for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
        let leaf = child.get_subcommands().all(|inner| inner.get_name() == "help");
        check(child, &path_of(child), leaf);
        walk(child, check);
    }
}

fn leaves(root: &Command) -> Vec<(&Command, String)> {
    let mut found = Vec::new();
    walk(root, &mut |command, path, leaf| {
        if leaf && !command.is_hide_set() {
            found.push((command, path.to_owned()));
        }
    });
    found
}

fn has(command: &Command, long: &str) -> bool {
    command.get_arguments().any(|arg| arg.get_long() == Some(long))
}

fn examples(command: &Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    lines.map(|line| line.trim().to_owned()).filter(|line| line.contains("bib ")).collect()
}

#[test]
fn every_command_says_what_it_does_in_one_line() {
    let root = tree();
    walk(&root, &mut |command, path, _| {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty() && about.chars().count() <= 80, "{path}: {about:?}");
        assert!(!about.contains('\n') && !about.ends_with('.'), "{path}: {about:?}");
    });
}

#[test]
fn every_option_says_what_it_means() {
    let root = tree();
    walk(&root, &mut |command, path, _| {
        for arg in command.get_arguments() {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(!help.is_empty() && !help.ends_with('.'), "{path}: {}: {help:?}", arg.get_id());
        }
    });
}

#[test]
fn every_verb_has_examples() {
    for (command, path) in leaves(&tree()) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.starts_with("Examples:\n") && examples(command).len() >= 2, "{path}: {help:?}");
    }
}

#[test]
fn examples_can_be_parsed() {
    for (command, path) in leaves(&tree()) {
        for line in examples(command) {
            // what stands before a pipe or behind a redirection is not ours
            let part = line.split('|').find(|part| part.trim().starts_with("bib ")).unwrap_or_default();
            let plain = part.split(['#', '>']).next().unwrap_or_default();
            // quoted expressions are one word; what they say is the node's business
            if plain.contains(['\'', '"', '$']) {
                continue;
            }
            let parsed = Cli::try_parse_from(plain.split_whitespace());
            assert!(plain.contains("...") || parsed.is_ok(), "{path}: {plain:?}: {}", parsed.err().unwrap());
        }
    }
}

#[test]
fn what_changes_something_can_be_tried_first() {
    let root = tree();
    let mut read = Vec::new();
    for (command, path) in leaves(&root) {
        let reads = READS.contains(&path.as_str());
        assert_ne!(reads, has(command, "dry-run"), "{path}: it reads only, or it has --dry-run");
        if reads {
            read.push(path);
        }
    }
    let gone: Vec<_> = READS.iter().filter(|path| !read.iter().any(|there| there == *path)).collect();
    assert!(gone.is_empty(), "{gone:?} are no commands");
}

#[test]
fn every_list_can_be_cut_and_filtered_and_printed_in_every_form() {
    let mut lists = 0;
    for (command, path) in leaves(&tree()) {
        if !["list", "versions", "exit-codes"].contains(&command.get_name()) {
            continue;
        }
        lists += 1;
        for flag in ["filter", "limit", "output", "columns", "sort", "jq"] {
            assert!(has(command, flag), "{path} has no --{flag}");
        }
        let default = command.get_arguments().find(|arg| arg.get_long() == Some("limit")).map(Arg::get_default_values);
        assert_eq!(default.unwrap(), ["100"], "{path}: --limit");
    }
    assert!(lists >= 5, "only {lists} lists were found");
}

#[test]
fn no_two_short_flags_mean_different_things() {
    let mut meanings: BTreeMap<char, (String, String)> = BTreeMap::new();
    let root = tree();
    walk(&root, &mut |command, path, _| {
        for arg in command.get_arguments() {
            let Some(short) = arg.get_short() else { continue };
            let long = arg.get_long().unwrap_or_default().to_owned();
            let (known, place) = meanings.entry(short).or_insert_with(|| (long.clone(), path.to_owned()));
            assert_eq!(*known, long, "-{short} in {path} and in {place}");
        }
    });
}

#[test]
fn the_same_option_takes_the_same_kind_of_value() {
    let mut kinds: BTreeMap<String, (String, String)> = BTreeMap::new();
    let root = tree();
    walk(&root, &mut |command, path, _| {
        for arg in command.get_arguments().filter(|arg| arg.get_action().takes_values()) {
            let Some(long) = arg.get_long() else { continue };
            let kind = arg.get_value_names().map(|names| names.join(" ")).unwrap_or_default();
            // files and folders are both paths
            let kind = kind.replace("DIR", "FILE");
            let (known, place) = kinds.entry(long.to_owned()).or_insert_with(|| (kind.clone(), path.to_owned()));
            assert_eq!(*known, kind, "--{long} in {path} and in {place}");
        }
    });
}

#[test]
fn every_command_has_its_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_bib"))
        .args(["man", "--dir"])
        .arg(folder.path().join("man1"))
        .env_clear()
        .env("HOME", folder.path())
        .status()
        .unwrap();
    assert!(status.success());
    for (command, path) in leaves(&tree()) {
        let name = format!("{}.1", path.replace(' ', "-"));
        let page = std::fs::read_to_string(folder.path().join("man1").join(&name)).unwrap_or_default();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        // roff has its own ways to write a hyphen and an apostrophe
        let plain = page.replace("\\-", "-").replace("\\*(Aq", "'");
        assert!(page.contains(".TH") && plain.contains(&about), "{name}: {page}");
    }
}
