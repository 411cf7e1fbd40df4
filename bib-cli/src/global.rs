//! Flags that every command takes, before or after its name.

use clap::builder::FalseyValueParser;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, ValueEnum};
use std::collections::BTreeMap;
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
    /// Lists as tab-separated exact values, for awk, without a header
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

/// How much is said on standard error about what is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// Errors
    Error,
    /// Errors and remarks
    Warn,
    /// Also which node is asked
    Info,
    /// Also every call
    Debug,
}

/// The flags themselves.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Node to talk to: unix:///PATH, https://HOST:PORT, or the name of a context
    #[arg(long, env = "BIB_NODE", hide_env_values = true, value_name = "ADDR", global = true)]
    pub(crate) node: Option<String>,
    /// Context to use, as bib context list names them; local for the node on this machine
    #[arg(
        long,
        env = "BIB_CONTEXT",
        hide_env_values = true,
        value_name = "NAME",
        global = true,
        hide_short_help = true
    )]
    pub(crate) context: Option<String>,
    /// File of this program's settings [default: config.toml in the folder of --config-dir]
    #[arg(
        short,
        long,
        env = "BIB_CONFIG",
        hide_env_values = true,
        value_name = "FILE",
        global = true,
        hide_short_help = true
    )]
    pub(crate) config: Option<PathBuf>,
    /// How results are printed [default: table on a terminal, else plain]
    #[arg(short, long, env = "BIB_OUTPUT", hide_env_values = true, value_name = "FORMAT", global = true)]
    pub(crate) output: Option<Format>,
    /// Same as -o json
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print what this jq expression makes of the JSON form
    #[arg(long, value_name = "EXPR", global = true)]
    pub(crate) jq: Option<String>,
    /// Only these columns, in this order: --columns name,size
    #[arg(long, value_delimiter = ',', value_name = "LIST", global = true, hide_short_help = true)]
    pub(crate) columns: Vec<String>,
    /// Order a list by this column; --sort size:desc for the largest first
    #[arg(long, value_name = "COLUMN", global = true, hide_short_help = true)]
    pub(crate) sort: Option<String>,
    /// No header line above a table
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) no_headers: bool,
    /// Whole cells and all columns, also where the terminal is narrow
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) no_truncate: bool,
    /// Only ids and paths on standard output, no chatter
    #[arg(short, long, env = "BIB_QUIET", hide_env_values = true, value_parser = FalseyValueParser::new(), global = true)]
    pub(crate) quiet: bool,
    /// Say which node is asked, on standard error; twice for every call
    #[arg(short, long, action = clap::ArgAction::Count, global = true, hide_short_help = true)]
    pub(crate) verbose: u8,
    /// As -v (info) and -vv (debug), by name
    #[arg(
        long,
        env = "BIB_LOG",
        hide_env_values = true,
        value_enum,
        value_name = "LEVEL",
        global = true,
        hide_short_help = true
    )]
    pub(crate) log_level: Option<LogLevel>,
    /// Colours [default: auto, where NO_COLOR, CLICOLOR, CLICOLOR_FORCE and TERM=dumb count]
    #[arg(long, value_enum, value_name = "WHEN", global = true, hide_short_help = true)]
    pub(crate) color: Option<ColorChoice>,
    /// Same as --color never
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) no_color: bool,
    /// Signs of the ASCII set only, as where the locale is not UTF-8
    #[arg(long, env = "BIB_ASCII", hide_env_values = true, value_parser = FalseyValueParser::new(), global = true, hide_short_help = true)]
    pub(crate) ascii: bool,
    /// For screen readers: nothing is redrawn, tables are lists, choices are numbered
    #[arg(long, env = "BIB_ACCESSIBLE", hide_env_values = true, value_parser = FalseyValueParser::new(), global = true, hide_short_help = true)]
    pub(crate) accessible: bool,
    /// Progress on standard error [default: auto]
    #[arg(
        long,
        env = "BIB_PROGRESS",
        hide_env_values = true,
        value_enum,
        value_name = "FORM",
        global = true,
        hide_short_help = true
    )]
    pub(crate) progress: Option<ProgressMode>,
    /// Longest time to wait, for example 30s or 5m [default: 30s, none for transfers]
    #[arg(long, env = "BIB_TIMEOUT", hide_env_values = true, value_parser = parse_duration, value_name = "DUR", global = true, hide_short_help = true)]
    pub(crate) timeout: Option<Duration>,
    /// Never ask a question; also where CI is set
    #[arg(long, env = "BIB_NO_INPUT", hide_env_values = true, value_parser = FalseyValueParser::new(), global = true, hide_short_help = true)]
    pub(crate) no_input: bool,
    /// Answer yes to questions
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
    /// Private key to log in with [default: that of setup or connect, else the SSH agent or ~/.ssh]
    #[arg(
        long,
        env = "BIB_SSH_KEY",
        hide_env_values = true,
        value_name = "FILE",
        global = true,
        hide_short_help = true
    )]
    pub(crate) ssh_key: Option<PathBuf>,
    /// Name this request: a retry with the same UUID does the work once
    #[arg(long, value_name = "UUID", global = true, hide_short_help = true)]
    pub(crate) request_id: Option<String>,
    /// Folder of this program's own files [default: ~/.config/bib]
    #[arg(
        long,
        env = "BIB_CONFIG_DIR",
        hide_env_values = true,
        value_name = "DIR",
        global = true,
        hide_short_help = true
    )]
    pub(crate) config_dir: Option<PathBuf>,
    /// Which flag or variable each setting came from.
    #[arg(skip)]
    pub(crate) origins: BTreeMap<&'static str, &'static str>,
    /// The command is one that settings are looked at and mended with: it goes on where they are damaged.
    #[arg(skip)]
    pub(crate) goes_on: bool,
    /// `--config` names a file, and the command makes none.
    #[arg(skip)]
    pub(crate) file_must_exist: bool,
}

