//! As whom the server runs: as bibd itself, or, when bibd is root, as an unprivileged user.

use crate::error::GuardianError;
use nix::unistd::{Uid, User, getegid, geteuid};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The user that is taken when bibd is root and none is named.
const DEFAULT_USER: &str = "postgres";

/// As whom the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Whether bibd is root and gives its privileges up for the server.
    pub(crate) drops_privileges: bool,
}

impl Account {
    /// Chooses the account. Only root can choose another one than itself.
    pub(crate) fn choose(wanted: Option<&str>) -> Result<Self, GuardianError> {
        let me = geteuid();
        if !me.is_root() {
            let name = User::from_uid(me).ok().flatten().map_or_else(|| format!("uid {me}"), |user| user.name);
            if let Some(wanted) = wanted.filter(|wanted| **wanted != *name) {
                return Err(GuardianError::Setup(format!(
                    "database.user is {wanted:?}, but bibd runs as {name} and only root can run PostgreSQL as somebody else: start bibd as \
                     root, or remove database.user"
                )));
            }
            return Ok(Self { name, uid: me.as_raw(), gid: getegid().as_raw(), drops_privileges: false });
        }
        let name = wanted.unwrap_or(DEFAULT_USER);
        let user = User::from_name(name).ok().flatten().ok_or_else(|| {
            GuardianError::Setup(format!(
                "bibd runs as root, PostgreSQL refuses to, and there is no user {name:?} on this machine: make one (adduser --system \
                 --group bib), set database.user to it, or start bibd as an ordinary user"
            ))
        })?;
        if user.uid == Uid::from_raw(0) {
            return Err(GuardianError::Setup(format!(
                "database.user is {name:?}, which is root, and PostgreSQL refuses to run as root: name an unprivileged user"
            )));
        }
        Ok(Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), drops_privileges: true })
    }

    /// A command that runs under this account, with an environment that has nothing of bibd's in it.
    pub(crate) fn command(&self, program: &std::path::Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").env("PATH", "/usr/bin:/bin").current_dir("/");
        if self.drops_privileges {
            // the standard library drops the supplementary groups of root together with its user id
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Whether this account may pass through a directory with these attributes.
    pub(crate) const fn may_pass(&self, uid: u32, gid: u32, mode: u32) -> bool {
        if self.uid == uid {
            mode & 0o100 != 0
        } else if self.gid == gid {
            mode & 0o010 != 0
        } else {
            mode & 0o001 != 0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_follows_the_first_class_that_fits() {
        let account = Account { name: "x".into(), uid: 10, gid: 20, drops_privileges: true };
        assert!(account.may_pass(10, 0, 0o700));
        assert!(!account.may_pass(10, 0, 0o077), "the owner's bits count for the owner");
        assert!(account.may_pass(0, 20, 0o710));
        assert!(!account.may_pass(0, 0, 0o770));
        assert!(account.may_pass(0, 0, 0o711));
    }

    #[test]
    fn an_unknown_user_is_refused_with_advice() {
        let refused = Account::choose(Some("no-such-user-here")).unwrap_err().to_string();
        assert!(refused.contains("database.user"), "{refused}");
    }
}
