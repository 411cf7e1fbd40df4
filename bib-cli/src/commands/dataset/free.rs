//! Whether a download's place is free, and what other downloads have left there.

use super::partial::{is_part, names};
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::shell::word;
use std::path::{Path, PathBuf};

/// Refuses a place where anything is but an empty folder. What other downloads write there or beside it, or have left there,
/// is none of what was asked for and does not count; the hint names it.
pub(super) fn check_free(out: &Path) -> CliResult<Option<String>> {
    let beside = left_beside(out);
    if std::fs::symlink_metadata(out).is_err() {
        return Ok(of_others(&beside));
    }
    let taken = || {
        let text = format!("{} is there already and not an empty folder", out.display());
        CliError::new(Exit::Conflict, text).hint("name another folder: --out DIR")
    };
    let (parts, others): (Vec<_>, Vec<_>) =
        names(out).map_err(|_| taken())?.into_iter().partition(|name| is_part(out, name));
    let mut left: Vec<PathBuf> = parts.iter().map(|name| out.join(name)).collect();
    left.extend(beside);
    let hint = of_others(&left);
    if others.is_empty() {
        return Ok(hint);
    }
    Err(hint.into_iter().fold(taken(), CliError::hint))
}

/// What downloads into a folder that was not there have left, and those write that are still running.
fn left_beside(out: &Path) -> Vec<PathBuf> {
    if out.file_name().is_none() {
        return Vec::new();
    }
    // where the folder cannot be read there is nothing to be named
    let there = names(&out.with_file_name(".")).unwrap_or_default();
    there.into_iter().filter(|name| is_part(out, name)).map(|name| out.with_file_name(name)).collect()
}

fn of_others(left: &[PathBuf]) -> Option<String> {
    let paths: Vec<String> = left.iter().map(|path| word(path)).collect();
    let what = match paths.len() {
        0 => return None,
        1 => "is of another download; if none is running, it was broken off",
        _ => "are of other downloads; if none is running, they were broken off",
    };
    let paths = paths.join(" ");
    Some(format!("{paths} {what}: rm -r {paths}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_beside_the_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("data");
        for other in [".data.part7", ".data.part9", ".data.part", ".other.part1"] {
            std::fs::create_dir(folder.path().join(other)).unwrap();
        }
        let left = |hint: Option<String>| {
            let hint = hint.unwrap();
            let (_, command) = hint.split_once("rm -r ").unwrap();
            let mut names: Vec<String> =
                command.split(' ').map(|path| path.rsplit('/').next().unwrap().to_owned()).collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(left(check_free(&out).unwrap()), ".data.part7 .data.part9");
        std::fs::create_dir_all(out.join(".data.part8")).unwrap();
        assert_eq!(left(check_free(&out).unwrap()), ".data.part7 .data.part8 .data.part9");
        assert_eq!(check_free(&folder.path().join("fresh")).unwrap(), None);
        let two_words = folder.path().join("my data");
        std::fs::create_dir(folder.path().join(".my data.part7")).unwrap();
        let hint = check_free(&two_words).unwrap().unwrap();
        assert!(hint.ends_with("/.my data.part7'") && hint.contains("rm -r '/"), "{hint}");
    }
}
