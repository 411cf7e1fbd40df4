//! `query-parquet`: five queries over ten million rows, beside DuckDB on the same file.

use crate::measure::{Round, rounds, seconds};
use crate::peers::python;
use crate::report::{Better, Row};
use anyhow::{Context, ensure};
use arrow::array::{Array, AsArray};
use arrow::buffer::Buffer;
use arrow::datatypes::{Int64Type, UInt64Type};
use arrow::ipc::reader::StreamDecoder;
use bib_node_tests::{Lab, NodeSpec};
use bib_proto::client::{Address, Client, ClientOptions, Trust, TrustStore};
use bib_proto::v1::QueryRequest;
use bib_proto::v1::query_response::Part;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const ROWS: usize = 10_000_000;
const THREADS: usize = 2;

/// Name, CEL, SQL, goal.
const QUERIES: [(&str, &str, &str, f64); 5] = [
    (
        "filter-aggregate",
        r#".filter(r, r.a > 500 && r.b == 3).aggregate(r, {}, {"n": count(), "m": mean(r.f)})"#,
        "select count(*) as n, avg(f) as m from TABLE where a > 500 and b = 3",
        0.77,
    ),
    (
        "filter-group",
        r#".filter(r, r.a > 500 && r.b == 3).aggregate(r, {"s": r.s}, {"n": count(), "m": mean(r.f), "x": max(r.a)}).sort(r, r.s)"#,
        "select s, count(*) as n, avg(f) as m, max(a) as x from TABLE where a > 500 and b = 3 group by s order by s",
        0.77,
    ),
    (
        "string-filter",
        r#".filter(r, r.s.startsWith("site_1") && r.f < 0.5).aggregate(r, {}, {"n": count()})"#,
        "select count(*) as n from TABLE where s like 'site\\_1%' escape '\\' and f < 0.5",
        0.77,
    ),
    (
        "full-group",
        r#".aggregate(r, {"s": r.s, "b": r.b}, {"n": count(), "t": sum(r.f)})"#,
        "select s, b, count(*) as n, sum(f) as t from TABLE group by s, b",
        0.77,
    ),
    (
        "selective",
        ".filter(r, r.id >= 5000000 && r.id <= 5000100)",
        "select * from TABLE where id >= 5000000 and id <= 5000100",
        0.67,
    ),
];

/// Each query, and the four broad ones together.
pub(crate) fn run(count: usize, _mib: usize) -> anyhow::Result<Vec<Row>> {
    let lab = Lab::new()?;
    let table = lab.path().join("table.parquet");
    let mut duckdb = DuckDb::start(lab.path(), &table)?;
    let mut node = lab.node(NodeSpec::full("bench"))?;
    node.start()?;
    node.bib(&["topic", "create", "bench"])?.ok()?;
    node.bib(&["dataset", "upload", &table.to_string_lossy(), "--topic", "bench", "--name", "table"])?.ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = runtime.block_on(connect(&node.data_dir()))?;

    let mut rows = Vec::new();
    let mut broad: Vec<Round> = vec![Round { ours: 0.0, peer: 0.0 }; count];
    for (name, cel, sql, goal) in QUERIES {
        let expression = format!("dataset(\"bench/table\"){cel}");
        let expected = duckdb.ask(sql)?;
        let measured = rounds(
            count,
            |_| {
                let ((rows, n), took) = seconds(|| runtime.block_on(ask(&client, &expression)))?;
                ensure!(rows == expected.rows && n == expected.n, "{name}: {rows} rows, n {n}; DuckDB {expected:?}");
                Ok(took * 1000.0)
            },
            |_| Ok(duckdb.ask(sql)?.seconds * 1000.0),
        )?;
        if name != "selective" {
            for (sum, round) in broad.iter_mut().zip(&measured) {
                sum.ours += round.ours;
                sum.peer += round.peer;
            }
        }
        rows.push(row(format!("query-parquet.{name}"), goal, measured));
    }
    rows.insert(0, row("query-parquet".to_owned(), 0.77, broad));
    node.stop()?;
    Ok(rows)
}

fn row(name: String, goal: f64, rounds: Vec<Round>) -> Row {
    let remark = "DuckDB keeps no audit log and runs in the asker's process";
    Row { name, peer_name: "duckdb".into(), unit: "ms", better: Better::Lower, goal, rounds, remark }
}

async fn connect(data_dir: &Path) -> anyhow::Result<Client> {
    let address = Address::Unix(data_dir.join("run/bib.sock"));
    let store = TrustStore::at(data_dir.join("unused"));
    Ok(Client::connect(&address, &store, Trust::KnownOnly, ClientOptions::default()).await?)
}

/// Rows of the answer and the sum of its column `n`.
async fn ask(client: &Client, expression: &str) -> anyhow::Result<(usize, i64)> {
    let request = QueryRequest { expression: expression.to_owned(), limit: 0, timeout_ms: 0 };
    let mut stream = client.queries().query(request).await?.into_inner();
    let mut decoder = StreamDecoder::new();
    let (mut rows, mut total) = (0, 0);
    while let Some(answer) = stream.message().await? {
        let Some(Part::ArrowIpc(part)) = answer.part else { continue };
        let mut buffer = Buffer::from_vec(part);
        while !buffer.is_empty() {
            let Some(batch) = decoder.decode(&mut buffer)? else { continue };
            rows += batch.num_rows();
            if let Some(column) = batch.column_by_name("n") {
                total += sum(column.as_ref());
            }
        }
    }
    Ok((rows, total))
}

fn sum(column: &dyn Array) -> i64 {
    if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
        return numbers.iter().flatten().sum();
    }
    let unsigned = column.as_primitive_opt::<UInt64Type>();
    unsigned.map_or(0, |numbers| numbers.iter().flatten().sum::<u64>().cast_signed())
}

struct DuckDb {
    process: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Debug)]
struct Answer {
    seconds: f64,
    rows: usize,
    n: i64,
}

impl DuckDb {
    fn start(folder: &Path, table: &Path) -> anyhow::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/duckdb_peer.py");
        let mut command = Command::new(python(folder, "duckdb")?);
        command.arg(script).arg(table).arg(ROWS.to_string()).arg(THREADS.to_string());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("run DuckDB")?;
        let ask = process.stdin.take().context("DuckDB's input")?;
        let answers = BufReader::new(process.stdout.take().context("DuckDB's output")?);
        let mut made = Self { process, ask, answers };
        made.line()?;
        Ok(made)
    }

    fn ask(&mut self, sql: &str) -> anyhow::Result<Answer> {
        writeln!(self.ask, "{sql}")?;
        let answer = self.line()?;
        let rows = answer["rows"].as_u64().and_then(|rows| usize::try_from(rows).ok());
        Ok(Answer {
            seconds: answer["seconds"].as_f64().context("DuckDB's time")?,
            rows: rows.context("DuckDB's rows")?,
            n: answer["n"].as_i64().context("DuckDB's count")?,
        })
    }

    fn line(&mut self) -> anyhow::Result<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("DuckDB said {line:?}"))
    }
}

impl Drop for DuckDb {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
