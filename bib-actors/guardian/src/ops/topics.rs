//! Topics and subscriptions.

use crate::audited::{Batch, Change, Look, Stamp};
use crate::core::Core;
use crate::database::{DbError, DbRole, Many, ManyRows, Row, Statement, Tx, Value};
use crate::error::GuardianError;
use crate::events::SubscriptionsChanged;
use crate::recall::Weigh;
use crate::rows::{NewTopic, Topic};
use bib_domain::{OpContext, TopicName};
use std::sync::OnceLock;

/// The columns of a topic, from `topics t`.
pub(crate) const COLUMNS: &str = "t.name, t.description, t.owner, \
    (select count(*) from datasets d where d.topic = t.name), \
    (select cast(coalesce(sum(d.latest_bytes), 0) as bigint) from datasets d where d.topic = t.name), \
    exists (select 1 from subscriptions s where s.topic = t.name), t.created_ms, t.updated_ms";

pub(crate) fn topic(row: &mut Row) -> Result<Topic, DbError> {
    Ok(Topic {
        name: row.parsed()?,
        description: row.text()?,
        owner: row.parsed()?,
        datasets: row.count()?,
        bytes: row.count()?,
        subscribed: row.bool()?,
        created_ms: row.int()?,
        updated_ms: row.int()?,
    })
}

async fn find(tx: &mut Tx, name: &TopicName) -> Result<Option<Topic>, DbError> {
    let sql = format!("select {COLUMNS} from topics t where t.name = $1");
    tx.first(&sql, &[name.as_str().into()]).await?.map(|mut row| topic(&mut row)).transpose()
}

async fn get(tx: &mut Tx, name: &TopicName) -> Result<Topic, GuardianError> {
    find(tx, name).await?.ok_or_else(|| GuardianError::TopicNotFound { name: name.clone() })
}

/// Moves the catalogue on by a position, which is then [`POSITION`]. Its row stays locked until the transaction ends, so
/// positions become visible in order.
pub(crate) async fn next_position(tx: &mut Tx) -> Result<(), DbError> {
    tx.later(NEXT_POSITION, vec![1_i64.into()]).await
}

const NEXT_POSITION: &str = "update counters set value = value + $1 where name = 'catalog'";
const NEXT_POSITIONS: Many = Many {
    sql: "update counters set value = value + (select sum(step)::bigint from unnest($1::bigint[]) as steps (step)) \
          where name = 'catalog'",
    rows: ManyRows::Shared,
};

/// The position that a transaction drew.
pub(crate) const POSITION: &str = "(select value from counters where name = 'catalog')";

/// Each topic gets one of the positions that were drawn for all.
const NEW_TOPICS: Many = Many {
    sql: "insert into topics (name, description, owner, position, created_ms, updated_ms) \
          select name, description, owner, \
              (select value from counters where name = 'catalog') - cardinality($1::text[]) + number, created_ms, updated_ms \
          from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) with ordinality \
          as made (name, description, owner, created_ms, updated_ms, number) on conflict (name) do nothing",
    rows: ManyRows::Own,
};

/// Makes a topic.
pub(crate) struct CreateTopic {
    cx: OpContext,
    new: NewTopic,
    /// When it was made: one that is new is known without reading it.
    made_ms: OnceLock<i64>,
}

impl CreateTopic {
    pub(crate) const fn new(cx: OpContext, new: NewTopic) -> Self {
        Self { cx, new, made_ms: OnceLock::new() }
    }

    fn statements(&self, stamp: Stamp) -> Vec<Statement> {
        let new = &self.new;
        let sql = format!(
            "insert into topics (name, description, owner, position, created_ms, updated_ms) \
             values ($1, $2, $3, {POSITION}, $4, $5) on conflict (name) do nothing"
        );
        let params = vec![
            new.name.as_str().into(),
            new.description.as_str().into(),
            (&new.owner).into(),
            new.created_ms.into(),
            stamp.now_ms.into(),
        ];
        let next = Statement::new(NEXT_POSITION, vec![1_i64.into()]).or(&NEXT_POSITIONS);
        vec![next, Statement::new(sql, params).or(&NEW_TOPICS)]
    }

    /// The topic, once it is made.
    fn made(&self, updated_ms: i64) -> Topic {
        let NewTopic { name, description, owner, created_ms, if_not_exists: _ } = self.new.clone();
        Topic { name, description, owner, datasets: 0, bytes: 0, subscribed: false, created_ms, updated_ms }
    }
}

impl Change for CreateTopic {
    type Output = Topic;
    const ACTION: &'static str = "topic.create";
    const ROLE: DbRole = DbRole::Node;
    const REMEMBER: bool = true;
    const SHARES: bool = true;

