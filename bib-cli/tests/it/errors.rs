//! The page of errors: every reason in the sources, its codes as they are used there, its meaning from `schema/errors.toml`.
//!
//! `BIB_BLESS=1 cargo test` writes the page anew.

use bib_cli::Exit;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use tonic::Code;

const HEAD: &str = "# Errors

This page is made from the sources and `schema/errors.toml` by a test: `make reference` writes it anew.

Every error of the API carries a gRPC status code, a message for people, and a `google.rpc.ErrorInfo` in the domain
`bib.dev`: its `reason` is one of the words below, its `metadata` has the facts of the message by name, `hint` (what to do
next) and `request_id`, which is in the node's log and audit log, too. `RetryInfo` says after how long the same call may
succeed. Match the reason, never the message. Reasons may be added; their meaning never changes.

`bib` prints the reason in brackets, exits with the code of the table, and with `-o json` prints one JSON object as its last
line on standard error. A reason without a gRPC code is `bib`'s own.

| reason | gRPC code | `bib` exits with | it means | what to do |
|---|---|---|---|---|
";

fn top() -> PathBuf {
    package_dir().join("..")
}

/// The text of every source below `folder`, without its tests.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push(text.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
        }
    }
}

/// The gRPC code that stands with a reason, by what comes before it; `Some(None)` is an error of `bib` itself.
fn code_before(before: &str) -> Option<Option<Code>> {
    let before = before.trim_end();
    if let Some(list) = before.strip_suffix(',') {
        if let Some((_, name)) = list.rsplit_once("Code::").filter(|(_, name)| name.chars().all(char::is_alphanumeric))
        {
            return CODES.iter().find(|code| format!("{code:?}") == name).map(|code| Some(*code));
        }
        // a field of the request stands between, by its name or in a variable
        let named = list.rsplit_once("invalid(").map(|(_, name)| name);
        if named.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')) {
            return Some(Some(Code::InvalidArgument));
        }
        let field = list.strip_suffix('"')?.rsplit_once('"')?.0.trim_end();
        return field.ends_with("invalid(").then_some(Some(Code::InvalidArgument));
    }
    let calls = [("not_found(", Some(Code::NotFound)), ("refused(", Some(Code::Unauthenticated)), ("because(", None)];
    let said = calls.iter().find(|(call, _)| before.ends_with(call)).map(|(_, code)| *code);
    said.or_else(|| before.ends_with("reason =").then_some(None))
}

const CODES: [Code; 15] = [
    Code::Cancelled,
    Code::InvalidArgument,
    Code::DeadlineExceeded,
    Code::NotFound,
    Code::AlreadyExists,
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
    Code::Unauthenticated,
];

/// Every reason in the sources, with the codes it is used with.
fn reasons() -> BTreeMap<String, BTreeSet<Option<i32>>> {
    let mut texts = Vec::new();
    for folder in ["bib-actors/gateway/src", "bib-cli/src", "bib-web/src"] {
        sources(&top().join(folder), &mut texts);
    }
    let mut found: BTreeMap<String, BTreeSet<Option<i32>>> = BTreeMap::new();
    for text in texts {
        for (start, _) in text.match_indices('"') {
            let word = text[start + 1..].split('"').next().unwrap_or_default();
            let is_word = word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            if let Some(code) = is_word.then(|| code_before(&text[..start])).flatten() {
                found.entry(word.to_owned()).or_default().insert(code.map(|code| code as i32));
            }
        }
    }
    found
}

fn row(reason: &str, codes: &BTreeSet<Option<i32>>, meaning: &[String]) -> String {
    let known: Vec<Code> = codes.iter().flatten().map(|code| Code::from_i32(*code)).collect();
    let names: Vec<String> = known.iter().map(|code| format!("`{code:?}`")).collect();
    let exits: BTreeSet<u8> = known.iter().map(|code| Exit::of_status(*code, reason).code()).collect();
    let exits: Vec<String> = exits.iter().map(ToString::to_string).collect();
    let own = OWN.iter().find(|(word, _)| *word == reason).map(|(_, exit)| exit.code().to_string());
    let exit =
        if exits.is_empty() { own.unwrap_or_else(|| panic!("{reason}: which exit code?")) } else { exits.join(", ") };
    format!("| `{reason}` | {} | {exit} | {} | {} |", names.join(", "), meaning[0], meaning[1])
}

