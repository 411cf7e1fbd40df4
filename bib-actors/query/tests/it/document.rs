//! The language page: every expression in it runs on the real tables, and every refusal reads as it says.

use crate::support::{nyc, package_dir};

struct Block {
    kind: String,
    text: String,
    line: usize,
}

fn blocks() -> Vec<Block> {
    let path = package_dir().join("../../docs/reference/query-language.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(kind)) => open = Some(Block { kind: kind.to_owned(), text: String::new(), line: at + 1 }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

#[tokio::test]
async fn every_example_runs() {
    let lab = nyc();
    let blocks = blocks();
    let (mut run, mut refused) = (0, 0);
    for (at, block) in blocks.iter().enumerate() {
        let expression = block.text.trim_end();
        let next = blocks.get(at + 1).map(|next| next.text.trim_end()).unwrap_or_default();
        match block.kind.as_str() {
            "cel" => {
                if let Err(error) = lab.try_rows(expression).await {
                    panic!("line {}: {error}", block.line);
                }
                run += 1;
            }
            "cel rows" => {
                let rows: Vec<String> = lab.rows(expression).await.iter().map(ToString::to_string).collect();
                assert_eq!(rows.join("\n"), next, "line {}", block.line);
                run += 1;
            }
            "cel refused" => {
                assert_eq!(lab.refusal(expression).await, next, "line {}", block.line);
                refused += 1;
            }
            _ => {}
        }
    }
    assert!(run >= 15 && refused >= 2, "{run} examples and {refused} refusals were found");
}

/// Functions, aggregates and steps that the page must name.
#[test]
fn nothing_is_left_out() {
    let path = package_dir().join("../../docs/reference/query-language.md");
    let page = std::fs::read_to_string(path).unwrap();
    let table = include_str!("../../src/lang/functions.rs");
    let names = table.split("overload(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let more =
        ["coalesce", "has", "exists_one", "count_distinct", "stddev", "variance", "median", "offset", "distinct"];
    for name in names.chain(more) {
        assert!(page.contains(name), "the page does not name {name}");
    }
}
