//! `bib dataset query EXPR`.

use super::rows::{Form, RowPrinter};
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::output::{bytes, counted, milliseconds};
use crate::session::Env;
use bib_proto::v1::query_response::Part;
use bib_proto::v1::{ExplainRequest, QueryRequest, QuerySummary};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// What to ask.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib dataset query 'dataset(\"flights/2013\").filter(r, r.dep_delay > 60 && r.origin == \"JFK\").limit(10)'\n  \
    bib dataset query 'dataset(\"flights/2013\").aggregate(r, {\"carrier\": r.carrier}, {\"flights\": count()})' -o csv\n  \
    bib dataset query 'dataset(\"flights/2013\").filter(r, r.month == 1)' --out january.parquet"
)]
pub(crate) struct Args {
    /// A CEL expression over dataset("TOPIC/DATASET")
    expression: String,
    /// At most this many rows; 0 for the node's limit
    #[arg(long, default_value_t = 0, value_name = "N")]
    limit: u64,
    /// Say how it would run, without running it
    #[arg(long)]
    explain: bool,
    /// Write the rows to this file: .csv, .jsonl, .parquet or .arrow
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Longest that the node may work on it
    #[arg(long, value_parser = crate::global::parse_duration, value_name = "DUR")]
    max_time: Option<Duration>,
}

impl Args {
    /// Just this expression.
    pub(super) fn of(expression: String) -> Self {
        Self { expression, limit: 0, explain: false, out: None, max_time: None }
    }
}

/// Runs or explains the expression.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    if env.out.sorts() {
        return Err(CliError::usage("--sort orders lists; rows come in the order that the expression gives them")
            .hint("bib dataset query 'dataset(\"TOPIC/DATASET\").sort(r, r.COLUMN, \"desc\")'"));
    }
    if args.explain {
        return explain(env, args.expression).await;
    }
    if args.out.is_some() && env.out.jq().is_some() {
        return Err(CliError::usage("--jq shows the rows on standard output, --out writes them to a file")
            .hint("leave one of them out; what jq makes can be kept, too: --jq EXPR > FILE"));
    }
    let form = match &args.out {
        Some(path) => Form::of_path(path)?,
        None => Form::of_output(&env.out),
    };
    // where it cannot be written is told before anything is asked
    let printer = RowPrinter::new(form, args.out.as_deref(), &env.out)?;
    let client = env.client().await?;
    let timeout_ms = args.max_time.map_or(0, |limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    let request = QueryRequest { expression: args.expression, limit: args.limit, timeout_ms };
    let (summary, left_out) = env.long(fetch(&client, request, printer)).await?;
    if left_out > 0 {
        let columns = counted(left_out as u64, "more column");
        env.out.remark(&format!("{columns} than fit: --no-truncate, -o csv, or choose some: --columns"));
    }
    let cut = if summary.truncated { "; cut off by a limit" } else { "" };
    let fetched = match summary.bytes_fetched {
        0 => String::new(),
        came => format!(", {} fetched from other nodes", bytes(came)),
    };
    env.out.remark(&format!(
        "{} in {}, {} read{fetched}{cut}",
        counted(summary.rows, "row"),
        milliseconds(Duration::from_micros(summary.elapsed_us)),
        bytes(summary.bytes_read),
    ));
    Ok(())
}

async fn fetch(
    client: &bib_proto::client::Client,
    request: QueryRequest,
    mut rows: RowPrinter,
) -> CliResult<(QuerySummary, usize)> {
    let mut stream = client.queries().query(request).await?.into_inner();
    while let Some(answer) = stream.message().await? {
        // a signal is heeded, too, where rows come faster than they are written
        tokio::task::yield_now().await;
        match answer.part {
            Some(Part::ArrowIpc(part)) => rows.push(part)?,
            Some(Part::Summary(summary)) => {
                return Ok((summary, rows.finish()?));
            }
            Some(Part::Header(_)) | None => {}
        }
    }
    Err(CliError::new(Exit::Failed, "the node ended the answer early; what was printed is not all of it"))
}

async fn explain(env: &Env, expression: String) -> CliResult {
    let client = env.client().await?;
    let answer = env.call(client.queries().explain(ExplainRequest { expression })).await?.into_inner();
    let presence = answer.presence.as_ref().map(|it| json!({"bytes": it.bytes, "bytesHere": it.bytes_here}));
    let record = json!({
        "plan": answer.plan,
        "rowByRow": answer.row_by_row,
        "schema": answer.schema.as_ref().map(crate::views::schema),
        "bytesFetched": answer.bytes_fetched,
        "presence": presence,
    });
    env.out.object(&record, || {
        let mut text = format!("{}\n", answer.plan.trim_end());
        if answer.row_by_row.is_empty() {
            text.push_str("all of it is vectorized\n");
        }
        answer.row_by_row.iter().for_each(|part| text.push_str(&format!("row by row: {part}\n")));
        if let Some(it) = &answer.presence {
            text.push_str(&format!(
                "{} of the table's {} are on this node; other nodes sent {} for this plan, and send what its rows need\n",
                bytes(it.bytes_here),
                bytes(it.bytes),
                bytes(answer.bytes_fetched),
            ));
        }
        text
    })?;
    Ok(())
}
