//! `--filter`: a CEL condition over the fields of each record of a list, as `-o json` prints them.

use crate::error::{CliError, CliResult};
use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::objects::{Key, Map};
use cel::{Context, ExecutionError, Program};
use chrono::DateTime;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// A longer condition is refused.
const LONGEST: usize = 4096;
/// A deeper one too: it is walked by recursion.
const DEEPEST: usize = 100;
/// The parser recovers from a malformed text by recursion that is deeper than a usual stack. Only what is touched of
/// this is taken.
const PARSER_STACK: usize = 256 << 20;
/// The moment at which the list is made, as a timestamp.
const NOW: &str = "now";
/// Names of types, which `type(x) == string` compares with.
const TYPES: [&str; 12] =
    ["bool", "bytes", "double", "duration", "google", "int", "list", "map", "null_type", "string", "timestamp", "uint"];

/// A condition that was checked against the fields there are.
pub(crate) struct Filter {
    program: Program,
    now: cel::Value,
}

impl Filter {
    /// Reads `text`; `template` is a record of the kind that will be filtered.
    ///
    /// # Errors
    /// When it cannot be read, or names a field that records of this kind do not have.
    pub(crate) fn new(text: &str, template: &Value, now_ms: i64) -> CliResult<Self> {
        if text.len() > LONGEST {
            return Err(refused(format!("a condition has at most {LONGEST} bytes"), template));
        }
        let program = parse(text, template)?;
        let mut scope = Vec::new();
        check(program.expression(), template, &mut scope, 0)?;
        let now = DateTime::from_timestamp_millis(now_ms).unwrap_or_default().fixed_offset();
        Ok(Self { program, now: cel::Value::Timestamp(now) })
    }

    /// Whether the record fulfils the condition. A comparison with a value that is not there fulfils nothing.
    ///
    /// # Errors
    /// When the condition is no condition, or compares what cannot be compared.
    pub(crate) fn fits(&self, record: &Value) -> CliResult<bool> {
        let mut context = Context::default();
        context.add_variable_from_value(NOW, self.now.clone());
        for (name, field) in record.as_object().into_iter().flatten() {
            context.add_variable_from_value(name.as_str(), cel_value(field));
        }
        match self.program.execute(&context) {
            Ok(cel::Value::Bool(fits)) => Ok(fits),
            Ok(other) => Err(refused(format!("it must be true or false, and gives a {}", other.type_of()), record)),
            Err(ExecutionError::NoSuchOverload(call)) if call.argument_types().iter().any(|t| t.contains("null")) => {
                Ok(false)
            }
            Err(error) => Err(refused(plainly(&error), record)),
        }
    }
}

fn plainly(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchOverload(call) => {
            let sign = call.function().trim_matches('_');
            format!("{sign} does not take {}", call.argument_types().join(" and "))
        }
        other => other.to_string(),
    }
}

fn parse(text: &str, template: &Value) -> CliResult<Program> {
    let parsed = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(PARSER_STACK);
        // an error of the parser holds what cannot leave its thread
        let running = thread.spawn_scoped(scope, || {
            Program::compile(text).map_err(|errors| {
                errors.errors.first().map_or_else(|| "it cannot be read".to_owned(), |first| first.msg.clone())
            })
        });
        running.ok().and_then(|running| running.join().ok())
    });
    match parsed {
        Some(Ok(program)) => Ok(program),
        Some(Err(why)) => Err(refused(why, template)),
        None => Err(refused("it cannot be read".to_owned(), template)),
    }
}

/// Refuses names that are no fields, so that a typo is not taken for "none fits".
fn check(expr: &IdedExpr, template: &Value, scope: &mut Vec<String>, depth: usize) -> CliResult {
    if depth > DEEPEST {
        return Err(refused(format!("it is nested deeper than {DEEPEST} levels"), template));
    }
    let mut each = |inner: &IdedExpr| check(inner, template, scope, depth + 1);
    match &expr.expr {
        Expr::Unspecified | Expr::Literal(_) => Ok(()),
        Expr::Ident(name) => known(name, template, scope),
        Expr::Select(select) => {
            each(&select.operand)?;
            member(&select.operand, &select.field, template, scope)
        }
        Expr::Call(call) => call.target.iter().map(Box::as_ref).chain(&call.args).try_for_each(each),
        Expr::List(list) => list.elements.iter().try_for_each(each),
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| entry_check(&entry.expr, &mut each)),
        Expr::Struct(made) => made.entries.iter().try_for_each(|entry| entry_check(&entry.expr, &mut each)),
        Expr::Comprehension(loops) => {
            each(&loops.iter_range)?;
            each(&loops.accu_init)?;
            let before = scope.len();
            scope.extend([loops.iter_var.clone(), loops.accu_var.clone()]);
            scope.extend(loops.iter_var2.clone());
            let inner = [&loops.loop_cond, &loops.loop_step, &loops.result];
            let outcome = inner.into_iter().try_for_each(|part| check(part, template, scope, depth + 1));
            scope.truncate(before);
            outcome
        }
    }
}

