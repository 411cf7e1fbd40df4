//! What `--fix` mends: permissions, and files of this program that nothing needs any more. Never data.

use super::check::Check;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::output::counted;
use crate::session::Env;
use crate::shell::word;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fix {
    /// Only its user may read it.
    Close(PathBuf, u32),
    /// A file that is of no use any more.
    Remove(PathBuf),
    /// A damaged file of settings gets another name.
    SetAside(PathBuf),
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Close(path, mode) => write!(f, "chmod {mode:o} {}", word(path)),
            Self::Remove(path) => write!(f, "remove {}", path.display()),
            Self::SetAside(path) => write!(f, "rename {} to {}", path.display(), aside(path).display()),
        }
    }
}

impl Fix {
    fn apply(&self) -> std::io::Result<()> {
        match self {
            Self::Close(path, mode) => std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode)),
            Self::Remove(path) => std::fs::remove_file(path),
            Self::SetAside(path) => std::fs::rename(path, aside(path)),
        }
    }
}

fn aside(path: &std::path::Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".damaged");
    path.with_file_name(name)
}

/// Mends what the checks say can be mended; says whether anything was.
///
/// # Errors
/// When the person says no, or nobody can be asked and nobody said yes.
pub(super) fn mend(env: &Env, checks: &[Check], dry_run: bool) -> CliResult<bool> {
    let fixes: Vec<&Fix> = checks.iter().filter_map(|check| check.fix.as_ref()).collect();
    if fixes.is_empty() {
        env.out.remark("nothing here can be mended by itself");
        return Ok(false);
    }
    let verb = if dry_run { "would" } else { "to mend" };
    fixes.iter().for_each(|fix| env.out.remark(&format!("{verb}: {fix}")));
    if dry_run {
        return Ok(false);
    }
    let question = format!("Do {}?", counted(fixes.len() as u64, "thing"));
    if !env.global.yes && !env.global.may_ask() {
        return Err(CliError::usage("nobody is there to say yes")
            .because("CONFIRMATION_NEEDED")
            .hint("bib doctor --fix --yes")
            .hint("bib doctor --fix --dry-run"));
    }
    if !env.global.yes && !env.ask().confirm(&question, false)? {
        return Err(CliError::new(Exit::Cancelled, "nothing was changed"));
    }
    for fix in fixes {
        fix.apply().map_err(|error| CliError::new(Exit::Failed, format!("{fix}: {error}")))?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_says_what_it_does_and_does_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "x").unwrap();
        let close = Fix::Close(path.clone(), 0o600);
        close.apply().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(close.to_string(), format!("chmod 600 {}", path.display()));
        Fix::SetAside(path.clone()).apply().unwrap();
        assert!(!path.exists() && folder.path().join("config.toml.damaged").exists());
        assert!(Fix::Remove(path).apply().is_err());
    }
}
