//! Which part of a list is wanted: `--filter`, `--limit`, `--page-token`.

use crate::error::CliResult;
use crate::filter::Filter;
use crate::output::Output;
use crate::session::Env;
use bib_proto::client::Client;
use bib_proto::v1::GetSelfRequest;
use serde_json::{Value, json};

/// The most that is asked for at once; a node gives no larger pages.
const PAGE: u32 = 500;

/// Flags of a list that comes whole.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Listing {
    /// At most this many; 0 for all
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: u32,
    /// Only those for which this is true, for example 'bytes > 1000'; see bib help cel
    #[arg(long, value_name = "CEL")]
    filter: Option<String>,
}

/// Flags of a list that comes in pages.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Paging {
    #[command(flatten)]
    listing: Listing,
    /// Go on where an earlier list ended, with the token that it gave
    #[arg(long, value_name = "TOKEN")]
    page_token: Option<String>,
}

/// What a list came to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The records.
    pub(crate) items: Vec<Value>,
    /// Where to go on; empty at the end.
    pub(crate) next: String,
}

impl Found {
    /// What is said when nothing was found: on a node that keeps data `here`, on a proxy where to look.
    pub(crate) async fn or_nothing(&self, env: &Env, client: &Client, here: &str) -> String {
        if !self.items.is_empty() {
            return String::new();
        }
        // where it cannot be told, the usual is said
        let own = env.call(client.nodes().get_self(GetSelfRequest {})).await.map(|answer| answer.into_inner());
        let proxy = own.is_ok_and(|own| own.node.is_some_and(|node| node.mode == "proxy"));
        if proxy {
            "The nodes that this proxy joined have none, or are not connected: bib node list".to_owned()
        } else {
            here.to_owned()
        }
    }
}

impl Listing {
    /// How many records are printed; `None` for all.
    #[must_use]
    pub(crate) fn most(&self) -> Option<usize> {
        (self.limit > 0).then_some(self.limit as usize)
    }

    /// The condition, checked against a record of the kind that is listed.
    ///
    /// # Errors
    /// As [`Filter::new`].
    pub(crate) fn filter(&self, template: &Value) -> CliResult<Option<Filter>> {
        self.filter.as_deref().map(|text| Filter::new(text, template, crate::now_ms())).transpose()
    }

    /// The records that fulfil the condition.
    ///
    /// # Errors
    /// As [`Filter::fits`].
    pub(crate) fn pick(&self, items: Vec<Value>, template: &Value) -> CliResult<Vec<Value>> {
        let Some(filter) = self.filter(template)? else { return Ok(items) };
        let mut kept = Vec::new();
        for item in items {
            if filter.fits(&item)? {
                kept.push(item);
            }
        }
        Ok(kept)
    }
}

impl Paging {
    /// How many records are printed; `None` for all.
    #[must_use]
    pub(crate) fn most(&self) -> Option<usize> {
        self.listing.most()
    }

    /// Asks for page after page until there are enough records; of a node that gives no pages there may be more. `whole`:
    /// the list is put in another order afterwards, so all of it is needed. `fetch` gives the page after a token, and
    /// the token of the next one.
    ///
    /// # Errors
    /// What `fetch` says, or the filter.
    pub(crate) async fn collect(
        &self,
        whole: bool,
        template: &Value,
        keep: impl Fn(&Value) -> bool,
        fetch: impl AsyncFn(u32, String) -> CliResult<(Vec<Value>, String)>,
    ) -> CliResult<Found> {
        let filter = self.listing.filter(template)?;
        let wanted = self.most().filter(|_| !whole).unwrap_or(usize::MAX);
        let mut found = Found { items: Vec::new(), next: self.page_token.clone().unwrap_or_default() };
        loop {
            let missing = u32::try_from(wanted - found.items.len()).unwrap_or(u32::MAX).min(PAGE);
            let size = if filter.is_some() { PAGE } else { missing };
            let (rows, next) = fetch(size, found.next.clone()).await?;
            let there = rows.len();
            for (index, row) in rows.into_iter().enumerate() {
                if !keep(&row) || !filter.as_ref().map_or(Ok(true), |filter| filter.fits(&row))? {
                    continue;
                }
                found.items.push(row);
                if found.items.len() != wanted {
                    continue;
                }
                if index + 1 == there {
                    found.next = next;
                    return Ok(found);
                }
                // a page that was used in part gives its token only when it is asked for with just that size
                let used = u32::try_from(index + 1).unwrap_or(u32::MAX);
                let token = fetch(used, found.next.clone()).await?.1;
                if !token.is_empty() {
                    found.next = token;
                    return Ok(found);
                }
                // there is more, and no way to it: a node from before these pages sent all at once, which is kept, for
                // `Output::list` to cut it and to say so
            }
            found.next = if found.items.len() >= wanted { String::new() } else { next };
            if found.next.is_empty() {
                return Ok(found);
            }
        }
    }
}

