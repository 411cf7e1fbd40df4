//! `audited-reads` and `audited-writes`: metadata through the guardian with its audit log, beside the same without, and beside
//! the records that PostgreSQL can keep.

use super::float;
use super::keeper::{Estate, Keeper, operation};
use crate::context::Ctx;
use crate::measure::{Measured, Round, Side, in_turn, median, one, seconds};
use crate::peers::postgres::{Postgres, connections};
use crate::peers::reader::Reader;
use crate::report::{Better, NO_GOAL, Row};
use anyhow::{Context, ensure};
use bib_domain::TopicName;
use bib_guardian::{GuardianHandle, NewTopic};
use bib_node_tests::Lab;
use futures::future::try_join_all;
use tokio_postgres::Client;

/// Clients that read.
const READERS: usize = 8;
/// Clients that write at the same time.
const WRITERS: usize = 16;

/// Eight clients that read single rows; and what the records of PostgreSQL cost the same select on a bare server.
pub(crate) fn run_reads(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let lab = Lab::new()?;
    let each = ctx.size(2_500, 50);
    let audited = Keeper::start(&Estate::new(&lab.path().join("audited"))?, true)?;
    let bare = Keeper::start(&Estate::new(&lab.path().join("bare"))?, false)?;
    for keeper in [&audited, &bare] {
        keeper.block_on(create(&keeper.guardian, "topic".to_owned()))?;
    }
    let plain = Reader::bare(&lab.path().join("plain"), READERS)?;
    let logging = Reader::logging(&lab.path().join("logging"), READERS)?;
    let found = plain.find_pgaudit();
    let pgaudit = found.is_ok().then(|| Reader::pgaudit(&lab.path().join("pgaudit"), READERS)).transpose()?;
    let mut sides = vec![
        one(|_| reads(&audited, each)),
        one(|_| reads(&bare, each)),
        one(|_| plain.read(each)),
        one(|_| logging.read(each)),
    ];
    if let Some(pgaudit) = &pgaudit {
        sides.push(one(|_| pgaudit.read(each)));
    }
    let table = in_turn(ctx, sides)?;
    let records = audited.block_on(audited.audit.as_ref().context("an audit log")?.head())?.records;
    ensure!(records >= (READERS * each * ctx.rounds) as u64, "only {records} records for all reads");
    let row = Row::new("audited-reads", "unaudited", "1/s", Better::Higher, 0.85, table.beside(1, 0));
    // of each what is left of the rate without records
    let share = |peer: &str, side: usize, what: &str| {
        let left = table.with(&[0, 1, 2, side], |round| Round {
            ours: round[0][0] * 100.0 / round[1][0],
            peer: round[side][0] * 100.0 / round[2][0],
        });
        let rate = median(table.beside(side, 0).rounds.iter().map(|round| round.peer).collect());
        let remark = format!("what is left of the rate without records; PostgreSQL made {rate:.0} 1/s and {what}");
        Row::new("audited-reads.left", peer, "%", Better::Higher, NO_GOAL, left).remark(remark)
    };
    let mut rows = vec![
        row.remark("the same guardian with a log that keeps nothing; 8 clients"),
        share("log_statement", 3, "its lines are neither chained nor synced"),
    ];
    rows.push(match found {
        Ok(()) => share("pgaudit", 4, "its lines are neither chained nor synced, and have no parameters"),
        Err(why) => Row::left_out("audited-reads.left", "pgaudit", "%", NO_GOAL, &format!("{why:#}")),
    });
    [Some(plain), Some(logging), pgaudit].into_iter().flatten().try_for_each(Reader::stop)?;
    audited.stop()?;
    bare.stop()?;
    Ok(rows)
}

fn reads(keeper: &Keeper, each: usize) -> anyhow::Result<f64> {
    let name: TopicName = "topic".parse()?;
    let read = |_| async {
        for _ in 0..each {
            let found = keeper.guardian.on_behalf_of(&operation()).get_topic(&name).await?;
            ensure!(found.is_some(), "the topic is gone");
        }
        Ok(())
    };
    let (_, took) = seconds(|| keeper.block_on(try_join_all((0..READERS).map(read))))?;
    Ok(float(READERS * each) / took)
}

async fn create(guardian: &GuardianHandle, name: String) -> anyhow::Result<()> {
    let new = NewTopic {
        name: name.parse()?,
        description: String::new(),
        owner: "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp".parse()?,
        created_ms: 1,
        if_not_exists: false,
    };
    guardian.create_topic(&operation(), new).await?;
    Ok(())
}

