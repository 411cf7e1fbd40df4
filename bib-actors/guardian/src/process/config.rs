//! `postgresql.conf` and `pg_hba.conf`: written by bibd at every start, never edited, never `trust`.

use super::layout::own;
use super::{Account, Layout};
use crate::credentials::{SUPERUSERS, all_logins};
use crate::error::GuardianError;
use crate::files;
use crate::options::GuardianOptions;
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The node's database.
pub(crate) const DATABASE: &str = "bib";
/// The port has no listener; it names the socket.
pub(crate) const PORT: u16 = 5432;
/// Connections beside those of the pools: the superuser's, and those of a predecessor that is still going.
const SPARE_CONNECTIONS: usize = 10;

/// A text as PostgreSQL's configuration writes it.
fn quoted(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "\\\\").replace('\'', "''")
}

/// How many connections the server takes.
fn connections(options: &GuardianOptions) -> usize {
    let pools = &options.pools;
    let pooled = pools.node + pools.query + pools.transform + pools.scrape + pools.admin_jobs + pools.audit;
    pooled + SPARE_CONNECTIONS
}

/// Settings that are given on the command line, where nothing in the data directory can override them, and that an
/// adopted server must have.
pub(crate) fn pinned(layout: &Layout, options: &GuardianOptions) -> Vec<(&'static str, String)> {
    let conf = |name: &str| layout.conf.join(name).to_string_lossy().into_owned();
    vec![
        ("config_file", conf("postgresql.conf")),
        ("hba_file", conf("pg_hba.conf")),
        ("ident_file", conf("pg_ident.conf")),
        ("listen_addresses", String::new()),
        ("fsync", "on".to_owned()),
        ("full_page_writes", "on".to_owned()),
        ("shared_preload_libraries", String::new()),
        ("session_preload_libraries", String::new()),
        ("local_preload_libraries", String::new()),
        ("log_statement", "none".to_owned()),
        ("max_connections", connections(options).to_string()),
    ]
}

/// How small and how large the server's log may be between two checkpoints, in MiB. On a small disk it must not be what
/// fills it.
fn wal_sizes(disk_bytes: u64) -> (u64, u64) {
    let most = ((disk_bytes / 10) >> 20).clamp(64, 1024);
    (if most < 512 { 32 } else { 80 }, most)
}

/// `postgresql.conf`, for a file system of `disk_bytes`.
pub(crate) fn postgresql_conf(layout: &Layout, options: &GuardianOptions, disk_bytes: u64) -> String {
    let mut text = String::from("# Written by bibd at every start: changes are lost.\n");
    let mut set = |name: &str, value: &str| {
        let _ = writeln!(text, "{name} = '{value}'");
    };
    set("data_directory", &quoted(&layout.data));
    for (name, value) in pinned(layout, options) {
        if name != "config_file" {
            set(name, &quoted(Path::new(&value)));
        }
    }
    // nobody reaches it but through a socket in a directory that only its owner enters
    set("port", &PORT.to_string());
    set("unix_socket_directories", &quoted(&layout.run));
    set("unix_socket_permissions", "0700");
    set("ssl", "off");
    set("bonjour", "off");
    set("superuser_reserved_connections", "3");
    set("password_encryption", "scram-sha-256");
    set("authentication_timeout", "10s");
    set("row_security", "on");
    // what was acknowledged is on the disk
    set("synchronous_commit", "on");
    set("wal_level", "replica");
    set("max_wal_senders", "0");
    let (least, most) = wal_sizes(disk_bytes);
    set("max_wal_size", &format!("{most}MB"));
    set("min_wal_size", &format!("{least}MB"));
    set("restart_after_crash", "on");
    set("max_prepared_transactions", "0");
    set("shared_buffers", "128MB");
    set("dynamic_shared_memory_type", "posix");
    set("jit", "off");
    // texts of statements and values of parameters never reach a log: credentials and people's data are in them
    set("logging_collector", "on");
    set("log_destination", "stderr");
    set("log_directory", &quoted(&layout.log));
    set("log_filename", "postgres-%a.log");
    set("log_file_mode", "0600");
    set("log_rotation_age", "1d");
    set("log_rotation_size", "0");
    set("log_truncate_on_rotation", "on");
    set("log_line_prefix", "%m [%p] %q%u %a ");
    set("log_timezone", "UTC");
    set("log_duration", "off");
    set("log_min_duration_statement", "-1");
    set("log_min_error_statement", "panic");
    set("log_error_verbosity", "terse");
    set("log_parameter_max_length", "0");
    set("log_parameter_max_length_on_error", "0");
    set("log_connections", "on");
    set("log_disconnections", "on");
    set("timezone", "UTC");
    set("lc_messages", "C");
    set("cluster_name", "bibd");
    text
}