    fn cx(&self) -> &OpContext {
        &self.cx
    }

    fn object(&self) -> String {
        self.new.name.to_string()
    }

    fn batch(&self, stamp: Stamp) -> Option<Batch<Topic>> {
        Some(Batch { statements: self.statements(stamp), output: self.made(stamp.now_ms) })
    }

    async fn apply(&self, tx: &mut Tx, stamp: Stamp) -> Result<String, GuardianError> {
        let made = tx.run_all(self.statements(stamp)).await?;
        if made.last().is_some_and(|rows| *rows > 0) {
            // it is applied once
            let _ = self.made_ms.set(stamp.now_ms);
        } else if !self.new.if_not_exists {
            return Err(GuardianError::TopicExists { name: self.new.name.clone() });
        }
        Ok(String::new())
    }

    async fn answer(&self, tx: &mut Tx, _note: &str) -> Result<Topic, GuardianError> {
        match self.made_ms.get() {
            Some(updated_ms) => Ok(self.made(*updated_ms)),
            None => get(tx, &self.new.name).await,
        }
    }
}

/// Subscribes to a topic or leaves it.
pub(crate) struct SetSubscribed {
    pub(crate) cx: OpContext,
    pub(crate) topic: TopicName,
    pub(crate) subscribed: bool,
}

impl Change for SetSubscribed {
    type Output = Topic;
    const ACTION: &'static str = "topic.subscribe";
    const ROLE: DbRole = DbRole::Node;
    const REMEMBER: bool = true;
    const SHARES: bool = true;

    fn cx(&self) -> &OpContext {
        &self.cx
    }

    fn object(&self) -> String {
        if self.subscribed { self.topic.to_string() } else { format!("{} (leave)", self.topic) }
    }

    async fn apply(&self, tx: &mut Tx, stamp: Stamp) -> Result<String, GuardianError> {
        let topic: Value = self.topic.as_str().into();
        let known =
            tx.run("update topics set updated_ms = $2 where name = $1", &[topic.clone(), stamp.now_ms.into()]).await?;
        if known == 0 {
            return Err(GuardianError::TopicNotFound { name: self.topic.clone() });
        }
        if self.subscribed {
            tx.run(
                "insert into subscriptions (topic, created_by, created_ms) values ($1, $2, $3) on conflict (topic) do nothing",
                &[topic, self.cx.who.to_string().into(), stamp.now_ms.into()],
            )
            .await?;
        } else {
            tx.run("delete from subscriptions where topic = $1", &[topic]).await?;
        }
        Ok(String::new())
    }

    async fn answer(&self, tx: &mut Tx, _note: &str) -> Result<Topic, GuardianError> {
        get(tx, &self.topic).await
    }

    fn announce(&self, core: &Core, topic: &Topic) {
        core.events
            .subscriptions
            .publish(SubscriptionsChanged { topic: topic.name.clone(), subscribed: topic.subscribed });
    }
}

/// Topics in the order of their names.
pub(crate) struct ListTopics {
    pub(crate) after: Option<TopicName>,
    pub(crate) limit: u32,
}

impl Look for ListTopics {
    type Output = Vec<Topic>;
    const ACTION: &'static str = "topic.list";

    fn object(&self) -> String {
        "topics".to_owned()
    }

    fn recall_key(&self) -> Option<String> {
        Some(format!("{} {}", self.limit, self.after.as_ref().map_or("", TopicName::as_str)))
    }

    fn heap_bytes(&self, output: &Vec<Topic>) -> usize {
        output.heap_bytes()
    }

    async fn read(&self, tx: &mut Tx) -> Result<Vec<Topic>, GuardianError> {
        let after = self.after.as_ref().map_or("", TopicName::as_str);
        let sql = format!("select {COLUMNS} from topics t where t.name > $1 order by t.name limit $2");
        let mut rows = tx.all(&sql, &[after.into(), self.limit.into()]).await?;
        Ok(rows.iter_mut().map(topic).collect::<Result<_, _>>()?)
    }
}

/// One topic.
pub(crate) struct GetTopic {
    pub(crate) name: TopicName,
}

impl Look for GetTopic {
    type Output = Option<Topic>;
    const ACTION: &'static str = "topic.get";

    fn object(&self) -> String {
        self.name.to_string()
    }

    fn recall_key(&self) -> Option<String> {
        Some(self.name.to_string())
    }

    fn heap_bytes(&self, output: &Option<Topic>) -> usize {
        output.heap_bytes()
    }

    async fn read(&self, tx: &mut Tx) -> Result<Option<Topic>, GuardianError> {
        Ok(find(tx, &self.name).await?)
    }
}
