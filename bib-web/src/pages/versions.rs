//! What the versions of a dataset are called and how each is found again. Each publisher counts for itself, so two versions
//! may have the same number; people read numbers all the same. Pure.

use crate::format::short;
use bib_proto::v1::{GetDatasetResponse, Version};

/// Another version that a person may want instead of the one that is shown.
pub(super) struct Other {
    pub(super) name: String,
    pub(super) link: String,
}

impl Other {
    /// `link` is the dataset's address.
    pub(super) fn new(version: &Version, versions: &[Version], link: &str) -> Self {
        Self { name: name(version, versions), link: address(link, version) }
    }
}

/// Whether no other of these has the number of `version`.
fn is_alone(version: &Version, versions: &[Version]) -> bool {
    let mut same = versions.iter().filter(|other| other.number == version.number);
    same.next().is_some_and(|one| one.id == version.id) && same.next().is_none()
}

/// What finds the version among these: its number, which is good to read, or where that is not enough its id.
pub(super) fn selector(version: &Version, versions: &[Version]) -> String {
    if is_alone(version, versions) { version.number.to_string() } else { short(&version.id) }
}

/// What the version is called among these: by its number, and where that is not enough by its id too.
pub(super) fn name(version: &Version, versions: &[Version]) -> String {
    let number = version.number;
    if is_alone(version, versions) { number.to_string() } else { format!("{number} ({})", short(&version.id)) }
}

/// The address of this version and no other, also when there are more of its number by then.
pub(super) fn address(link: &str, version: &Version) -> String {
    format!("{link}?v={}", short(&version.id))
}

/// Of the versions of a dataset, the newest first: the latest, and a newer one that is not whole yet; neither if it is the
/// one that is `shown`.
pub(super) fn better<'v>(
    found: &'v GetDatasetResponse,
    shown: &Version,
    versions: &'v [Version],
) -> (Option<&'v Version>, Option<&'v Version>) {
    let kept = found.dataset.as_ref().and_then(|dataset| dataset.latest.as_ref());
    // a proxy keeps none, and of a dataset knows what it was asked for; the newest is what the other nodes have
    let latest = kept.filter(|_| !shown.remote).or_else(|| versions.first());
    let latest_id = latest.map_or(shown.id.as_str(), |latest| latest.id.as_str());
    let arriving = versions.first().filter(|first| !first.complete && !first.remote && first.id != latest_id);
    let other = |version: &&Version| version.id != shown.id;
    (latest.filter(other), arriving.filter(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_proto::v1::Dataset;

    fn version(id: char, number: u64, complete: bool) -> Version {
        let id = format!("sha256:{}", String::from(id).repeat(64));
        Version { id, number, complete, ..Version::default() }
    }

    #[test]
    fn a_number_is_a_name_where_only_one_version_has_it() {
        let all = [version('c', 2, true), version('b', 2, true), version('a', 1, true)];
        let names = |named: &Version| (selector(named, &all), name(named, &all));
        assert_eq!(names(&all[2]), ("1".to_owned(), "1".to_owned()));
        assert_eq!(names(&all[1]), ("bbbbbbbbbbbb".to_owned(), "2 (bbbbbbbbbbbb)".to_owned()));
        let unknown = version('d', 1, true);
        assert_eq!(selector(&unknown, &all), "dddddddddddd", "the list need not have all of them");
        assert_eq!(address("/datasets/a/b", &all[2]), "/datasets/a/b?v=aaaaaaaaaaaa");
    }

    #[test]
    fn what_is_arriving_is_not_the_latest() {
        let all = [version('d', 4, false), version('c', 3, true), version('b', 2, true)];
        let better = |latest: usize, shown: usize| {
            let dataset = Some(Dataset { latest: Some(all[latest].clone()), ..Dataset::default() });
            let found = GetDatasetResponse { dataset, ..GetDatasetResponse::default() };
            let (latest, arriving) = better(&found, &all[shown], &all);
            (latest.map(|one| one.number), arriving.map(|one| one.number))
        };
        assert_eq!(better(1, 1), (None, Some(4)));
        assert_eq!(better(1, 2), (Some(3), Some(4)));
        assert_eq!(better(1, 0), (Some(3), None), "it is shown itself");
        assert_eq!(better(0, 0), (None, None), "none is whole");
        assert_eq!(better(0, 1), (Some(4), None));
    }

    #[test]
    fn on_a_proxy_the_newest_is_what_others_have() {
        let all = [(4, 'd'), (3, 'c')].map(|(number, id)| Version { remote: true, ..version(id, number, false) });
        let dataset = Some(Dataset { latest: Some(all[1].clone()), ..Dataset::default() });
        let found = GetDatasetResponse { dataset, ..GetDatasetResponse::default() };
        let (latest, arriving) = better(&found, &all[1], &all);
        assert_eq!((latest.map(|one| one.number), arriving.is_none()), (Some(4), true));
    }
}
