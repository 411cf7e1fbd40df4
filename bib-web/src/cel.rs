//! Words of the query language and of the shell: names and texts as they are written there. Pure.

/// A text as the language writes it.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\U{:08x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A column of the row `r`.
pub(crate) fn column(name: &str) -> String {
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !matches!(name, "in" | "true" | "false" | "null");
    if plain { format!("r.{name}") } else { format!("r[{}]", quote(name)) }
}

/// One file of a version of a dataset.
pub(crate) fn table(dataset: &str, version: &str, file: &str) -> String {
    format!("dataset({}, {})", quote(&format!("{dataset}@{version}")), quote(file))
}

/// The steps of a view behind a query. A query without any is left as it was written, with its comments.
pub(crate) fn view(expression: &str, filter: &str, sort: &str, descending: bool) -> String {
    let filter = uncommented(filter);
    if filter.trim().is_empty() && sort.is_empty() {
        return expression.to_owned();
    }
    let mut out = uncommented(expression).trim_end().to_owned();
    if !filter.trim().is_empty() {
        out.push_str(&format!(".filter(r, {})", filter.trim()));
    }
    if !sort.is_empty() {
        let direction = if descending { ", \"desc\"" } else { "" };
        out.push_str(&format!(".sort(r, {}{direction})", column(sort)));
    }
    out
}

/// Both conditions at once.
pub(crate) fn both(filter: &str, more: &str) -> String {
    match uncommented(filter).trim() {
        "" => more.to_owned(),
        filter if filter.contains("||") || filter.contains('?') => format!("({filter}) && {more}"),
        filter => format!("{filter} && {more}"),
    }
}

/// The text without its comments. One that ends it would swallow what is written behind, and no line break could hinder it:
/// a box of one line has none.
fn uncommented(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        if found.starts_with("//") {
            rest = &found[found.find('\n').unwrap_or(found.len())..];
            continue;
        }
        let length = if found.starts_with('/') { 1 } else { text_length(&out, found) };
        out.push_str(&found[..length]);
        rest = &found[length..];
    }
    out.push_str(rest);
    out
}

/// The length of the text literal with which `found` begins, or of all of it when that has no end. What stands `before` says
/// whether it is raw.
fn text_length(before: &str, found: &str) -> usize {
    let word = before.rsplit(|c: char| c != '_' && !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let raw = matches!(word.to_ascii_lowercase().as_str(), "r" | "br");
    let bytes = found.as_bytes();
    let mark = if bytes.starts_with(&[bytes[0]; 3]) { &bytes[..3] } else { &bytes[..1] };
    let mut at = mark.len();
    while at < bytes.len() && !bytes[at..].starts_with(mark) {
        at += if bytes[at] == b'\\' && !raw { 2 } else { 1 };
    }
    (at + mark.len()).min(bytes.len())
}

/// A pattern that is found wherever the text is, in upper or lower case.
pub(crate) fn pattern(text: &str) -> String {
    let mut out = "(?i)".to_owned();
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// One word for the shell.
pub(crate) fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A flag with its value, to be written behind a command; nothing without a value.
pub(crate) fn flag(name: &str, value: &str) -> String {
    if value.is_empty() {
        return String::new();
    }
    // behind a blank, what begins like a flag is taken for one
    let between = if value.starts_with('-') { '=' } else { ' ' };
    let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:/@".contains(&byte));
    let word = if plain { value.to_owned() } else { shell(value) };
    format!(" --{name}{between}{word}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_written_as_the_language_reads_them() {
        assert_eq!(column("dep_delay"), "r.dep_delay");
        assert_eq!(column("Body Mass (g)"), "r[\"Body Mass (g)\"]");
        assert_eq!(column("in"), "r[\"in\"]");
        assert_eq!(quote("a\"b\\c\n\u{7}"), "\"a\\\"b\\\\c\\n\\U00000007\"");
        assert_eq!(table("flights/nyc", "3", "a \"b\".csv"), "dataset(\"flights/nyc@3\", \"a \\\"b\\\".csv\")");
        assert_eq!(
            view("dataset(\"a/b\")", " r.x > 1 ", "x y", true),
            "dataset(\"a/b\").filter(r, r.x > 1).sort(r, r[\"x y\"], \"desc\")"
        );
        assert_eq!(view("dataset(\"a/b\")", "", "", false), "dataset(\"a/b\")");
    }

    #[test]
    fn conditions_join_without_changing_meaning() {
        assert_eq!(both("", "r.a == 1"), "r.a == 1");
        assert_eq!(both("r.b > 2", "r.a == 1"), "r.b > 2 && r.a == 1");
        assert_eq!(both("r.b > 2 || r.c", "r.a == 1"), "(r.b > 2 || r.c) && r.a == 1");
        assert_eq!(shell("it's"), "'it'\\''s'");
    }

    #[test]
    fn a_comment_swallows_nothing() {
        assert_eq!(both("r.b > 2 // late ones", "r.a == 1"), "r.b > 2 && r.a == 1");
        assert_eq!(both("r.b // or?\n || r.c // why", "r.a == 1"), "(r.b \n || r.c) && r.a == 1");
        assert_eq!(both("// nothing yet", "r.a == 1"), "r.a == 1");
        let query = "dataset(\"a/b\") // all";
        assert_eq!(view(query, "r.x > 1 // some", "x", false), "dataset(\"a/b\").filter(r, r.x > 1).sort(r, r.x)");
        assert_eq!(view(query, "// none", "", false), query, "nothing is written behind it");
    }

    #[test]
    fn what_stands_in_a_text_is_no_comment() {
        for text in [
            "r.url == \"http://a.example\"",
            "r.url == 'http://a' || r.url == \"it's // \\\" // é\"",
            r#"r.url == r"\" && r.x == '//'"#,
            r#"r.url == bR'\' && r.x == '//'"#,
            r#"r.url == "\\" && r.x == '//'"#,
            "r.url == \"\"\"a \" // \n b\"\"\" && r.x == ''",
            "r.a / r.b > 1",
        ] {
            assert_eq!(uncommented(text), text);
            assert_eq!(uncommented(&format!("{text}// 'so' //\n")), format!("{text}\n"));
        }
        for unclosed in ["r.url == \"http://a", "r.url == \"\\", "r.url == '''a'' // b"] {
            assert_eq!(uncommented(unclosed), unclosed);
        }
    }

    #[test]
    fn a_line_for_the_shell_means_what_the_page_shows() {
        assert_eq!(flag("topic", "weather"), " --topic weather");
        assert_eq!(flag("actor", "user:o'neill x"), " --actor 'user:o'\\''neill x'");
        assert_eq!(flag("action", "-x"), " --action=-x");
        assert_eq!(flag("action", ""), "");
        assert_eq!(pattern("a.b (É)"), "(?i)a\\.b \\(É\\)");
    }
}
