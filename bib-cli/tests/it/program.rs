//! The program itself, where it needs no node: exit codes, errors for people and for programs, output forms.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `bib` with a home of its own.
pub(crate) fn bib(home: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bib"));
    command.args(words).env_clear().env("HOME", home).stdin(Stdio::null());
    command.output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn error_of(output: &Output) -> Value {
    let errors = text(&output.stderr);
    serde_json::from_str(errors.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("no JSON: {errors}"))
}

#[test]
fn the_exit_code_tells_the_kind_of_failure() {
    let home = tempfile::tempdir().unwrap();
    let missing = home.path().join("nothing.csv");
    let missing = missing.to_str().unwrap();
    let [there, new, nowhere] = ["there.csv", "new.csv", "nowhere/new.csv"].map(|name| home.path().join(name));
    std::fs::write(&there, "mine").unwrap();
    let [there, new, nowhere] = [&there, &new, &nowhere].map(|path| path.to_str().unwrap());
    let table: &[(i32, &[&str])] = &[
        (0, &["exit-codes"]),
        (0, &["version"]),
        (2, &["tpic"]),
        (2, &["topic", "create"]),
        (2, &["topic", "create", "Bad Name"]),
        (2, &["topic", "list", "--timeout", "soon"]),
        (2, &["--node", "http://x", "status"]),
        (2, &["exit-codes", "--columns", "colour"]),
        (2, &["exit-codes", "--sort", "code:sideways"]),
        (2, &["dataset", "upload", "-", "--topic", "t"]),
        (2, &["dataset", "upload", "-", "--topic", "t", "--name", "n", "--file", "../x"]),
        (10, &["dataset", "upload", "-", "--topic", "t", "--name", "n"]),
        (2, &["exit-codes", "--jq", ".["]),
        (2, &["exit-codes", "--jq", ".[].code.x"]),
        (2, &["exit-codes", "--filter", "size > 1"]),
        (2, &["exit-codes", "--filter", "code"]),
        (2, &["join", "bib1xyz"]),
        (2, &["man", "tpic"]),
        (2, &["dataset", "query", "x", "--out", "rows.xls"]),
        (2, &["dataset", "query", "x", "--sort", "size"]),
        (2, &["dataset", "preview", "t/d", "--sort", "size"]),
        (2, &["dataset", "query", "x", "--out", new, "--jq", "."]),
        // where rows cannot be written is told before a node is asked
        (1, &["dataset", "query", "x", "--out", nowhere]),
        (7, &["dataset", "query", "x", "--out", there]),
        (10, &["dataset", "query", "x", "--out", new]),
        (6, &["dataset", "upload", missing, "--topic", "t"]),
        (10, &["status"]),
        (10, &["--node", "127.0.0.1:1", "status"]),
        (11, &["doctor"]),
    ];
    for (code, words) in table {
        let output = bib(home.path(), words);
        assert_eq!(output.status.code(), Some(*code), "bib {words:?}: {}", text(&output.stderr));
        // each failure is told in one of two forms, never in none
        if *code != 0 && words.contains(&"--jq") {
            assert_eq!(error_of(&output)["type"], "error", "{words:?}: {}", text(&output.stderr));
        } else if *code != 0 {
            assert!(text(&output.stderr).starts_with("error: "), "{words:?}: {}", text(&output.stderr));
        }
    }
    assert_eq!(std::fs::read(there).unwrap(), b"mine");
    assert!(!Path::new(new).exists() && std::fs::read_dir(home.path()).unwrap().flatten().all(is_no_part));
}

fn is_no_part(entry: std::fs::DirEntry) -> bool {
    !entry.file_name().to_string_lossy().contains(".part")
}

#[test]
fn an_error_is_json_where_json_was_asked_for() {
    let home = tempfile::tempdir().unwrap();
    for words in [&["status", "--json"][..], &["status", "-o", "jsonl"]] {
        let output = bib(home.path(), words);
        assert!(output.stdout.is_empty());
        let error = error_of(&output);
        assert_eq!((error["type"].as_str(), error["exitCode"].as_u64()), (Some("error"), Some(10)), "{error}");
        assert_eq!(error["reason"], "NODE_UNREACHABLE");
    }
    let error = error_of(&bib(home.path(), &["tpic", "-o", "json"]));
    assert_eq!((error["exitCode"].as_u64(), error["reason"].as_str()), (Some(2), Some("USAGE")), "{error}");
}

#[test]
fn the_same_list_in_every_form() {
    let home = tempfile::tempdir().unwrap();
    let print = |words: &[&str]| {
        let all = [&["exit-codes", "--no-input"], words].concat();
        text(&bib(home.path(), &all).stdout)
    };
    assert!(print(&[]).starts_with("0\tsuccess"), "plain text where there is no terminal");
    assert!(print(&["-o", "table"]).starts_with("CODE  MEANING\n0     success"));
    assert!(print(&["-o", "csv"]).starts_with("code,meaning\n0,"));
    assert!(!print(&["-o", "table", "--no-headers"]).contains("MEANING"));
    assert!(print(&["-q"]).starts_with("0\n1\n2\n"));
    assert!(print(&["--sort", "code:desc", "--columns", "code"]).starts_with("143\n130\n129\n"));
    assert_eq!(serde_json::from_str::<Value>(&print(&["--json"])).unwrap()[0]["code"], 0);
    assert!(print(&["-o", "jsonl"]).lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    // a single record is a row, too
    let record = text(&bib(home.path(), &["version", "-o", "csv"]).stdout);
    assert!(record.lines().count() == 2 && record.lines().next().unwrap().contains("client"), "{record}");
}

#[test]
fn a_list_longer_than_the_terminal_goes_to_the_pager() {
    let home = tempfile::tempdir().unwrap();
    // a terminal of so many rows
    let on = |rows: u32, pager: &str, more: &str| {
        let line = format!("stty rows {rows} cols 100; exec {} exit-codes {more}", env!("CARGO_BIN_EXE_bib"));
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).env("HOME", home.path()).env("BIB_PAGER", pager);
        let output = script.env("TERM", "xterm").env_remove("CI").stdin(Stdio::null()).output().unwrap();
        text(&output.stdout)
    };
    let paged = |shown: &str| shown.lines().filter(|line| line.starts_with("paged ")).count();
    let pager = "sed 's/^/paged /'";
    assert!(paged(&on(10, pager, "")) >= 19);
    assert_eq!(paged(&on(60, pager, "")), 0, "it fits");
    assert_eq!(paged(&on(10, pager, "--no-input")), 0, "nobody is there");
    assert_eq!(paged(&on(10, pager, "--json")), 0, "a program reads it");
    let shown = on(10, "no-such-pager", "");
    assert!(shown.contains("success") && shown.contains("set BIB_PAGER to another one"), "{shown}");
}

#[test]
fn a_list_is_filtered_cut_and_taken_apart() {
    let home = tempfile::tempdir().unwrap();
    let print = |words: &[&str]| text(&bib(home.path(), &[&["exit-codes"], words].concat()).stdout);
    assert_eq!(print(&["--filter", "code in [12, 130] || meaning.contains('quota')", "-q"]), "12\n16\n130\n");
    assert_eq!(print(&["--limit", "2", "-q"]), "0\n1\n");
    assert_eq!(print(&["--limit", "0", "--sort", "code:desc", "-q"]).lines().next(), Some("143"));
    assert_eq!(print(&["--limit", "1", "--sort", "code:desc", "-q"]), "143\n", "the order comes before the cut");
    assert_eq!(print(&["--jq", ".[1].meaning"]), "failed, unclassified\n");
    assert_eq!(print(&["--jq", "select(.code > 140).code", "-o", "jsonl"]), "143\n");
    let cut = bib(home.path(), &["exit-codes", "--limit", "2"]);
    let told = "2 of 20 are shown; all of them: --limit 0";
    assert!(text(&cut.stderr).contains(told), "{}", text(&cut.stderr));
    // who reads names, or JSON, would take them for all
    let names = bib(home.path(), &["exit-codes", "--limit", "2", "-q"]);
    assert_eq!(text(&names.stderr).trim_end(), told);
    for form in [&["--json"][..], &["-o", "jsonl"], &["--jq", "length", "-q"]] {
        let cut = bib(home.path(), &[&["exit-codes", "--limit", "2"], form].concat());
        assert_eq!(error_of(&cut), serde_json::json!({"type": "page", "shown": 2, "total": 20}), "{form:?}");
    }
    assert_eq!(text(&bib(home.path(), &["exit-codes", "-q", "--limit", "0"]).stderr), "");
    let none = bib(home.path(), &["exit-codes", "--filter", "code == 99", "--json"]);
    assert_eq!((text(&none.stdout).as_str(), text(&none.stderr).as_str()), ("[]\n", ""));
    let error = error_of(&bib(home.path(), &["exit-codes", "--filter", "kode == 1", "--json"]));
    assert_eq!(error["hint"], "bib help cel");
    assert_eq!(error["hints"][0], "fields: code, meaning");
}

#[test]
fn what_jq_makes_is_exact_but_on_a_terminal() {
    let home = tempfile::tempdir().unwrap();
    let words = ["exit-codes", "--jq", r#""a\tb\u001b[1m""#];
    assert_eq!(text(&bib(home.path(), &words).stdout), "a\tb\u{1b}[1m\n");
    let line = format!("exec {} {} {} '{}'", env!("CARGO_BIN_EXE_bib"), words[0], words[1], words[2]);
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env("HOME", home.path()).env("TERM", "xterm");
    let shown = text(&script.stdin(Stdio::null()).output().unwrap().stdout);
    assert!(shown.contains("a\tb\u{fffd}[1m"), "{shown:?}");
}

#[test]
fn words_that_are_no_text_are_refused_like_others() {
    use std::os::unix::ffi::OsStrExt;
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bib"));
    command.args(["--json", "topic", "get"]).arg(std::ffi::OsStr::from_bytes(b"\xff"));
    let output = command.env_clear().env("HOME", home.path()).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert_eq!(error_of(&output)["reason"], "USAGE");
}

#[test]
fn text_for_people_is_coloured_or_plain_as_it_was_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let run = |words: &[&str], vars: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bib"));
        command.args(words).env_clear().env("HOME", home.path()).envs(vars.iter().copied());
        command.stdin(Stdio::null()).output().unwrap()
    };
    let coloured = |words: &[&str], vars: &[(&str, &str)]| text(&run(words, vars).stderr).contains('\u{1b}');
    assert!(!coloured(&["status"], &[]), "a pipe is no terminal");
    assert!(coloured(&["status", "--color", "always"], &[("NO_COLOR", "1")]));
    assert!(coloured(&["status"], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&["status", "--no-color"], &[("CLICOLOR_FORCE", "1")]));
    let version = |vars: &[(&str, &str)]| text(&run(&["version"], vars).stdout);
    assert!(version(&[]).contains(" · "));
    assert!(version(&[("LC_ALL", "C")]).is_ascii() && version(&[("BIB_ASCII", "1")]).is_ascii());
    let records = text(&run(&["exit-codes", "-o", "table"], &[("BIB_ACCESSIBLE", "1")]).stdout);
    assert!(records.starts_with("code: 0\nmeaning: success"), "{records}");
}

