//! What can go wrong with a query, in the shape that the gateway maps to codes. Owns the wording; never logs.

use std::fmt;
use std::time::Duration;

use crate::catalog::{CatalogError, Elsewhere};
use crate::fetch::FetchError;

/// Why a query did not run, or stopped.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// The expression does not parse or does not fit the dataset's columns.
    #[error("{0}")]
    InvalidExpression(Box<InvalidExpression>),
    /// The filter beside the expression does not parse or does not fit the columns; places are within the filter.
    #[error("{0}")]
    InvalidFilter(Box<InvalidExpression>),
    /// A column that was asked for beside the expression is not there, or cannot be used so.
    #[error("{message}; {suggestion}")]
    Column {
        /// The column's name.
        name: String,
        /// What is wrong.
        message: String,
        /// What to do instead.
        suggestion: String,
    },
    /// The dataset, its version or its table is not known here.
    #[error("{what} was not found{}{}", looked_for(*elsewhere), did_you_mean(suggestions))]
    NotFound {
        /// What was looked for.
        what: String,
        /// Names that exist and look alike.
        suggestions: Vec<String>,
        /// Whether other nodes were asked.
        elsewhere: Elsewhere,
    },
    /// The version is known, its chunks are not all here, and there is nobody to fetch them.
    #[error(
        "{dataset} is not complete on this node yet, so a query would miss rows; wait until its copy is finished, or \
         query a node that has it"
    )]
    Incomplete {
        /// The dataset.
        dataset: String,
    },
    /// Chunks that the query needs are not here, and did not come from other nodes.
    #[error("{}", away_text(file, dataset, *chunks, *bytes, *came, why))]
    Elsewhere {
        /// The file that was read.
        file: String,
        /// Its dataset.
        dataset: String,
        /// How many chunks are missing.
        chunks: usize,
        /// Their bytes.
        bytes: u64,
        /// Bytes that came for this query before.
        came: u64,
        /// Why they did not come.
        why: FetchError,
    },
    /// A limit was reached.
    #[error("{}", limit_text(*which, *limit))]
    Limit {
        /// Which one.
        which: LimitKind,
        /// Its value, in the unit of its kind.
        limit: u64,
    },
    /// The query took too long.
    #[error(
        "the query was stopped after {} s, its time limit; narrow it with .filter() or .limit(), or raise the timeout \
         (query.timeout_seconds on the node, --max-time for one query)",
        after.as_secs_f64()
    )]
    Timeout {
        /// The time limit.
        after: Duration,
    },
    /// The data cannot be read as the table that the manifest says it is.
    #[error("{file} cannot be read: {detail}")]
    Data {
        /// The file in the dataset, as far as known.
        file: String,
        /// What is wrong, where, and what to do.
        detail: String,
    },
    /// The computation itself failed on the data.
    #[error("{detail}")]
    Computation {
        /// What failed and what to do.
        detail: String,
    },
    /// The catalogue did not answer.
    #[error("the catalogue did not answer: {0}; nothing was read, the query can be sent again")]
    Catalog(String),
    /// A fault of the program.
    #[error("the query failed inside BIB: {0}; this is a fault of the program, please report it with the expression")]
    Internal(String),
}

/// The limits of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// Rows of the result.
    Rows,
    /// Bytes held by the computation.
    Memory,
    /// Bytes of one page of rows.
    PageBytes,
    /// Bytes of a text that a function makes.
    TextBytes,
    /// Bytes of the texts and lists that are made of one row, or of one batch of rows.
    ValueBytes,
    /// Bytes of the expression.
    ExpressionBytes,
    /// Nesting of the expression.
    ExpressionDepth,
    /// Values, operators and calls of the expression.
    ExpressionNodes,
}

impl LimitKind {
    /// The name of the setting that changes the limit; empty for one that guards the parser itself.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Rows => "query.max_rows",
            Self::Memory => "query.memory_mib",
            Self::PageBytes
            | Self::TextBytes
            | Self::ValueBytes
            | Self::ExpressionBytes
            | Self::ExpressionDepth
            | Self::ExpressionNodes => "",
        }
    }
}

/// An expression that cannot run, with the place and a way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidExpression {
    /// What is wrong.
    pub message: String,
    /// Line of the place, from 1.
    pub line: usize,
    /// Column of the place in characters, from 1.
    pub column: usize,
    /// Length of the place in characters, at least 1.
    pub width: usize,
    /// The line of the expression that holds the place.
    pub source_line: String,
    /// What to write instead, when there is a guess.
    pub suggestion: Option<String>,
}

/// Characters of the source line that are shown before and after the place.
const CONTEXT: usize = 60;

impl fmt::Display for InvalidExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chars: Vec<char> = self.source_line.chars().collect();
        let at = self.column.saturating_sub(1).min(chars.len());
        let from = at.saturating_sub(CONTEXT);
        let to = (at + self.width.min(CONTEXT) + CONTEXT).min(chars.len());
        let (left, right) = (if from > 0 { "..." } else { "" }, if to < chars.len() { "..." } else { "" });
        // tabs would move the caret
        let shown: String = chars[from..to].iter().map(|&c| if c.is_control() { ' ' } else { c }).collect();
        writeln!(f, "{} (line {}, column {})", self.message, self.line, self.column)?;
        writeln!(f, "  | {left}{shown}{right}")?;
        let width = self.width.min((to - at).max(1));
        write!(f, "  | {}{}", " ".repeat(left.len() + at - from), "^".repeat(width))?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "\n  = {suggestion}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for InvalidExpression {}

