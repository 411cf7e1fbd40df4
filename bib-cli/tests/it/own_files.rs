//! The program's own files: settings and where they come from, contexts, setups that are repeated, what the doctor mends.

use crate::program::{bib, error_of, text};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn with_vars(home: &Path, folder: &Path, vars: &[(&str, &str)], words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bib"));
    command.args(words).env_clear().env("HOME", home).envs(vars.iter().copied()).current_dir(folder);
    command.stdin(Stdio::null()).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
}

#[test]
fn the_strongest_of_flag_variable_and_files_wins_and_is_named() {
    let home = tempfile::tempdir().unwrap();
    let project = home.path().join("work/deep");
    std::fs::create_dir_all(&project).unwrap();
    let node = |vars: &[(&str, &str)], words: &[&str]| {
        let all = [&["config", "list", "--show-origin", "--json", "--filter", "name == 'node'"], words].concat();
        let list = json(&with_vars(home.path(), &project, vars, &all));
        (list[0]["value"].clone(), list[0]["origin"].as_str().unwrap().to_owned())
    };
    assert_eq!(node(&[], &[]).1, "default");
    assert!(bib(home.path(), &["config", "set", "node", "user-host:4000"]).status.success());
    let (value, origin) = node(&[], &[]);
    assert_eq!(value, "user-host:4000");
    assert!(origin.ends_with(".config/bib/config.toml"), "{origin}");
    std::fs::write(home.path().join("work/.bib.toml"), "node = \"project-host\"\n").unwrap();
    assert!(node(&[], &[]).1.ends_with("work/.bib.toml"));
    assert_eq!(node(&[("BIB_NODE", "variable-host")], &[]), (Value::from("variable-host"), "BIB_NODE".to_owned()));
    assert_eq!(node(&[("BIB_NODE", "variable-host")], &["--node", "flag"]).1, "--node");
}

#[test]
fn settings_are_checked_before_they_are_kept() {
    let home = tempfile::tempdir().unwrap();
    for (key, value) in
        [("output", "xml"), ("timeout", "soon"), ("node", "http://x"), ("context", "nobody"), ("size", "1")]
    {
        let output = bib(home.path(), &["config", "set", key, value]);
        assert_eq!(output.status.code(), Some(2), "{key}: {}", text(&output.stderr));
    }
    assert!(bib(home.path(), &["config", "set", "output", "json", "--dry-run"]).status.success());
    assert_eq!(bib(home.path(), &["config", "get", "node"]).status.code(), Some(6));
    assert!(bib(home.path(), &["config", "set", "output", "json"]).status.success());
    assert_eq!(json(&bib(home.path(), &["exit-codes"]))[0]["code"], 0, "the setting was not taken up");
    // errors are for programs too, where results are
    let error = error_of(&bib(home.path(), &["context", "use", "nobody"]));
    assert_eq!(error["reason"], "CONTEXT_NOT_FOUND");
    assert!(bib(home.path(), &["config", "unset", "output"]).status.success());
    assert!(text(&bib(home.path(), &["exit-codes"]).stdout).starts_with("0\tsuccess"));
}

#[test]
fn settings_are_kept_in_a_file_of_the_folder_that_one_is_in() {
    let home = tempfile::tempdir().unwrap();
    let here = |words: &[&str]| with_vars(home.path(), home.path(), &[("BIB_CONFIG", "mine.toml")], words);
    let set = here(&["config", "set", "timeout", "5s"]);
    assert!(set.status.success(), "{}", text(&set.stderr));
    assert_eq!(std::fs::read_to_string(home.path().join("mine.toml")).unwrap(), "timeout = \"5s\"\n");
    assert!(here(&["config", "unset", "timeout"]).status.success());
    assert_eq!(here(&["config", "set", "timeout", "5s", "--config", "none/else.toml"]).status.code(), Some(0));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 2, "something was left behind");
}

#[test]
fn a_context_is_used_renamed_and_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".config/bib/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "[contexts.lab-a]\nnode = \"https://127.0.0.1:1\"\n").unwrap();
    let used = |words: &[&str]| {
        let list = json(&bib(home.path(), &[&["context", "list", "--json"], words].concat()));
        let used: Vec<String> = list
            .as_array()
            .unwrap()
            .iter()
            .filter(|item| item["current"] == true)
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect();
        used.join(",")
    };
    assert_eq!(used(&[]), "local");
    assert_eq!(used(&["--context", "lab-a"]), "lab-a");
    assert_eq!(used(&["--node", "lab-a"]), "lab-a", "a node may be named by its context");
    assert!(bib(home.path(), &["context", "use", "lab-a"]).status.success());
    assert_eq!(used(&[]), "lab-a");
    let error = text(&bib(home.path(), &["status"]).stderr);
    assert!(error.contains("127.0.0.1:1"), "{error}");
    assert!(!text(&bib(home.path(), &["status", "--context", "local"]).stderr).contains("127.0.0.1:1"));
    assert!(bib(home.path(), &["context", "rename", "lab-a", "storage"]).status.success());
    assert_eq!(used(&[]), "storage");
    assert_eq!(bib(home.path(), &["context", "remove", "lab-a"]).status.code(), Some(6));
    let removed = bib(home.path(), &["context", "remove", "storage"]);
    assert!(text(&removed.stderr).contains("undo: bib connect https://127.0.0.1:1 --name storage"));
    assert_eq!(used(&[]), "local");
}

