//! The page of the API: every service, method, message and field, with the comments of the `.proto` files.
//!
//! `BIB_BLESS=1 cargo test` writes the page anew.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, ServiceDescriptorProto};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

const HEAD: &str = "# The API

This page is made from `schema/proto/bib/v1` by a test: `make reference` writes it anew.

A node answers gRPC over TLS 1.3 at `grpc.listen` (port 4000 unless set otherwise) and on its Unix socket
(`run/bib.sock` in its data folder). Clients are generated from the definitions in `schema/proto`; nodes offer them by
server reflection, too. [Another page](errors.md) says how errors come and what each means.

Who calls is known by the session token in the metadata `authorization: Bearer TOKEN`, which `AuthService.Login` gives for
a signature with an SSH key, or, on the Unix socket, by the user id that the kernel reports. Calls that change something
take a `request_id`, a UUID of the client's: the same call with the same id is done once. Lists come in pages: the next one
is asked for with `page_token` from the `next_page_token` of the one before; the last one has none.

Fields are never renumbered or given another meaning; new ones may come at any time, so ignore what you do not know.
";

/// The comments of one file by the path of what they stand at.
struct Comments(BTreeMap<Vec<i32>, String>);

impl Comments {
    fn of(file: &FileDescriptorProto) -> Self {
        let info = file.source_code_info.clone().unwrap_or_default();
        let text = |place: &prost_types::source_code_info::Location| {
            let said = place.leading_comments.clone().or_else(|| place.trailing_comments.clone())?;
            Some((place.path.clone(), said.lines().map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()))
        };
        Self(info.location.iter().filter_map(text).collect())
    }

    /// What stands at the path, fit for a cell of a table.
    fn at(&self, path: &[i32]) -> String {
        self.0.get(path).cloned().unwrap_or_default().replace('|', "\\|").replace('<', "&lt;")
    }
}

fn index(number: usize) -> i32 {
    i32::try_from(number).unwrap()
}

fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap()
}

fn link(name: &str) -> String {
    let name = short(name);
    format!("[{name}](#{})", name.to_lowercase())
}

fn kind(of: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    // a map is a list of entries whose message is made for it
    let made = of.nested_type.iter().find(|nested| {
        nested.options.as_ref().is_some_and(|options| options.map_entry()) && short(field.type_name()) == nested.name()
    });
    if let Some(DescriptorProto { field, .. }) = made
        && let [key, value] = &field[..]
    {
        return format!("map of {} to {}", kind(of, key), kind(of, value));
    }
    let name = match field.r#type() {
        Type::Message | Type::Enum => link(field.type_name()),
        other => format!("`{}`", other.as_str_name().trim_start_matches("TYPE_").to_lowercase()),
    };
    if field.label() == Label::Repeated { format!("list of {name}") } else { name }
}

fn service(service: &ServiceDescriptorProto, number: usize, comments: &Comments, text: &mut String) {
    let own = comments.at(&[6, index(number)]);
    let separator = if own.is_empty() { "" } else { "\n" };
    write!(text, "\n### {}\n{separator}{own}\n\n| method | request | answer | |\n|---|---|---|---|\n", service.name())
        .unwrap();
    for (at, method) in service.method.iter().enumerate() {
        let stream = |is: bool| if is { "stream of " } else { "" };
        let (asks, answers) = (stream(method.client_streaming()), stream(method.server_streaming()));
        let (request, answer) = (link(method.input_type()), link(method.output_type()));
        let about = comments.at(&[6, index(number), 2, index(at)]);
        writeln!(text, "| `{}` | {asks}{request} | {answers}{answer} | {about} |", method.name()).unwrap();
    }
}

fn message(message: &DescriptorProto, number: usize, comments: &Comments, text: &mut String) {
    write!(text, "\n#### {}\n", message.name()).unwrap();
    let own = comments.at(&[4, index(number)]);
    if !own.is_empty() {
        write!(text, "\n{own}\n").unwrap();
    }
    if message.field.is_empty() {
        text.push_str("\nNo fields.\n");
        return;
    }
    text.push_str("\n| field | number | type | |\n|---|---|---|---|\n");
    for (at, field) in message.field.iter().enumerate() {
        let choice = field.oneof_index.and_then(|at| message.oneof_decl.get(usize::try_from(at).ok()?));
        let choice = choice.map(|choice| format!("one of `{}`; ", choice.name())).unwrap_or_default();
        let about = format!("{choice}{}", comments.at(&[4, index(number), 2, index(at)]));
        let about = about.trim().trim_end_matches(';');
        writeln!(text, "| `{}` | {} | {} | {about} |", field.name(), field.number(), kind(message, field)).unwrap();
    }
}

fn page() -> String {
    let mut text = HEAD.to_owned();
    for file in super::files() {
        let comments = Comments::of(&file);
        let title = short(file.name().trim_end_matches(".proto").rsplit('/').next().unwrap()).to_owned();
        write!(text, "\n## {title}.proto\n\n{}\n", comments.at(&[12])).unwrap();
        file.service.iter().enumerate().for_each(|(number, given)| service(given, number, &comments, &mut text));
        file.message_type.iter().enumerate().for_each(|(number, given)| message(given, number, &comments, &mut text));
    }
    text
}

#[test]
fn the_reference_of_the_api_is_what_the_definitions_say() {
    let (page, file) = (page(), package_dir().join("../docs/reference/api.md"));
    if std::env::var_os("BIB_BLESS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == page, "docs/reference/api.md is stale: make reference");
    for word in ["### AuthService", "#### Version", "`GetChallenge`", "stream of [DownloadResponse](#downloadresponse)"]
    {
        assert!(page.contains(word), "{word} is missing");
    }
}

#[test]
fn no_two_messages_share_an_anchor() {
    let page = page();
    let mut titles: Vec<String> = page.lines().filter(|line| line.starts_with('#')).map(str::to_lowercase).collect();
    let all = titles.len();
    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), all);
}

/// Where this package's sources are: a cached build may have been made from another copy of them.
fn package_dir() -> PathBuf {
    std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned()).into()
}