fn entry_check(entry: &EntryExpr, each: &mut impl FnMut(&IdedExpr) -> CliResult) -> CliResult {
    match entry {
        EntryExpr::StructField(field) => each(&field.value),
        EntryExpr::MapEntry(pair) => each(&pair.key).and_then(|()| each(&pair.value)),
    }
}

fn known(name: &str, template: &Value, scope: &[String]) -> CliResult {
    let there = template.get(name).is_some() || name == NOW || TYPES.contains(&name);
    if there || name.starts_with('@') || scope.iter().any(|own| own == name) {
        return Ok(());
    }
    Err(refused(format!("there is no field {name:?} here"), template))
}

/// A field of a field, as far as the template tells what is there.
fn member(operand: &IdedExpr, field: &str, template: &Value, scope: &[String]) -> CliResult {
    match value_of(operand, template, scope) {
        Some(inner @ Value::Object(fields)) if !fields.contains_key(field) => {
            Err(refused(format!("there is no field {field:?} in it"), inner))
        }
        _ => Ok(()),
    }
}

fn value_of<'a>(expr: &IdedExpr, template: &'a Value, scope: &[String]) -> Option<&'a Value> {
    match &expr.expr {
        Expr::Ident(name) if !scope.contains(name) => template.get(name),
        Expr::Select(select) => value_of(&select.operand, template, scope)?.get(&select.field),
        _ => None,
    }
}

fn refused(why: String, template: &Value) -> CliError {
    let fields: Vec<&str> = template.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    CliError::usage(format!("--filter: {why}"))
        .because("BAD_FILTER")
        .hint(format!("fields: {}", fields.join(", ")))
        .hint("bib help cel")
}

fn cel_value(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(flag) => cel::Value::Bool(*flag),
        Value::String(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Array(items) => cel::Value::List(Arc::new(items.iter().map(cel_value).collect())),
        Value::Object(fields) => {
            let map: HashMap<Key, cel::Value> =
                fields.iter().map(|(name, field)| (Key::from(name.clone()), cel_value(field))).collect();
            cel::Value::Map(Map { map: Arc::new(map) })
        }
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => cel::Value::Int(int),
            (None, Some(large)) => cel::Value::UInt(large),
            (None, None) => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record() -> Value {
        json!({"name": "flights", "bytes": 2048, "rows": null, "subscribed": true, "parents": ["a", "b"],
            "latest": {"number": 3}, "updatedAt": "2026-01-02T00:00:00Z"})
    }

    fn fits(text: &str) -> CliResult<bool> {
        Filter::new(text, &record(), 1_767_400_000_000)?.fits(&record())
    }

    #[test]
    fn conditions_over_every_kind_of_field() {
        for text in [
            "bytes > 1000 && subscribed",
            "name.startsWith('fl')",
            "name in ['flights', 'weather']",
            "latest.number == 3",
            "parents.exists(p, p == 'b')",
            "timestamp(updatedAt) < now",
            "now - timestamp(updatedAt) < duration('48h')",
            "!(rows > 5)",
            "has(latest.number)",
        ] {
            // what compares with nothing fulfils nothing, not even its contrary
            assert_eq!(fits(text).unwrap(), !text.contains("rows"), "{text}");
        }
        assert!(!fits("bytes > 4096").unwrap());
    }

    #[test]
    fn an_unknown_field_is_refused_with_those_there_are() {
        let error = fits("size > 5").unwrap_err();
        assert!(error.message.contains("\"size\"") && error.hints[0].contains("bytes"), "{error:?}");
        let error = fits("latest.nmber == 1").unwrap_err();
        assert!(error.hints[0].contains("number"), "{error:?}");
        assert!(fits("parents.exists(p, q == 'b')").is_err());
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in ["", "bytes >", "bytes", "name > 5", "\"", "((((", "a.b.c", "name.startsWith(5)"] {
            let error = fits(text).unwrap_err();
            assert!(error.message.starts_with("--filter: "), "{text}: {error:?}");
        }
        assert!(fits(&"!".repeat(LONGEST + 1)).is_err());
        assert!(fits(&format!("{}true", "[".repeat(3000))).is_err());
        // the parser folds a chain of negations, so this one is no deep tree
        assert!(fits(&format!("{}subscribed", "!".repeat(3000))).unwrap());
    }
}