/// How `bib` exits with the reasons that no node gave.
const OWN: [(&str, Exit); 27] = [
    ("ANSWERS_MISSING", Exit::Usage),
    ("BAD_ANSWERS", Exit::Usage),
    ("BAD_CONFIG", Exit::Usage),
    ("BAD_FILTER", Exit::Usage),
    ("BAD_JQ", Exit::Usage),
    ("BAD_SETTING", Exit::Usage),
    ("CONFIRMATION_NEEDED", Exit::Usage),
    ("CONTEXT_EXISTS", Exit::Conflict),
    ("CONTEXT_NOT_FOUND", Exit::NotFound),
    ("DATA_DAMAGED", Exit::Integrity),
    ("EMPTY_INPUT", Exit::Usage),
    ("INTERRUPTED", Exit::Interrupted),
    ("KEY_UNUSABLE", Exit::NotLoggedIn),
    ("NODE_ENDED", Exit::Failed),
    ("NODE_NOT_PAIRED", Exit::Conflict),
    ("NODE_STARTING", Exit::Pending),
    ("NODE_UNREACHABLE", Exit::Unreachable),
    ("NOT_SET", Exit::NotFound),
    ("NOT_SET_UP", Exit::NotFound),
    ("NO_SYSTEMD", Exit::Failed),
    ("SETUP_DIFFERS", Exit::Conflict),
    ("TRUST_CHANGED", Exit::Trust),
    ("TRUST_UNKNOWN", Exit::Trust),
    ("UNHEALTHY", Exit::Unhealthy),
    ("UNKNOWN_CHECK", Exit::Usage),
    ("UNKNOWN_SETTING", Exit::Usage),
    ("USAGE", Exit::Usage),
];

fn page() -> String {
    let table = std::fs::read_to_string(top().join("schema/errors.toml")).unwrap();
    let mut meanings: BTreeMap<String, Vec<String>> = toml::from_str(&table).unwrap();
    let mut text = HEAD.to_owned();
    for (reason, codes) in reasons() {
        let meaning = meanings.remove(&reason);
        let meaning = meaning.unwrap_or_else(|| panic!("{reason} is not in schema/errors.toml: say what it means"));
        assert!(meaning.len() == 2 && meaning.iter().all(|text| !text.contains('|')), "{reason}: meaning, what to do");
        writeln!(text, "{}", row(&reason, &codes, &meaning)).unwrap();
    }
    assert!(meanings.is_empty(), "nothing in the sources has the reasons {:?}", meanings.keys());
    text
}

#[test]
fn the_reference_of_errors_is_what_the_sources_say() {
    let (page, file) = (page(), top().join("docs/reference/errors.md"));
    if std::env::var_os("BIB_BLESS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == page, "docs/reference/errors.md is stale: make reference");
    assert!(page.lines().count() > 80, "only {} lines", page.lines().count());
}

#[test]
fn codes_are_read_from_the_sources() {
    let code = |before: &str| code_before(before).flatten();
    assert_eq!(code("Problem::new(\n    Code::DataLoss,\n    "), Some(Code::DataLoss));
    assert_eq!(code("Self::invalid(\"entry.path\", "), Some(Code::InvalidArgument));
    assert_eq!(code("Problem::invalid(part, "), Some(Code::InvalidArgument));
    assert_eq!(code_before("error.because("), Some(None));
    assert_eq!(code_before("std::env::var("), None);
    assert_eq!(code_before("draft.metadata(\"reason\", "), None);
}

/// Where this package's sources are: a cached build may have been made from another copy of them.
pub(crate) fn package_dir() -> PathBuf {
    std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned()).into()
}
