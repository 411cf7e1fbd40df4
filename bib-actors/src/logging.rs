//! The log: text for people or JSON lines for collectors, on standard error.
//!
//! A line that cannot be written is lost, and nothing else is: neither a full disk below the log nor a terminal that is
//! gone ends the node.

use crate::config::{ConfigError, LogConfig};
use std::io::{IsTerminal, Write};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Starts the log.
///
/// # Errors
/// [`ConfigError::Value`] when `log.level` is no filter.
pub fn start(config: &LogConfig) -> Result<(), ConfigError> {
    let filter = filter(&config.level)?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // it would tell standard error that standard error cannot be written, and panic when that fails
    let builder = builder.log_internal_errors(false);
    let started = if config.format == "json" {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_ansi(colours).try_init()
    };
    // a second start in one process (a test) keeps the first log
    drop(started);
    Ok(())
}

/// Reads a filter: levels, and parts of the program with levels of their own.
///
/// # Errors
/// [`ConfigError::Value`] when it is none. A level that is misspelt would pass for the name of a part of the program, and
/// nothing of all others would be logged.
pub fn filter(text: &str) -> Result<EnvFilter, ConfigError> {
    let wrong = |why: String| ConfigError::Value {
        key: "log.level",
        why: format!(
            "{why}; use error, warn, info, debug or trace, or with parts of the program: info,bib_swarm=debug"
        ),
    };
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let is_meant = |part: &str| part.contains(['=', '[']) || part.contains("::") || part.parse::<LevelFilter>().is_ok();
    if let Some(part) = parts.iter().find(|part| !is_meant(part)) {
        return Err(wrong(format!("{part:?} is no level")));
    }
    EnvFilter::try_new(parts.join(",")).map_err(|error| wrong(error.to_string()))
}

/// Says something on standard error whatever is logged. Nobody can be told when that is closed.
pub fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "bibd: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_level_is_not_taken_for_a_part_of_the_program() {
        for text in ["info", "WARN", "off", "", "info,bib_swarm=debug", " info , bib_swarm=debug", "bib_audit::chain"] {
            filter(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        }
        assert_eq!(
            filter("info, bib_swarm=debug").unwrap().to_string(),
            filter("info,bib_swarm=debug").unwrap().to_string()
        );
        for text in ["warning", "info,verbose", "bib_swarm", "info,bib_swarm=loud", "=="] {
            let error = filter(text).unwrap_err().to_string();
            assert!(
                error.contains("log.level") && error.contains("error, warn, info, debug or trace"),
                "{text:?}: {error}"
            );
        }
    }
}
