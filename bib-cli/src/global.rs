//! Flags that every command takes, before or after its name.

use clap::{Args, ValueEnum};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, for people
    Table,
    /// A table with every column
    Wide,
    /// Tab-separated exact values, for awk; lists without a header
    Plain,
    /// One JSON document
    Json,
    /// One JSON object a line
    Jsonl,
    /// YAML
    Yaml,
    /// Comma-separated values with a header
    Csv,
    /// Names or ids only
    Name,
}

/// Whether colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How progress is shown, on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// A bar on a terminal, else a line every ten seconds
    Auto,
    /// A bar
    Bar,
    /// A line now and then
    Plain,
    /// JSON lines
    Json,
    /// Nothing
    None,
}

/// The flags themselves.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Node to talk to: unix:///PATH or https://HOST:PORT
    #[arg(long, env = "BIB_NODE", value_name = "ADDR", global = true)]
    pub(crate) node: Option<String>,
    /// How results are printed [default: table on a terminal, else plain]
    #[arg(short, long, env = "BIB_OUTPUT", value_name = "FORMAT", global = true)]
    pub(crate) output: Option<Format>,
    /// Same as -o json
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Only these columns, in this order: --columns name,size
    #[arg(long, value_delimiter = ',', value_name = "LIST", global = true)]
    pub(crate) columns: Vec<String>,
    /// Order a list by this column; --sort size:desc for the largest first
    #[arg(long, value_name = "COLUMN", global = true)]
    pub(crate) sort: Option<String>,
    /// No header line above a table
    #[arg(long, global = true)]
    pub(crate) no_headers: bool,
    /// Whole cells and all columns, also where the terminal is narrow
    #[arg(long, global = true)]
    pub(crate) no_truncate: bool,
    /// Only ids and paths on standard output, no chatter
    #[arg(short, long, env = "BIB_QUIET", global = true)]
    pub(crate) quiet: bool,
    /// Say which node is asked, on standard error; twice for every call
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Colours
    #[arg(long, value_enum, default_value = "auto", global = true)]
    pub(crate) color: ColorChoice,
    /// Progress on standard error
    #[arg(long, env = "BIB_PROGRESS", value_enum, default_value = "auto", global = true)]
    pub(crate) progress: ProgressMode,
    /// Longest time to wait, for example 30s or 5m [default: 30s, none for transfers]
    #[arg(long, env = "BIB_TIMEOUT", value_parser = parse_duration, value_name = "DUR", global = true)]
    pub(crate) timeout: Option<Duration>,
    /// Never ask a question
    #[arg(long, env = "BIB_NO_INPUT", global = true)]
    pub(crate) no_input: bool,
    /// Answer yes to questions
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
    /// Private key to log in with [default: that of setup or connect, else the SSH agent]
    #[arg(long, env = "BIB_SSH_KEY", value_name = "FILE", global = true)]
    pub(crate) ssh_key: Option<PathBuf>,
    /// Name this request: a retry with the same UUID does the work once
    #[arg(long, value_name = "UUID", global = true)]
    pub(crate) request_id: Option<String>,
    /// Folder of this program's own files [default: ~/.config/bib]
    #[arg(long, env = "BIB_CONFIG_DIR", value_name = "DIR", global = true)]
    pub(crate) config_dir: Option<PathBuf>,
}

impl Global {
    /// Whether somebody is there to answer a question.
    #[must_use]
    pub(crate) fn may_ask(&self) -> bool {
        !self.no_input && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }
}

/// Reads `90s`, `5m`, `2h`, `1d`, `250ms` or plain seconds.
///
/// # Errors
/// Says which forms are known.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("{text:?} is not a duration: write 250ms, 90s, 5m, 2h or 1d");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let number: u64 = digits.parse().map_err(|_| refuse())?;
    let seconds = |factor: u64| number.checked_mul(factor).map(Duration::from_secs).ok_or_else(refuse);
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3600),
        "d" => seconds(86_400),
        _ => Err(refuse()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        for (text, millis) in [("250ms", 250), ("90", 90_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "5 m", "-1s", "1y", "99999999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text:?} was taken for a duration");
        }
    }
}
