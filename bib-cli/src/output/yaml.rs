//! Records as block-style YAML. Strings are always quoted as in JSON, which YAML 1.2 includes.

use serde_json::Value;

/// The whole document.
pub(super) fn render(value: &Value) -> String {
    let mut text = String::new();
    node(value, 0, &mut text);
    text
}

fn node(value: &Value, indent: usize, text: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut inner = String::new();
                node(item, indent + 2, &mut inner);
                text.push_str(&format!("{pad}- {}", inner.trim_start()));
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            for (name, field) in fields {
                text.push_str(&format!("{pad}{name}:"));
                if is_block(field) {
                    text.push('\n');
                    node(field, indent + 2, text);
                } else {
                    text.push_str(&format!(" {field}\n"));
                }
            }
        }
        scalar => text.push_str(&format!("{pad}{scalar}\n")),
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nests_lists_and_objects() {
        let value = json!([{"a": 1, "b": {"c": ["x", "no"]}}, {"a": []}]);
        assert_eq!(render(&value), "- a: 1\n  b:\n    c:\n      - \"x\"\n      - \"no\"\n- a: []\n");
    }
}