/// Settings that files have too: their key, their flag, and their variable, if they have one.
const SETTINGS: [(&str, &str, &str); 7] = [
    ("node", "--node", "BIB_NODE"),
    ("context", "--context", "BIB_CONTEXT"),
    ("ssh_key", "--ssh-key", "BIB_SSH_KEY"),
    ("output", "--output", "BIB_OUTPUT"),
    ("color", "--color", ""),
    ("progress", "--progress", "BIB_PROGRESS"),
    ("timeout", "--timeout", "BIB_TIMEOUT"),
];

impl Global {
    /// Writes down which settings came from flags and which from the environment, and what the command does with files.
    pub(crate) fn note_origins(&mut self, matches: &ArgMatches) {
        let (mut leaf, mut words) = (matches, Vec::new());
        while let Some((word, deeper)) = leaf.subcommand() {
            words.push(word);
            leaf = deeper;
        }
        self.goes_on = words.first() == Some(&"config");
        let makes = matches!(words[..], ["setup" | "connect", ..] | ["config", "set"]);
        // a variable says where the file is to be, also before there is one; a flag is about this run
        self.file_must_exist = !makes && leaf.value_source("config") == Some(ValueSource::CommandLine);
        for (key, flag, variable) in SETTINGS {
            match leaf.value_source(key) {
                Some(ValueSource::CommandLine) => drop(self.origins.insert(key, flag)),
                Some(ValueSource::EnvVariable) => drop(self.origins.insert(key, variable)),
                _ => {}
            }
        }
    }

    /// Whether a setting came from the command line.
    #[must_use]
    pub(crate) fn is_flag(&self, key: &str) -> bool {
        self.origins.get(key).is_some_and(|origin| origin.starts_with("--"))
    }

    /// The same without the flags that say which node this one command goes to.
    #[must_use]
    pub(crate) fn naming_no_node(&self) -> Self {
        let mut other = self.clone();
        if self.is_flag("node") {
            other.node = None;
            other.origins.remove("node");
        }
        if self.is_flag("context") {
            other.context = None;
            other.origins.remove("context");
        }
        other
    }

    /// Whether somebody is there to answer a question.
    #[must_use]
    pub(crate) fn may_ask(&self) -> bool {
        let automatic = std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
        !self.no_input && !automatic && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Whether results and errors are for a program.
    #[must_use]
    pub(crate) fn wants_json(&self) -> bool {
        self.json || self.jq.is_some() || matches!(self.output, Some(Format::Json | Format::Jsonl))
    }

    /// How much is said: 0 nothing more, 1 which node is asked, 2 every call.
    #[must_use]
    pub(crate) fn verbosity(&self) -> u8 {
        let named = match self.log_level {
            None | Some(LogLevel::Error | LogLevel::Warn) => 0,
            Some(LogLevel::Info) => 1,
            Some(LogLevel::Debug) => 2,
        };
        self.verbose.max(named)
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
    use clap::{CommandFactory, FromArgMatches};

    #[test]
    fn knows_what_a_command_does_with_files() {
        let noted = |words: &str| {
            let matches = crate::Cli::command().try_get_matches_from(words.split(' ')).unwrap();
            let mut global = Global::from_arg_matches(&matches).unwrap();
            global.note_origins(&matches);
            (global.goes_on, global.file_must_exist)
        };
        assert_eq!(noted("bib config list -c x"), (true, true));
        assert_eq!(noted("bib config set output json -c x"), (true, false));
        assert_eq!(noted("bib -c x topic list"), (false, true));
        assert_eq!(noted("bib setup -c x"), (false, false));
        assert_eq!(noted("bib topic list"), (false, false));
    }

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
