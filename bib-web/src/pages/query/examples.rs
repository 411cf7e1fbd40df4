//! Queries to begin with, made for the datasets that are here.

use crate::cel;
use crate::session::Visitor;
use bib_proto::v1::{Column, GetDatasetRequest, GetDatasetResponse, ListDatasetsRequest};

/// Datasets that examples are made for.
const DATASETS: usize = 3;
/// Datasets that are looked at to find those with tables.
const LOOKED_AT: u32 = 12;

/// A query to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Example {
    pub(crate) about: String,
    pub(crate) expression: String,
    pub(crate) link: String,
}

/// Examples for the datasets that are here; none when there are none or they cannot be listed.
pub(crate) async fn examples(visitor: &Visitor) -> Vec<Example> {
    let request = ListDatasetsRequest { page_size: LOOKED_AT, ..Default::default() };
    let Ok(found) = visitor.client.datasets().list_datasets(request).await else { return Vec::new() };
    let names = found
        .into_inner()
        .datasets
        .into_iter()
        .filter(|dataset| dataset.latest.as_ref().is_some_and(|latest| latest.complete && latest.rows > 0));
    let details = names.take(DATASETS).map(|dataset| {
        let mut client = visitor.client.datasets();
        async move { client.get_dataset(GetDatasetRequest { name: dataset.name, ..Default::default() }).await }
    });
    let details = futures::future::join_all(details).await;
    details.into_iter().flatten().flat_map(|found| of_dataset(&found.into_inner())).collect()
}

fn of_dataset(found: &GetDatasetResponse) -> Vec<Example> {
    let name = found.version.as_ref().map_or("", |version| version.dataset.as_str());
    let tables: Vec<_> = found.entries.iter().filter_map(|entry| Some((entry, entry.schema.as_ref()?))).collect();
    let Some((entry, schema)) = tables.first() else { return Vec::new() };
    let table = match tables.len() {
        1 => format!("dataset({})", cel::quote(name)),
        _ => format!("dataset({}, {})", cel::quote(name), cel::quote(&entry.path)),
    };
    let mut made = vec![example("the first rows", format!("{table}.limit(20)"))];
    made.extend(counted(&table, &schema.columns));
    made.extend(measured(&table, &schema.columns));
    made
}

fn example(about: &str, expression: String) -> Example {
    let link = format!("/query?q={}", crate::format::part(&expression));
    Example { about: about.to_owned(), expression, link }
}

fn of<'a>(columns: &'a [Column], kinds: &[&str]) -> Option<&'a Column> {
    kinds.iter().find_map(|kind| columns.iter().find(|column| column.r#type == *kind))
}

/// How often each value of a text column comes.
fn counted(table: &str, columns: &[Column]) -> Option<Example> {
    let column = of(columns, &["string", "bool"])?;
    let (key, value) = (cel::quote(&column.name), cel::column(&column.name));
    let steps = format!(".aggregate(r, {{{key}: {value}}}, {{\"rows\": count()}}).sort(r, r.rows, \"desc\")");
    Some(example(&format!("how often each {} comes", column.name), format!("{table}{steps}")))
}

/// The range of a column of numbers.
fn measured(table: &str, columns: &[Column]) -> Option<Example> {
    let column = of(columns, &["double", "int"])?;
    let value = cel::column(&column.name);
    let steps = format!(
        ".aggregate(r, {{}}, {{\"least\": min({value}), \"mean\": mean({value}), \"greatest\": max({value})}})"
    );
    Some(example(&format!("the range of {}", column.name), format!("{table}{steps}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_proto::v1::{Entry, TableSchema, Version};

    #[test]
    fn examples_name_what_is_there() {
        let column = |name: &str, kind: &str| Column { name: name.into(), r#type: kind.into(), nullable: true };
        let schema = TableSchema { columns: vec![column("Body Mass", "double"), column("island", "string")], rows: 3 };
        let entry = Entry { path: "p.csv".into(), schema: Some(schema), ..Default::default() };
        let version = Version { dataset: "birds/penguins".into(), ..Default::default() };
        let mut found =
            GetDatasetResponse { version: Some(version), entries: vec![entry.clone()], ..Default::default() };
        let made: Vec<String> = of_dataset(&found).into_iter().map(|example| example.expression).collect();
        assert_eq!(made[0], "dataset(\"birds/penguins\").limit(20)");
        assert!(made[1].contains(".aggregate(r, {\"island\": r.island}, {\"rows\": count()})"), "{made:?}");
        assert!(made[2].contains("min(r[\"Body Mass\"])"), "{made:?}");
        found.entries.push(Entry { path: "q.csv".into(), ..entry });
        assert!(of_dataset(&found)[0].expression.starts_with("dataset(\"birds/penguins\", \"p.csv\")"));
        found.entries.clear();
        assert!(of_dataset(&found).is_empty());
    }
}
