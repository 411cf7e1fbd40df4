//! The address of a table: all of its state, so that a link shows the same to everybody. Pure.

use crate::cel;
use crate::format::part;
use crate::grid::Links;
use serde::Deserialize;

/// What stands behind `?`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    /// The file; empty for the first table of the version.
    pub(crate) file: String,
    /// A condition over the row `r`.
    pub(crate) f: String,
    /// A column.
    pub(crate) sort: String,
    /// `desc` for the greatest first.
    pub(crate) dir: String,
    /// Counted from 1.
    pub(crate) page: u64,
    /// The first of the columns that are shown, from 0.
    pub(crate) cols: usize,
    /// One row by its number in the file, from 1.
    pub(crate) row: u64,
    /// `wait` to wait for the statistics as long as they take.
    pub(crate) stats: String,
    /// `spreadsheet` for a CSV that runs nothing.
    pub(crate) r#for: String,
}

impl Asked {
    /// Whether the greatest comes first.
    pub(crate) fn descending(&self) -> bool {
        !self.sort.is_empty() && self.dir == "desc"
    }
}

/// One version of a dataset, and what is shown of it.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// `/datasets/topic/name/v/3/table`
    pub(crate) path: String,
    pub(crate) asked: Asked,
}

impl Address {
    pub(crate) fn new(topic: &str, name: &str, version: &str, asked: Asked) -> Self {
        let path = format!("/datasets/{}/{}/v/{}/table", part(topic), part(name), part(version));
        Self { path, asked }
    }

    /// The address with something else in it.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Asked)) -> String {
        self.ending("", change)
    }

    /// The same for programs: `.csv`, `.jsonl`, `.parquet`, `.json`.
    pub(crate) fn ending(&self, ending: &str, change: impl FnOnce(&mut Asked)) -> String {
        let mut asked = self.asked.clone();
        // waiting is for this one request
        asked.stats.clear();
        change(&mut asked);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let texts = [
            ("file", &asked.file),
            ("f", &asked.f),
            ("sort", &asked.sort),
            ("dir", &asked.dir),
            ("for", &asked.r#for),
            ("stats", &asked.stats),
        ];
        for (name, value) in texts.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        let numbers = [("page", asked.page, 1), ("cols", asked.cols as u64, 0), ("row", asked.row, 0)];
        for (name, value, usual) in numbers {
            if value > usual {
                query.append_pair(name, &value.to_string());
            }
        }
        let query = query.finish();
        if query.is_empty() { format!("{}{ending}", self.path) } else { format!("{}{ending}?{query}", self.path) }
    }
}

impl Links for Address {
    fn sorted(&self, column: &str, descending: bool) -> String {
        self.with(|asked| {
            column.clone_into(&mut asked.sort);
            asked.dir = if descending { "desc".to_owned() } else { String::new() };
            asked.page = 0;
        })
    }

    fn narrowed(&self, condition: &str) -> String {
        self.with(|asked| {
            asked.f = cel::both(&asked.f, condition);
            asked.page = 0;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_the_state_and_forget_the_page() {
        let asked = Asked { file: "a b.csv".into(), f: "r.x > 1".into(), page: 7, ..Asked::default() };
        let address = Address::new("flights", "nyc", "3", asked);
        assert_eq!(address.with(|_| ()), "/datasets/flights/nyc/v/3/table?file=a+b.csv&f=r.x+%3E+1&page=7");
        assert_eq!(
            address.sorted("x y", true),
            "/datasets/flights/nyc/v/3/table?file=a+b.csv&f=r.x+%3E+1&sort=x+y&dir=desc"
        );
        assert_eq!(
            address.narrowed("r.y == 2"),
            "/datasets/flights/nyc/v/3/table?file=a+b.csv&f=r.x+%3E+1+%26%26+r.y+%3D%3D+2"
        );
        let csv = address.ending(".csv", |asked| *asked = Asked::default());
        assert_eq!(csv, "/datasets/flights/nyc/v/3/table.csv");
    }
}
