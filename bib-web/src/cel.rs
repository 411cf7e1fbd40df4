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

/// The steps of a view behind a query.
pub(crate) fn view(expression: &str, filter: &str, sort: &str, descending: bool) -> String {
    let mut out = expression.to_owned();
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
    match filter.trim() {
        "" => more.to_owned(),
        filter if filter.contains("||") || filter.contains('?') => format!("({filter}) && {more}"),
        filter => format!("{filter} && {more}"),
    }
}

/// One word for the shell.
pub(crate) fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
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
}