#[test]
fn setup_asks_nothing_when_told_so_and_is_repeatable() {
    let home = tempfile::tempdir().unwrap();
    let first = bib(home.path(), &["setup", "--no-input", "--name", "lab-a"]);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    assert!(text(&first.stdout).contains("made the key"), "{}", text(&first.stdout));
    let again = bib(home.path(), &["setup", "--no-input", "--name", "lab-a", "--json"]);
    let record: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((record["changed"].as_bool(), record["keyMade"].as_bool()), (Some(false), Some(false)), "{record}");
    let other = bib(home.path(), &["setup", "--no-input", "--name", "lab-b"]);
    assert_eq!(other.status.code(), Some(7), "{}", text(&other.stderr));
    assert!(text(&other.stderr).contains("+ name = \"lab-b\""), "{}", text(&other.stderr));
}

#[test]
fn the_doctor_works_with_damaged_settings() {
    let home = tempfile::tempdir().unwrap();
    let settings = home.path().join(".config/bib/config.toml");
    std::fs::create_dir_all(settings.parent().unwrap()).unwrap();
    std::fs::write(&settings, "colour = 1\n").unwrap();
    assert_eq!(bib(home.path(), &["topic", "list"]).status.code(), Some(2));
    let output = bib(home.path(), &["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(11));
    let checks: Value = serde_json::from_slice(&output.stdout).unwrap();
    let settings = checks.as_array().unwrap().iter().find(|check| check["name"] == "client.settings").unwrap();
    assert_eq!(settings["state"], "fail");
}

#[test]
fn a_reader_that_leaves_is_no_error_and_a_full_disk_is() {
    let home = tempfile::tempdir().unwrap();
    let run = |target: &str| {
        let full = std::fs::File::options().write(true).open(target).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bib"));
        command.args(["exit-codes"]).env_clear().env("HOME", home.path()).stdout(full);
        command.output().unwrap()
    };
    let output = run("/dev/full");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(run("/dev/null").status.code(), Some(0));
}

#[test]
fn completions_are_made_for_every_shell() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = bib(home.path(), &["completion", shell]);
        assert!(output.status.success() && text(&output.stdout).contains("upload"), "{shell}");
    }
}
