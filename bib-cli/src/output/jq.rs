//! `--jq`: a jq expression over what `-o json` would print.

use super::jq_library as library;
use crate::error::{CliError, CliResult};
use jaq_core::data::JustLut;
use jaq_core::load::{Arena, Error as LoadError, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars, unwrap_valr};
use jaq_json::{Val, read};
use serde_json::Value;
use std::fmt;

/// A longer reason is cut.
const LONGEST_REASON: usize = 160;

/// A compiled expression.
pub(crate) struct Jq {
    filter: Filter<JustLut<Val>>,
}

impl fmt::Debug for Jq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jq")
    }
}

impl Jq {
    /// Compiles an expression.
    ///
    /// # Errors
    /// When it cannot be read, or uses what is not there.
    pub(crate) fn new(text: &str) -> CliResult<Self> {
        let standard = jaq_std::defs().filter(|def| library::is_whole(def.name, def.args.len()));
        let definitions = jaq_core::defs().chain(standard).chain(jaq_json::defs());
        let standard = jaq_std::base_funs().chain(library::natives());
        let functions = jaq_core::funs().chain(standard).chain(jaq_json::funs());
        let arena = Arena::default();
        let program = File { code: text, path: () };
        let modules = Loader::new(definitions).load(&arena, program).map_err(|errors| {
            refused(&errors.into_iter().next().map_or_else(String::new, |(_, error)| unreadable(&error)))
        })?;
        let filter = Compiler::default().with_funs(functions).compile(modules).map_err(|errors| {
            let first = errors.into_iter().flat_map(|(_, undefined)| undefined).next();
            refused(&first.map_or_else(String::new, |(name, what)| format!("there is no {} {name}", what.as_str())))
        })?;
        Ok(Self { filter })
    }

    /// What the expression makes of one document: a line for each result. Texts are printed as they are.
    ///
    /// # Errors
    /// When the expression fails on this document.
    pub(crate) fn lines(&self, input: &Value) -> CliResult<Vec<String>> {
        let input = read::parse_single(input.to_string().as_bytes()).map_err(|error| refused(&error.to_string()))?;
        let context = Ctx::<JustLut<Val>>::new(&self.filter.lut, Vars::new([]));
        let results = self.filter.id.run((context, input)).map(unwrap_valr);
        let line = |result| match result {
            Ok(Val::TStr(text)) => Ok(String::from_utf8_lossy(&text).into_owned()),
            Ok(value) => Ok(Val::to_string(&value)),
            Err(error) => Err(refused(&jaq_json::Error::to_string(&error))),
        };
        results.map(line).collect()
    }
}

fn unreadable(error: &LoadError<&str>) -> String {
    let place = |rest: &str| match rest.trim() {
        "" => "its end".to_owned(),
        rest => format!("{:?}", rest.chars().take(20).collect::<String>()),
    };
    match error {
        LoadError::Io(_) => "it cannot include other files".to_owned(),
        LoadError::Lex(errors) => errors
            .first()
            .map_or_else(String::new, |(expected, rest)| format!("expected {} at {}", expected.as_str(), place(rest))),
        LoadError::Parse(errors) => errors
            .first()
            .map_or_else(String::new, |(expected, rest)| format!("expected {} at {}", expected.as_str(), place(rest))),
    }
}

fn refused(why: &str) -> CliError {
    // what a value could not be used for is told with the value, which may be a whole list
    let cut = why.chars().count() > LONGEST_REASON;
    let why = if cut { why.chars().take(LONGEST_REASON).collect::<String>() + "..." } else { why.to_owned() };
    CliError::usage(format!("--jq: {why}")).because("BAD_JQ").hint("bib help formatting")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_come_as_they_are_and_the_rest_as_json() {
        let topics = json!([{"name": "flights", "bytes": 5}, {"name": "weather", "bytes": 7}]);
        let run = |text: &str| Jq::new(text).unwrap().lines(&topics).unwrap();
        assert_eq!(run(".[].name"), ["flights", "weather"]);
        assert_eq!(run("map(.bytes) | add"), ["12"]);
        assert_eq!(run("[.[] | select(.bytes > 5)]"), [r#"[{"bytes":7,"name":"weather"}]"#]);
        assert_eq!(run(".[] | \"\\(.name): \\(.bytes)\""), ["flights: 5", "weather: 7"]);
        assert!(run("empty").is_empty());
        assert_eq!(run(".[] | select(.name | test(\"^FL\"; \"i\")).name"), ["flights"]);
        assert_eq!(run("map(select(.name | test(\"x\"))) | length"), ["0"]);
        assert_eq!(run("1767225600 | todate"), ["2026-01-01T00:00:00Z"]);
        assert_eq!(run("\"2026-01-01T00:00:00Z\" | fromdate"), ["1767225600"]);
        assert_eq!(run("now > 1767225600"), ["true"]);
        assert_eq!(run("[.[].name | split(\"h\")] | flatten | unique | join(\"-\")"), ["er-flig-ts-weat"]);
    }

    #[test]
    fn what_cannot_be_run_says_why() {
        for (text, why) in [(".[", "expected"), ("nosuch", "nosuch"), ("$x", "$x"), ("\"", "expected")] {
            let error = Jq::new(text).unwrap_err();
            assert!(error.message.starts_with("--jq: ") && error.message.contains(why), "{text}: {error:?}");
        }
        let error = Jq::new(".a").unwrap().lines(&json!([1])).unwrap_err();
        assert!(error.message.starts_with("--jq: "), "{error:?}");
    }
}
