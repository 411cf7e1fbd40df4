//! The versions of a dataset, latest first, page after page.

use super::{convert, elsewhere, pages};
use crate::access::Caller;
use crate::mapping::dataset_not_found;
use crate::options::CallOptions;
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

/// How many versions an answer has: what the client asks for, within the bound; as many as one takes if it does not say.
fn size(options: &CallOptions, asked: u32) -> u32 {
    if asked == 0 { options.versions_max } else { asked.min(options.versions_max) }
}

/// One page.
pub(super) async fn list(
    shared: &Shared,
    caller: &Caller,
    asked: &ListVersionsRequest,
) -> Result<ListVersionsResponse, Problem> {
    let dataset: DatasetRef = asked.name.parse()?;
    let size = size(&shared.options.calls, asked.page_size);
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
    use bib_domain::NodeMode;
    use bib_guardian::{GuardianOptions, SealKey};

    #[test]
    fn one_answer_takes_what_the_guardian_gives_at_once() {
        let options = CallOptions::default();
        assert_eq!([0, 7, 999, 1_000, u32::MAX].map(|asked| size(&options, asked)), [999, 7, 999, 999, 999]);
        let guardian = GuardianOptions::new("data".into(), NodeMode::Full, SealKey::new([0; 32]), [0; 32]);
        assert_eq!(options.versions_max + 1, guardian.page_limit, "one more is asked for");
    }

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let place = Place { number: 7, created_ms: -1, id: VersionId::from_bytes([9; 32]) };
        assert_eq!(place.to_string().parse(), Ok(place));
        for strange in ["", "7", "7/1", "7/1/x", "a/1/00", "7//"] {
            assert_eq!(strange.parse::<Place>(), Err(()), "{strange}");
        }
    }
}