#[test]
fn a_setup_is_printed_taken_up_elsewhere_and_keeps_what_was_edited() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(bib(home.path(), &["setup", "--print"]).status.code(), Some(6));
    let first = bib(home.path(), &["setup", "--no-input", "--name", "lab-a", "--storage", "sqlite", "--no-mdns"]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let config = home.path().join(".config/bib/bibd.toml");
    let edited = std::fs::read_to_string(&config).unwrap() + "\n[query]\nmax_rows = 5\n";
    std::fs::write(&config, edited).unwrap();
    let printed = bib(home.path(), &["setup", "--print"]);
    let answers = home.path().join("answers.toml");
    std::fs::write(&answers, &printed.stdout).unwrap();
    let answers = answers.to_str().unwrap();
    let again = json(&bib(home.path(), &["setup", "--no-input", "--from", answers, "--json"]));
    assert_eq!(again["changed"], false, "{again}");
    let renamed = bib(home.path(), &["setup", "--no-input", "--name", "lab-b", "--force"]);
    assert!(renamed.status.success(), "{}", text(&renamed.stderr));
    let now = std::fs::read_to_string(&config).unwrap();
    assert!(now.contains("max_rows = 5") && now.contains("\"lab-b\"") && now.contains("mdns = false"), "{now}");
    assert_eq!(now.matches("[[users]]").count(), 1, "{now}");
}

