//! The head of a column: its name, type, order, and what is in it.

use super::histogram::{self, BarView};
use crate::format::count;
use bib_proto::v1::{Column, ColumnStatistics, GetStatisticsResponse};

/// The head of one column.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) numeric: bool,
    /// `aria-sort`
    pub(crate) sorted: &'static str,
    /// What the link to sort does next, in words.
    pub(crate) next: &'static str,
    /// The sign of the present order.
    pub(crate) arrow: &'static str,
    pub(crate) sort_link: String,
    pub(crate) spread: Option<Spread>,
}

/// What is in a column.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    /// `2.5 % null`
    pub(crate) nulls: String,
    /// The rows without a value; empty when there are none.
    pub(crate) nulls_link: String,
    /// `−43 to 1,301`
    pub(crate) range: String,
    /// `527 different`
    pub(crate) distinct: String,
    pub(crate) bars: Vec<BarView>,
}

/// Where links of heads lead.
pub(crate) trait Links {
    /// The page in this order; an empty column is the order of the file.
    fn sorted(&self, column: &str, descending: bool) -> String;
    /// The page of the rows for which this holds too.
    fn narrowed(&self, condition: &str) -> String;
}

/// The heads of `columns`, of which one may be sorted by.
pub(crate) fn heads(
    columns: &[Column],
    statistics: Option<&GetStatisticsResponse>,
    sort: &str,
    descending: bool,
    links: &impl Links,
) -> Vec<Head> {
    let head = |column: &Column| {
        let found = statistics.and_then(|all| all.columns.iter().find(|found| found.name == column.name));
        let rows = statistics.map_or(0, |all| all.rows);
        let (sorted, next, arrow, sort_link) = match (column.name == sort, descending) {
            (false, _) => ("none", "sort", "", links.sorted(&column.name, false)),
            (true, false) => ("ascending", "sort, greatest first", "↑", links.sorted(&column.name, true)),
            (true, true) => ("descending", "sort no longer", "↓", links.sorted("", false)),
        };
        Head {
            name: column.name.clone(),
            kind: column.r#type.clone(),
            numeric: matches!(column.r#type.as_str(), "int" | "double"),
            sorted,
            next,
            arrow,
            sort_link,
            spread: found.map(|found| spread(found, rows, links)),
        }
    };
    columns.iter().map(head).collect()
}

fn spread(found: &ColumnStatistics, rows: u64, links: &impl Links) -> Spread {
    let values = rows.saturating_sub(found.nulls);
    let told: u64 = found.top_values.iter().map(|bar| bar.count).sum();
    let link = |condition: &str| links.narrowed(condition);
    let bars = match found.top_values.is_empty() {
        true => histogram::bars(&found.bins, 0, link),
        false => histogram::bars(&found.top_values, values.saturating_sub(told), link),
    };
    let range = match (&found.min, &found.max) {
        (Some(min), Some(max)) if min == max => histogram::short(min),
        (Some(min), Some(max)) => format!("{} to {}", histogram::short(min), histogram::short(max)),
        _ if values == 0 => "no value".to_owned(),
        _ => "all values".to_owned(),
    };
    let about = if found.distinct_exact { "" } else { "about " };
    Spread {
        nulls: share(found.nulls, rows),
        nulls_link: if found.nulls > 0 { links.narrowed(&found.nulls_filter) } else { String::new() },
        range,
        distinct: found.distinct.map(|distinct| format!("{about}{} different", count(distinct))).unwrap_or_default(),
        bars,
    }
}

/// How much is missing, in per cent that never claims all or nothing falsely.
fn share(nulls: u64, rows: u64) -> String {
    match (nulls, rows) {
        (0, _) => "no nulls".to_owned(),
        (nulls, rows) if nulls >= rows => "all null".to_owned(),
        (nulls, rows) => {
            let share = nulls as f64 * 100.0 / rows as f64;
            match share {
                share if share < 0.1 => "<0.1 % null".to_owned(),
                share if share > 99.9 => ">99.9 % null".to_owned(),
                share => format!("{share:.1} % null"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_proto::v1::Bar;

    struct Plain;

    impl Links for Plain {
        fn sorted(&self, column: &str, descending: bool) -> String {
            format!("{column} {descending}")
        }

        fn narrowed(&self, condition: &str) -> String {
            condition.to_owned()
        }
    }

    #[test]
    fn a_head_leads_to_the_next_order_and_says_what_is_in_the_column() {
        let columns = ["a", "b"].map(|name| Column { name: name.into(), r#type: "int".into(), nullable: true });
        let bar = Bar { from: "0".into(), to: "10".into(), count: 3, filter: "r.a >= 0".into() };
        let found = ColumnStatistics {
            name: "a".into(),
            nulls: 1,
            nulls_filter: "r.a == null".into(),
            min: Some("1".into()),
            max: Some("9".into()),
            distinct: Some(3),
            bins: vec![bar],
            ..Default::default()
        };
        let all = GetStatisticsResponse { rows: 4, columns: vec![found], ..Default::default() };
        let made = heads(&columns, Some(&all), "a", false, &Plain);
        assert_eq!((made[0].sorted, made[0].arrow, made[0].sort_link.as_str()), ("ascending", "↑", "a true"));
        assert_eq!((made[1].sorted, made[1].sort_link.as_str()), ("none", "b false"));
        let spread = made[0].spread.as_ref().unwrap();
        assert_eq!((spread.nulls.as_str(), spread.nulls_link.as_str()), ("25.0 % null", "r.a == null"));
        assert_eq!((spread.range.as_str(), spread.distinct.as_str()), ("1 to 9", "about 3 different"));
        assert!(made[1].spread.is_none());
        assert_eq!(heads(&columns, None, "a", true, &Plain)[0].sort_link, " false");
    }

    #[test]
    fn shares_claim_nothing_false() {
        let shares = [share(0, 9), share(9, 9), share(1, 10_000), share(99_999, 100_000), share(1, 3)];
        assert_eq!(shares, ["no nulls", "all null", "<0.1 % null", ">99.9 % null", "33.3 % null"]);
    }
}