impl Found {
    /// Says on standard error where to go on, if there is more.
    pub(crate) fn tell(&self, out: &Output) {
        if !self.next.is_empty() {
            out.cut(&json!({"type": "page", "nextPageToken": self.next}), || {
                format!("there are more: --page-token {}, or all of them: --limit 0", self.next)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CliError;
    use std::cell::RefCell;

    /// A list of numbers below `count`, whose tokens are numbers too.
    struct Numbers {
        count: u64,
        asked: RefCell<Vec<u32>>,
    }

    impl Numbers {
        fn below(count: u64) -> Self {
            Self { count, asked: RefCell::default() }
        }

        fn page(&self, size: u32, token: &str) -> CliResult<(Vec<Value>, String)> {
            self.asked.borrow_mut().push(size);
            let first: u64 = if token.is_empty() { 0 } else { token.parse().map_err(|_| CliError::usage("token"))? };
            let end = (first + u64::from(size)).min(self.count);
            let next = if end < self.count { end.to_string() } else { String::new() };
            Ok(((first..end).map(|n| json!({"n": n})).collect(), next))
        }
    }

    fn paging(limit: u32, filter: &str, token: &str) -> Paging {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Paging { listing: Listing { limit, filter: text(filter) }, page_token: text(token) }
    }

    fn run(numbers: &Numbers, paging: &Paging, whole: bool) -> (Vec<u64>, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let template = json!({"n": 0});
        let found = runtime.block_on(paging.collect(
            whole,
            &template,
            |_| true,
            async |size, token: String| numbers.page(size, &token),
        ));
        let found = found.unwrap();
        (found.items.iter().map(|item| item["n"].as_u64().unwrap()).collect(), found.next)
    }

    #[test]
    fn walks_pages_until_there_is_enough() {
        let numbers = Numbers::below(1200);
        assert_eq!(run(&numbers, &paging(3, "", ""), false), (vec![0, 1, 2], "3".into()));
        assert_eq!(run(&numbers, &paging(2, "", "1198"), false), (vec![1198, 1199], String::new()));
        assert_eq!(run(&numbers, &paging(0, "", ""), false).0.len(), 1200);
        assert_eq!(run(&numbers, &paging(5, "", ""), true).0.len(), 1200, "another order needs all of it");
        assert!(numbers.asked.borrow().iter().all(|size| *size <= PAGE));
    }

    #[test]
    fn what_a_node_without_pages_gives_is_kept_to_be_cut_with_a_word() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let whole = |limit, filter: &str| {
            let (paging, template) = (paging(limit, filter, ""), json!({"n": 0}));
            let found = runtime.block_on(paging.collect(
                false,
                &template,
                |_| true,
                async |_, _| Ok(((0..300).map(|n| json!({"n": n})).collect(), String::new())),
            ));
            let found = found.unwrap();
            (found.items.len(), found.next)
        };
        assert_eq!(whole(100, ""), (300, String::new()));
        assert_eq!(whole(100, "n % 2 == 0"), (150, String::new()));
        assert_eq!(whole(300, ""), (300, String::new()));
        assert_eq!(whole(0, ""), (300, String::new()));
    }

    #[test]
    fn pages_of_a_filtered_list_join_without_a_gap() {
        let numbers = Numbers::below(1200);
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let (some, next) = run(&numbers, &paging(70, "n % 7 == 0", &token), false);
            all.extend(some);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(all, (0..1200).filter(|n| n % 7 == 0).collect::<Vec<u64>>());
    }
}