impl From<Box<InvalidExpression>> for QueryError {
    fn from(invalid: Box<InvalidExpression>) -> Self {
        Self::InvalidExpression(invalid)
    }
}

impl From<InvalidExpression> for QueryError {
    fn from(invalid: InvalidExpression) -> Self {
        Self::InvalidExpression(Box::new(invalid))
    }
}

impl QueryError {
    /// The error of a catalogue lookup for `dataset`.
    pub(crate) fn from_catalog(error: CatalogError, dataset: &str) -> Self {
        match error {
            CatalogError::NotFound { suggestions, elsewhere } => {
                Self::NotFound { what: format!("dataset {dataset:?}"), suggestions, elsewhere }
            }
            CatalogError::Other(why) => Self::Catalog(why),
        }
    }
}

/// Where else a dataset was looked for.
fn looked_for(elsewhere: Elsewhere) -> String {
    match elsewhere {
        Elsewhere::Nowhere => String::new(),
        Elsewhere::Unconnected { paired } => format!(
            " here, and none of the {paired} paired nodes is connected that could have it (`bib node connect ADDRESS`)"
        ),
        Elsewhere::Silent => {
            " here, and not all nodes answered that could have it: send the query again in a moment".to_owned()
        }
        Elsewhere::Nobody { asked: 1 } => " here, nor on the one node that is connected".to_owned(),
        Elsewhere::Nobody { asked } => format!(" here, nor on the {asked} nodes that are connected"),
    }
}

/// What did not come from other nodes, what that means, and what to do.
fn away_text(file: &str, dataset: &str, chunks: usize, bytes: u64, came: u64, why: &FetchError) -> String {
    let topic = dataset.split('/').next().unwrap_or(dataset);
    let what = match chunks {
        1 => format!("a part ({}) of {file} in {dataset}", size(bytes)),
        _ => format!("{chunks} parts ({}) of {file} in {dataset}", size(bytes)),
    };
    let stays = if came > 0 {
        format!("; the {} that came stay here, and the same query goes on from there", size(came))
    } else {
        String::new()
    };
    let keep = format!("`bib topic subscribe {topic}` keeps all of it here");
    match why {
        FetchError::Late => format!(
            "the time of the query was over while {what} were still coming from other nodes{stays}; send it again, give \
             it more time (--max-time, query.timeout_seconds on the node), or read less of it; {keep}"
        ),
        FetchError::Alone => format!(
            "the query needs {what}, which are not on this node, and no paired node is connected to give them{stays}; \
             connect one that has the dataset (`bib node connect ADDRESS`) and send the query again; {keep}"
        ),
        FetchError::Nobody(_) => format!(
            "the query needs {what}, which are not on this node, and {why}{stays}; connect a node that has the dataset \
             (`bib node list`, `bib node connect ADDRESS`) and send the query again; {keep}"
        ),
        FetchError::Failed(_) => format!(
            "the query needs {what}, which are not on this node, and {why}{stays}; `bib status` says how this node is"
        ),
    }
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..0x400 => format!("{bytes} bytes"),
        0x400..0x10_0000 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        _ => format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20),
    }
}

/// ` (did you mean a, b or c?)`, or nothing.
fn did_you_mean(names: &[String]) -> String {
    match names {
        [] => "; `bib dataset list` shows what is here".to_owned(),
        [one] => format!("; did you mean {one:?}?"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|name| format!("{name:?}")).collect();
            format!("; did you mean {} or {last:?}?", first.join(", "))
        }
    }
}

fn limit_text(which: LimitKind, limit: u64) -> String {
    let setting = which.setting();
    match which {
        LimitKind::Rows => format!(
            "the result has more than {limit} rows, the limit of one query; add .limit(n) or .aggregate(...), ask for \
             a part with --limit, or raise {setting} on the node"
        ),
        LimitKind::Memory => format!(
            "the query needs more than {} MiB of memory to sort or group; filter rows or leave out columns first, or \
             raise {setting} on the node",
            limit >> 20
        ),
        LimitKind::PageBytes => format!(
            "the page is larger than {} MiB; ask for fewer rows or fewer columns, or export the rows instead",
            limit >> 20
        ),
        LimitKind::TextBytes => format!(
            "a text that the query makes would be longer than {}; make it of fewer or shorter texts, for example of parts \
             of them: .substring(0, 100)",
            size(limit)
        ),
        LimitKind::ValueBytes => format!(
            "the texts and lists that the query makes of a few thousand rows, or of one, take more than {}; make fewer or \
             shorter ones, or filter rows first",
            size(limit)
        ),
        LimitKind::ExpressionBytes => format!(
            "the expression is longer than {limit} bytes; write it shorter (a long list of || is shorter as `x in \
             [...]`)"
        ),
        LimitKind::ExpressionDepth => format!(
            "the expression is nested deeper than {limit} levels; split it into several .filter() or .map() steps"
        ),
        LimitKind::ExpressionNodes => format!(
            "the expression has more than {limit} words and signs; write it shorter (a long list of || is shorter \
             as `x in [...]`)"
        ),
    }
}