/// One and sixteen clients that make topics.
pub(crate) fn run_writes(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let lab = Lab::new()?;
    let keeper = Keeper::start(&Estate::new(&lab.path().join("audited"))?, true)?;
    let mut postgres = Postgres::new(&lab.path().join("bare"))?;
    postgres.start()?;
    keeper.block_on(postgres.make_tables())?;
    let (alone, each) = (ctx.size(500, 20), ctx.size(100, 4));

    let ours: Side<'_> = Box::new(|round| {
        let one = writes(&keeper, &format!("a{round}"), 1, alone)?;
        let many = writes(&keeper, &format!("b{round}"), WRITERS, each)?;
        Ok(vec![one, many])
    });
    let clients = keeper.block_on(connections(&postgres, WRITERS))?;
    let plain = |chained: bool| -> Side<'_> {
        let (keeper, clients) = (&keeper, &clients);
        Box::new(move |round| {
            let name = |kind: &str| format!("{kind}{round}{}", if chained { "x" } else { "" });
            let one = keeper.block_on(transactions(&clients[..1], &name("a"), alone, chained))?;
            let many = keeper.block_on(transactions(clients, &name("b"), each, chained))?;
            Ok(vec![one, many])
        })
    };
    let table = in_turn(ctx, vec![ours, plain(false), plain(true)])?;
    let growth = table.own(1, 0);
    let verdict = keeper.block_on(keeper.audit.as_ref().context("an audit log")?.verify())?;
    ensure!(verdict.problem.is_none(), "the audit log is not whole: {:?}", verdict.problem);
    let row = |name: &str, peer: &str, goal: f64, measured: Measured, remark: &str| {
        Row::new(name, peer, "1/s", Better::Higher, goal, measured).remark(remark)
    };
    let same = "the same statements, one after the other, on a bare PostgreSQL with the same settings; ours writes two \
                durable records more";
    let naive = "a chain whose head is locked in the transaction";
    let rows = vec![
        row("audited-writes.1", "postgresql", 0.85, table.beside(1, 0), same),
        row("audited-writes.16", "postgresql", 0.85, table.beside(1, 1), same),
        row("audited-writes.16", "naive chain", 15.0, table.beside(2, 1), naive),
        row("audited-writes.growth", "1 client", 1.0, growth, "16 clients beside 1: it must not fall"),
    ];
    keeper.stop()?;
    postgres.stop()?;
    Ok(rows)
}

fn writes(keeper: &Keeper, prefix: &str, clients: usize, each: usize) -> anyhow::Result<f64> {
    let write = |client: usize| async move {
        for number in 0..each {
            create(&keeper.guardian, format!("{prefix}-{client}-{number}")).await?;
        }
        anyhow::Ok(())
    };
    let (_, took) = seconds(|| keeper.block_on(try_join_all((0..clients).map(write))))?;
    Ok(float(clients * each) / took)
}

/// What the guardian says to the database when it makes a topic, prepared once for each connection.
const STATEMENTS: [&str; 3] = [
    "insert into requests (request_id, action, object, result, created_ms) values ($1, 'topic.create', $2, '', 1) \
     on conflict (request_id, action, object) do nothing",
    "update counters set value = value + 1 where name = 'catalog'",
    "insert into topics (name, description, owner, position, created_ms, updated_ms) \
     values ($1, '', '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp', \
     (select value from counters where name = 'catalog'), 1, 1) on conflict (name) do nothing",
];

async fn transactions(clients: &[Client], prefix: &str, each: usize, chained: bool) -> anyhow::Result<f64> {
    let begun = bib_kit::clock::monotonic();
    let work = clients.iter().enumerate().map(|(client, connection)| async move {
        let mut prepared = Vec::new();
        for text in STATEMENTS {
            prepared.push(connection.prepare(text).await?);
        }
        for number in 0..each {
            let name = format!("{prefix}-{client}-{number}");
            let id = bib_kit::clock::new_request_id().as_bytes().to_vec();
            connection.batch_execute("begin isolation level read committed read write").await?;
            connection.execute(&prepared[0], &[&id, &name]).await?;
            connection.execute(&prepared[1], &[]).await?;
            connection.execute(&prepared[2], &[&name]).await?;
            if chained {
                chain(connection, &name).await?;
            }
            connection.batch_execute("commit").await?;
        }
        anyhow::Ok(())
    });
    try_join_all(work).await?;
    Ok(float(clients.len() * each) / bib_kit::clock::since(begun).as_secs_f64())
}

/// The naive way: each statement of the transaction gets its entry, bound to the one before under one lock.
async fn chain(connection: &Client, name: &str) -> anyhow::Result<()> {
    for statement in STATEMENTS {
        let entry = format!("{statement} {name}");
        let head: String = connection.query_one("select hash from head where k = 1 for update", &[]).await?.get(0);
        connection
            .execute(
                "insert into chain (entry, prev, hash) values ($1, $2, encode(sha256(convert_to($2 || $1, 'UTF8')), 'hex'))",
                &[&entry, &head],
            )
            .await?;
        connection
            .execute(
                "update head set hash = encode(sha256(convert_to(hash || $1, 'UTF8')), 'hex') where k = 1",
                &[&entry],
            )
            .await?;
    }
    Ok(())
}
