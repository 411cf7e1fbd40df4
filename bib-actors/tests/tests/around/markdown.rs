//! A page as its readers' programs see it: headings, links, code.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One Markdown file.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    /// What `#...` may name in it.
    pub(crate) anchors: Vec<String>,
    pub(crate) links: Vec<String>,
    pub(crate) blocks: Vec<Block>,
}

/// A fenced block of code.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) text: String,
}

impl Page {
    /// Reads a page with what it includes.
    pub(crate) fn read(path: &Path) -> Self {
        Self::parse(path, &expand(path))
    }

    fn parse(path: &Path, text: &str) -> Self {
        let mut page = Self { path: path.to_owned(), anchors: Vec::new(), links: Vec::new(), blocks: Vec::new() };
        let (mut heading, mut code, mut seen) = (None::<String>, false, BTreeMap::<String, u32>::new());
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let slug = slug(&heading.take().unwrap_or_default());
                    let times = seen.entry(slug.clone()).or_default();
                    page.anchors.push(if *times == 0 { slug } else { format!("{slug}-{times}") });
                    *times += 1;
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    let language = match kind {
                        CodeBlockKind::Fenced(language) => language.into_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    page.blocks.push(Block { language, text: String::new() });
                    code = true;
                }
                Event::End(TagEnd::CodeBlock) => code = false,
                Event::Text(text) | Event::Code(text) => match (&mut heading, page.blocks.last_mut()) {
                    (Some(heading), _) => heading.push_str(&text),
                    (None, Some(block)) if code => block.text.push_str(&text),
                    _ => {}
                },
                _ => {}
            }
        }
        page
    }
}

/// The fenced blocks of a part of a page.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    Page::parse(Path::new("part"), text).blocks
}

/// A heading's anchor, as mdBook and GitHub make it.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The text of a page with its `{{#include FILE:ANCHOR}}` lines replaced, as mdBook does it.
fn expand(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut whole = String::new();
    for line in text.lines() {
        match line.strip_prefix("{{#include ").and_then(|rest| rest.strip_suffix("}}")) {
            Some(named) => {
                let (file, anchor) = named.split_once(':').map_or((named, None), |(file, name)| (file, Some(name)));
                let included = expand(&path.parent().unwrap().join(file));
                whole.push_str(&anchor.map(|anchor| section(&included, anchor)).unwrap_or(included));
            }
            None => whole.push_str(line),
        }
        whole.push('\n');
    }
    whole
}

/// What stands between `ANCHOR: name` and `ANCHOR_END: name`.
pub(crate) fn section(text: &str, name: &str) -> String {
    let is = |line: &str, word: &str| {
        line.split_once(word).is_some_and(|(_, rest)| rest.split_whitespace().next() == Some(name))
    };
    let mut lines = text.lines().skip_while(|line| !is(line, "ANCHOR: "));
    assert!(lines.next().is_some(), "there is no anchor {name}");
    lines.take_while(|line| !is(line, "ANCHOR_END: ")).fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn a_page_is_read_as_its_readers_do() {
    let text = "# `bib` A_b, c!\n\n[x](y.md#z)\n\n```sh\nls\n```\n\n## Same\n\n## Same\n\n![p](q.png)\n";
    let page = Page::parse(Path::new("p.md"), text);
    assert_eq!(page.anchors, ["bib-a_b-c", "same", "same-1"]);
    assert_eq!(page.links, ["y.md#z", "q.png"]);
    assert_eq!((page.blocks.len(), page.blocks[0].language.as_str(), page.blocks[0].text.as_str()), (1, "sh", "ls\n"));
    assert_eq!(section("a\n<!-- ANCHOR: n -->\nb\n<!-- ANCHOR_END: n -->\nc\n", "n"), "b\n");
}