#[test]
fn missing_answers_are_named_where_nobody_is_to_be_asked() {
    let home = tempfile::tempdir().unwrap();
    let output = bib(home.path(), &["setup", "--non-interactive", "--name", "x", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let missing = json(&output);
    let keys: Vec<&str> = missing["missing"].as_array().unwrap().iter().map(|m| m["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["mode", "storage", "start"]);
    assert!(!home.path().join(".config/bib/bibd.toml").exists());
}

#[test]
fn the_doctor_mends_what_is_safe_and_only_when_told() {
    let home = tempfile::tempdir().unwrap();
    let settings = home.path().join(".config/bib/config.toml");
    std::fs::create_dir_all(settings.parent().unwrap()).unwrap();
    std::fs::write(&settings, "colour = 1\n").unwrap();
    let settings_state = |words: &[&str]| {
        let output = bib(home.path(), &[&["doctor", "--only", "client", "--json"], words].concat());
        let checks = json(&output);
        let found = checks.as_array().unwrap().iter().find(|check| check["name"] == "client.settings").unwrap();
        assert!(checks.as_array().unwrap().iter().all(|check| check["area"] == "client"));
        found["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(settings_state(&[]), "fail");
    assert_eq!(bib(home.path(), &["doctor", "--fix"]).status.code(), Some(2), "nobody said yes");
    assert_eq!(settings_state(&["--fix", "--dry-run"]), "fail");
    assert!(settings.exists());
    assert_eq!(settings_state(&["--fix", "--yes"]), "ok");
    assert!(!settings.exists() && settings.with_file_name("config.toml.damaged").exists());
    assert_eq!(bib(home.path(), &["doctor", "--only", "teeth"]).status.code(), Some(2));
    let rest = json(&bib(home.path(), &["doctor", "--skip", "client,ports", "--json"]));
    assert!(rest.as_array().unwrap().iter().all(|check| check["area"] != "client" && check["area"] != "ports"));
}

#[test]
fn one_bad_value_stops_no_command_that_mends_it() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".config/bib/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "output = \"xml\"\ntimeout = \"5 min\"\n").unwrap();
    let refused = bib(home.path(), &["exit-codes"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("try:  bib config unset output"), "{}", text(&refused.stderr));
    let list = bib(home.path(), &["config", "list", "--show-origin", "--json"]);
    assert!(list.status.success() && text(&list.stderr).contains("\"5 min\""), "{}", text(&list.stderr));
    assert!(json(&list).as_array().unwrap().iter().any(|setting| setting["value"] == "xml"));
    let checks = json(&bib(home.path(), &["doctor", "--only", "client.settings", "--json"]));
    let states: Vec<_> = checks.as_array().unwrap().iter().map(|check| (&check["state"], &check["fix"])).collect();
    assert_eq!(states, [(&Value::from("fail"), &Value::Null); 2]);
    for key in ["output", "timeout"] {
        assert!(bib(home.path(), &["config", "unset", key]).status.success());
    }
    assert!(bib(home.path(), &["exit-codes"]).status.success());
}

#[test]
fn a_damaged_file_is_named_and_never_written_over() {
    let home = tempfile::tempdir().unwrap();
    let own = home.path().join(".config/bib/config.toml");
    let project = home.path().join("work");
    std::fs::create_dir_all(own.parent().unwrap()).unwrap();
    std::fs::create_dir_all(&project).unwrap();
    std::fs::write(&own, "output = \"json\n").unwrap();
    assert_eq!(bib(home.path(), &["config", "set", "timeout", "5s"]).status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&own).unwrap(), "output = \"json\n");
    assert!(bib(home.path(), &["config", "list"]).status.success());
    std::fs::remove_file(&own).unwrap();
    std::fs::write(project.join(".bib.toml"), "node = \n").unwrap();
    let here = |words: &[&str]| with_vars(home.path(), &project, &[], words);
    let refused = here(&["exit-codes"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(!text(&refused.stderr).contains("--fix"), "the doctor mends no file of others: {}", text(&refused.stderr));
    let checks = json(&here(&["doctor", "--only", "client.settings", "--json"]));
    assert!(checks[0]["detail"].as_str().unwrap().contains("work/.bib.toml"), "{checks}");
    assert!(here(&["config", "set", "timeout", "5s"]).status.success(), "the own file is whole");
}

#[test]
fn a_file_that_is_named_must_be_there_to_be_read() {
    let home = tempfile::tempdir().unwrap();
    let here = |words: &[&str]| with_vars(home.path(), home.path(), &[], words);
    let refused = here(&["exit-codes", "--config", "mine.toml"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("there is no file mine.toml"), "{}", text(&refused.stderr));
    assert!(here(&["config", "set", "timeout", "5s", "--config", "mine.toml"]).status.success());
    assert!(here(&["exit-codes", "--config", "mine.toml"]).status.success());
}

#[test]
fn the_doctor_says_what_it_did_not_check() {
    let home = tempfile::tempdir().unwrap();
    let names = |words: &[&str]| {
        let checks = json(&bib(home.path(), &[&["doctor", "--json"], words].concat()));
        let names = |check: &Value| check["name"].as_str().unwrap().to_owned();
        checks.as_array().unwrap().iter().map(names).collect::<Vec<_>>()
    };
    let dead = bib(home.path(), &["doctor", "--only", "audit,p2p"]);
    assert_eq!(dead.status.code(), Some(11), "{}", text(&dead.stdout));
    assert_eq!(names(&["--only", "audit,p2p,web"]), ["p2p.listens", "audit.chain", "web.ready"]);
    assert_eq!(names(&["--only", "node,audit"]), ["node.answers"]);
    assert_eq!(names(&["--only", "database.postgres"]), ["database.postgres"]);
    let typo = bib(home.path(), &["doctor", "--only", "os.dsik"]);
    assert_eq!(typo.status.code(), Some(2));
    assert!(text(&typo.stderr).contains("os.open-files, os.disk"), "{}", text(&typo.stderr));

    // where commands go to another machine, that node is looked at, and this machine only by name
    let file = home.path().join(".config/bib/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "context = \"lab-a\"\n[contexts.lab-a]\nnode = \"https://127.0.0.1:1\"\n").unwrap();
    let of = |name: &String, area: &str| name.starts_with(&format!("{area}."));
    assert!(names(&[]).iter().all(|name| of(name, "client") || name == "node.answers"), "{:?}", names(&[]));
    let said = text(&bib(home.path(), &["doctor"]).stderr);
    assert!(said.contains("bib doctor --context local"), "{said}");
    let named = names(&["--only", "os,web"]);
    assert!(named.iter().any(|name| of(name, "os")) && named.iter().any(|name| name == "web.ready"), "{named:?}");
}

#[test]
fn nothing_is_promised_that_a_stronger_setting_takes_back() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".config/bib/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let contexts =
        "[contexts.lab-a]\nnode = \"https://127.0.0.1:1\"\n[contexts.lab-b]\nnode = \"https://127.0.0.1:2\"\n";
    std::fs::write(&file, contexts).unwrap();
    let run = |vars: &[(&str, &str)], words: &[&str]| with_vars(home.path(), home.path(), vars, words);
    let used = run(&[("BIB_NODE", "127.0.0.1:2")], &["context", "use", "lab-a"]);
    let said = text(&used.stderr);
    assert!(used.status.success() && said.contains("https://127.0.0.1:2, as BIB_NODE says"), "{said}");
    assert!(!text(&used.stdout).contains("from now on"), "{}", text(&used.stdout));
    assert_eq!(text(&run(&[], &["context", "use", "lab-a"]).stderr), "");
    std::fs::write(home.path().join(".bib.toml"), "node = \"lab-b\"\n").unwrap();
    let said = text(&run(&[], &["context", "use", "lab-a"]).stderr);
    assert!(said.contains("https://127.0.0.1:2, as ") && said.contains(".bib.toml says"), "{said}");
    assert_eq!(text(&run(&[], &["context", "use", "lab-b"]).stderr), "", "both say the same");

    // a name that is another node's is not taken over
    let taken = run(&[], &["connect", "127.0.0.1:3", "--name", "lab-a", "--dry-run", "--json"]);
    assert_eq!((taken.status.code(), &error_of(&taken)["reason"]), (Some(7), &Value::from("CONTEXT_EXISTS")));
    assert_eq!(run(&[], &["connect", "127.0.0.1:1", "--name", "lab-a", "--dry-run"]).status.code(), Some(10));
}

#[test]
fn a_setup_beside_another_node_says_how_to_get_to_the_new_one() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".config/bib/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "context = \"lab-a\"\n[contexts.lab-a]\nnode = \"https://127.0.0.1:1\"\n").unwrap();
    let done = bib(home.path(), &["setup", "--no-input", "--name", "here", "--storage", "sqlite", "--no-mdns"]);
    let said = text(&done.stdout);
    assert!(done.status.success() && said.contains("commands go to https://127.0.0.1:1, as "), "{said}");
    assert!(said.contains("  bib --context local status\n"), "{said}");
    let asked = text(&bib(home.path(), &["--context", "local", "status"]).stderr);
    assert!(asked.contains("bib.sock") && !asked.contains("127.0.0.1:1"), "{asked}");
    assert!(bib(home.path(), &["context", "use", "local"]).status.success());
    let again = bib(home.path(), &["setup", "--no-input", "--name", "here", "--storage", "sqlite", "--no-mdns"]);
    assert!(text(&again.stdout).contains("  bib status\n"), "{}", text(&again.stdout));
}

#[test]
fn help_has_topics_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    for (topic, word) in [
        ("environment", "BIB_NODE"),
        ("formatting", "--jq"),
        ("config", ".bib.toml"),
        ("cel", "startsWith"),
        ("node-modes", "selective"),
        ("node-modes", "proxy"),
        ("ports", "4001"),
        ("security", "fingerprint"),
        ("exit-codes", "124  --timeout"),
    ] {
        let output = bib(home.path(), &["help", topic]);
        assert!(output.status.success() && text(&output.stdout).contains(word), "{topic}: {}", text(&output.stdout));
    }
    assert!(!text(&bib(home.path(), &["help"]).stdout).contains("node-modes  "), "topics are no commands");
}

#[test]
fn a_completion_is_installed_where_the_shell_looks() {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join(".local/share/bash-completion/completions/bib");
    assert!(bib(home.path(), &["completion", "bash", "--install", "--dry-run"]).status.success());
    assert!(!place.exists());
    assert!(bib(home.path(), &["completion", "bash", "--install"]).status.success());
    assert!(std::fs::read_to_string(place).unwrap().contains("upload"));
    assert_eq!(bib(home.path(), &["completion", "elvish", "--install"]).status.code(), Some(2));
}

#[test]
fn every_place_is_told_without_a_node() {
    let home = tempfile::tempdir().unwrap();
    let told = json(&bib(home.path(), &["status", "--paths", "--json"]));
    assert_eq!(told, json(&bib(home.path(), &["config", "path", "--json"])));
    let place = |below: &str| Value::from(home.path().join(below).to_str().unwrap());
    assert_eq!((&told["sessions"], &told["cache"]), (&place(".config/bib/sessions"), &place(".cache/bib")));
    // what is put elsewhere is put there whole
    let moved = json(&bib(home.path(), &["config", "path", "--json", "--config-dir", "/srv/own"]));
    assert_eq!((&moved["settings"], &moved["cache"]), (&"/srv/own/config.toml".into(), &"/srv/own/cache".into()));
    let both =
        with_vars(home.path(), home.path(), &[("XDG_CACHE_HOME", "/var/cache/me")], &["config", "path", "--json"]);
    assert_eq!(json(&both)["cache"], "/var/cache/me/bib");
}
