//! Reads of single rows on a PostgreSQL without the node, and the records of them that PostgreSQL can keep by itself: lines
//! of a text file, which nothing binds together and nobody syncs.

use super::debian_part;
use super::postgres::{Postgres, connections};
use crate::measure::seconds;
use crate::rows::float;
use anyhow::{Context, ensure};
use bib_node_tests::until;
use futures::future::try_join_all;
use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Statement};

/// How long a line may take from the server's collector to the file.
const COLLECTED: Duration = Duration::from_secs(30);

/// What the guardian asks the database for when it reads a topic.
const SELECT: &str = "select t.name, t.description, t.owner, \
    (select count(*) from datasets d where d.topic = t.name), \
    (select cast(coalesce(sum(d.latest_bytes), 0) as bigint) from datasets d where d.topic = t.name), \
    exists (select 1 from subscriptions s where s.topic = t.name), t.created_ms, t.updated_ms \
    from topics t where t.name = $1";

/// The topic that is read.
const TOPIC: &str = "insert into topics (name, description, owner, position, created_ms, updated_ms) \
    values ('topic', '', '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp', 1, 1, 1)";

/// Lines go to a collector of the server's own, which writes them to one file.
const COLLECTOR: [&str; 4] =
    ["logging_collector=on", "log_filename=reads.log", "log_rotation_age=0", "log_rotation_size=0"];

/// How a server keeps records of reads: its settings, and the words of a line that is one.
struct Record {
    settings: &'static [&'static str],
    line: &'static str,
}

/// A server, and connections that read from it.
pub(crate) struct Reader {
    server: Postgres,
    clients: Vec<(Client, Statement)>,
    runtime: Runtime,
    /// The file with the records, and the words of one.
    log: Option<(PathBuf, &'static str)>,
    reads: Cell<usize>,
}

impl Reader {
    /// Nothing is recorded.
    pub(crate) fn bare(folder: &Path, readers: usize) -> anyhow::Result<Self> {
        Self::start(folder, readers, None)
    }

    /// PostgreSQL logs each statement and its parameters.
    pub(crate) fn logging(folder: &Path, readers: usize) -> anyhow::Result<Self> {
        Self::start(folder, readers, Some(Record { settings: &["log_statement=all"], line: "LOG:  execute " }))
    }

    /// Makes sure that pgaudit is there for servers as this one.
    pub(crate) fn find_pgaudit(&self) -> anyhow::Result<()> {
        let package = format!("postgresql-{}-pgaudit", self.runtime.block_on(self.server.major())?);
        debian_part("pgaudit", &package, || {
            self.runtime.block_on(self.server.has_extension("pgaudit")).unwrap_or(false)
        })
    }

    /// pgaudit logs each statement.
    pub(crate) fn pgaudit(folder: &Path, readers: usize) -> anyhow::Result<Self> {
        let settings = &["shared_preload_libraries=pgaudit", "pgaudit.log=all"];
        Self::start(folder, readers, Some(Record { settings, line: ",READ,SELECT," }))
    }

    fn start(folder: &Path, readers: usize, record: Option<Record>) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let mut server = Postgres::new(folder)?;
        if let Some(record) = &record {
            server.set(&COLLECTOR);
            server.set(record.settings);
        }
        server.start()?;
        let clients = runtime.block_on(async {
            server.make_tables().await?;
            server.connect().await?.batch_execute(TOPIC).await?;
            let prepare = |client: Client| async move {
                let statement = client.prepare(SELECT).await?;
                anyhow::Ok((client, statement))
            };
            try_join_all(connections(&server, readers).await?.into_iter().map(prepare)).await
        })?;
        let log = record.map(|record| (folder.join("data/log/reads.log"), record.line));
        Ok(Self { server, clients, runtime, log, reads: Cell::new(0) })
    }

    /// Reads a second, when each connection reads the row so often.
    pub(crate) fn read(&self, each: usize) -> anyhow::Result<f64> {
        let work = self.clients.iter().map(|(client, statement)| async move {
            for _ in 0..each {
                ensure!(client.query_opt(statement, &[&"topic"]).await?.is_some(), "the topic is gone");
            }
            anyhow::Ok(())
        });
        let (_, took) = seconds(|| self.runtime.block_on(try_join_all(work)))?;
        let reads = self.clients.len() * each;
        self.reads.set(self.reads.get() + reads);
        Ok(float(reads) / took)
    }

    /// Proves that each read has its record, and stops the server.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        if let Some((log, line)) = &self.log {
            let wanted = self.reads.get();
            until(&format!("{wanted} lines with {line:?} in {}", log.display()), COLLECTED, || {
                lines_with(log, line).is_ok_and(|found| found >= wanted)
            })?;
        }
        self.clients.clear();
        self.server.stop()
    }
}

fn lines_with(log: &Path, words: &str) -> anyhow::Result<usize> {
    let mut log = BufReader::new(File::open(log).context("open the log")?);
    let (mut found, mut line) = (0, String::new());
    while log.read_line(&mut line)? > 0 {
        found += usize::from(line.contains(words));
        line.clear();
    }
    Ok(found)
}
