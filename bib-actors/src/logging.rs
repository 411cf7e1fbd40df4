//! The log: text for people or JSON lines for collectors, on standard error.

use crate::config::{ConfigError, LogConfig};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts the log.
///
/// # Errors
/// [`ConfigError::Value`] when `log.level` is no filter.
pub fn start(config: &LogConfig) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&config.level).map_err(|error| ConfigError::Value {
        key: "log.level",
        why: format!("{error}; use info, or info,bib_swarm=debug"),
    })?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if config.format == "json" {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_ansi(colours).try_init()
    };
    // a second start in one process (a test) keeps the first log
    drop(started);
    Ok(())
}