/// `pg_hba.conf`: bibd's logins with their passwords, and nobody else by any way.
pub(crate) fn pg_hba_conf() -> String {
    format!(
        "# Written by bibd at every start: changes are lost.\n\
         # type  database     user  address  method\n\
         local   {DATABASE}   {}   scram-sha-256\n\
         local   postgres     {}   scram-sha-256\n\
         local   replication  all   reject\n\
         local   all          all   reject\n\
         host    replication  all   all   reject\n\
         host    all          all   all   reject\n",
        all_logins().join(","),
        SUPERUSERS.join(",")
    )
}

/// Writes those that are not there as they should be; the server's account may read them and not write them.
pub(crate) fn write(layout: &Layout, account: &Account, options: &GuardianOptions) -> Result<(), GuardianError> {
    let disk = rustix::fs::statvfs(&layout.root)
        .map_err(|error| GuardianError::file("look at the file system of", &layout.root)(error.into()))?;
    let files = [
        ("postgresql.conf", postgresql_conf(layout, options, disk.f_blocks * disk.f_frsize)),
        ("pg_hba.conf", pg_hba_conf()),
        ("pg_ident.conf", "# Written by bibd at every start: no names are mapped.\n".to_owned()),
    ];
    for (name, text) in files {
        if !is_there(layout, account, name, &text) {
            write_readable(layout, account, name, &text)?;
        }
    }
    Ok(())
}

/// Whether a file is there with this text, this owner and this mode: to write it anew would only wait for the disk, at
/// every start.
fn is_there(layout: &Layout, account: &Account, name: &str, text: &str) -> bool {
    let path = layout.conf.join(name);
    let (uid, gid, mode) =
        if account.drops_privileges { (0, account.gid, 0o640) } else { (account.uid, account.gid, 0o600) };
    let fits =
        |meta: std::fs::Metadata| meta.is_file() && (meta.uid(), meta.gid(), meta.mode() & 0o7777) == (uid, gid, mode);
    std::fs::symlink_metadata(&path).is_ok_and(fits) && std::fs::read(&path).is_ok_and(|found| found == text.as_bytes())
}

/// Writes one file that the server's account may read.
pub(crate) fn write_readable(layout: &Layout, account: &Account, name: &str, text: &str) -> Result<(), GuardianError> {
    let path = layout.conf.join(name);
    files::write_durably(&path, &layout.conf.join(format!("{name}.new")), text.as_bytes())?;
    if account.drops_privileges { own(&path, 0, account.gid, 0o640) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::SealKey;
    use bib_domain::NodeMode;

    #[test]
    fn nobody_is_trusted() {
        let hba = pg_hba_conf();
        let rules: Vec<_> = hba.lines().filter(|line| !line.starts_with('#')).collect();
        for rule in &rules {
            let method = rule.split_whitespace().last().unwrap();
            assert!(matches!(method, "scram-sha-256" | "reject"), "{rule}");
            if method == "scram-sha-256" {
                assert!(rule.starts_with("local"), "{rule}");
                let users = rule.split_whitespace().nth(2).unwrap();
                assert!(users.split(',').all(|user| user.starts_with("bibd_")), "{rule}");
            }
        }
        assert!(rules.iter().any(|rule| rule.starts_with("local   postgres     bibd_admin_a,bibd_admin_b ")), "{hba}");
        assert_eq!(
            rules.last().unwrap().split_whitespace().collect::<Vec<_>>(),
            ["host", "all", "all", "all", "reject"]
        );
    }

    #[test]
    fn the_log_of_a_small_disk_is_small() {
        assert_eq!(wal_sizes(200 << 20), (32, 64));
        assert_eq!(wal_sizes(2 << 30), (32, 204));
        assert_eq!(wal_sizes(1 << 40), (80, 1024));
    }

    #[test]
    fn the_configuration_is_hardened_and_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let account = Account::choose(None).unwrap();
        let mut layout = Layout::new(dir.path(), &account).unwrap();
        layout.run = "/it's/a \\ path".into();
        let options = GuardianOptions::new(dir.path().into(), NodeMode::Full, SealKey::new([0; 32]), [0; 32]);
        let text = postgresql_conf(&layout, &options, 1 << 40);
        for line in [
            "listen_addresses = ''",
            "unix_socket_directories = '/it''s/a \\\\ path'",
            "password_encryption = 'scram-sha-256'",
            "fsync = 'on'",
            "log_statement = 'none'",
            "log_min_error_statement = 'panic'",
        ] {
            assert!(text.lines().any(|given| given == line), "{line} is missing in\n{text}");
        }
    }
}
