//! The versions of a dataset, latest first, page after page.

use super::{convert, elsewhere, pages};
use crate::access::Caller;
use crate::mapping::dataset_not_found;
use crate::problem::Problem;
use crate::shared::Shared;
use bib_domain::{DatasetRef, VersionId};
use bib_guardian::VersionRow;
use bib_proto::v1::{ListVersionsRequest, ListVersionsResponse};
use std::fmt;
use std::str::FromStr;

/// Where to go on: behind a version, which need not be there any more by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: u64,
    pub(super) created_ms: i64,
    pub(super) id: VersionId,
}

impl Place {
    fn of(row: &VersionRow) -> Self {
        Self { number: row.number, created_ms: row.created_ms, id: row.id }
    }

    /// Whether the version comes after this place.
    pub(super) fn is_before(&self, row: &VersionRow) -> bool {
        (row.number, row.created_ms, row.id) < (self.number, self.created_ms, self.id)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.number, self.created_ms, self.id.to_hex())
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (number, rest) = text.split_once('/').ok_or(())?;
        let (created, id) = rest.split_once('/').ok_or(())?;
        let (number, created_ms) = (number.parse().map_err(|_| ())?, created.parse().map_err(|_| ())?);
        Ok(Self { number, created_ms, id: id.parse().map_err(|_| ())? })
    }
}

/// One page.
pub(super) async fn list(
    shared: &Shared,
    caller: &Caller,
    asked: &ListVersionsRequest,
) -> Result<ListVersionsResponse, Problem> {
    let dataset: DatasetRef = asked.name.parse()?;
    let most = shared.options.calls.page_max;
    let size = if asked.page_size == 0 { most } else { asked.page_size.min(most) };
    let after = pages::after::<Place>("versions", &asked.page_token)?;
    let rows = elsewhere::versions(shared, &caller.op(), &dataset, after, size + 1).await?;
    if rows.is_empty() && after.is_none() {
        return Err(dataset_not_found(&asked.name));
    }
    let (rows, next_page_token) = pages::cut("versions", rows, size, |row| Place::of(row).to_string());
    let proxy = elsewhere::is_proxy(shared);
    Ok(ListVersionsResponse {
        versions: rows.into_iter().map(|row| convert::version(row, proxy)).collect(),
        next_page_token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let place = Place { number: 7, created_ms: -1, id: VersionId::from_bytes([9; 32]) };
        assert_eq!(place.to_string().parse(), Ok(place));
        for strange in ["", "7", "7/1", "7/1/x", "a/1/00", "7//"] {
            assert_eq!(strange.parse::<Place>(), Err(()), "{strange}");
        }
    }
}
