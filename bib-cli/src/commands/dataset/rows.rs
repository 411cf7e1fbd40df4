//! Rows of a query as table, CSV, JSON, Parquet or Arrow, while they arrive.

use super::chosen::Chosen;
use super::flat::flat;
use super::new_file::NewFile;
use super::sink::{Filtered, Printed, Refused};
use crate::error::{CliError, CliResult, printable};
use crate::exit::Exit;
use crate::global::Format;
use crate::output::{Jq, Output, Tame, align, fit};
use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamDecoder;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

/// Rows that are held back to find the width of a table's columns.
const TABLE_BLOCK_ROWS: usize = 1000;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Table,
    Tabs,
    Csv,
    JsonArray,
    JsonLines,
    Parquet,
    Arrow,
}

impl Form {
    /// By the ending of a file's name.
    pub(super) fn of_path(path: &Path) -> CliResult<Self> {
        match path.extension().and_then(|ext| ext.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("tsv") => Ok(Self::Tabs),
            Some("json") => Ok(Self::JsonArray),
            Some("jsonl" | "ndjson") => Ok(Self::JsonLines),
            Some("parquet") => Ok(Self::Parquet),
            Some("arrow" | "ipc") => Ok(Self::Arrow),
            _ => Err(CliError::usage(format!("{} does not say its format", path.display()))
                .hint("end the name in .csv, .tsv, .json, .jsonl, .parquet or .arrow")),
        }
    }

    /// By the form of standard output.
    pub(super) const fn of_output(out: &Output) -> Self {
        match out.format {
            Format::Table | Format::Wide => Self::Table,
            Format::Plain | Format::Name => Self::Tabs,
            Format::Csv => Self::Csv,
            Format::Json | Format::Yaml => Self::JsonArray,
            Format::Jsonl => Self::JsonLines,
        }
    }
}

/// Decodes the stream and writes each batch as it comes.
pub(super) struct RowPrinter {
    form: Form,
    decoder: StreamDecoder,
    target: Target,
    writer: Option<Writer>,
    headers: bool,
    /// The columns that were asked for by name.
    columns: Vec<String>,
    chosen: Chosen,
    /// Columns of the terminal that a table is to fit.
    width: Option<usize>,
}

/// Where the bytes go: standard output, or a file that appears under its name when it is whole.
struct Target {
    file: Option<NewFile>,
    /// What standard output shows of the rows, in place of them.
    jq: Option<Arc<Jq>>,
    /// Whether all rows are one document, else each is one.
    whole: bool,
}

enum Writer {
    Table { rows: Vec<Vec<String>>, sink: Sink, headers: Vec<String>, width: Option<usize>, left_out: usize },
    Tabs { sink: Sink },
    Csv(Box<arrow::csv::Writer<Sink>>),
    JsonArray(arrow::json::ArrayWriter<Sink>),
    JsonLines(arrow::json::LineDelimitedWriter<Sink>),
    Parquet(Box<ArrowWriter<Sink>>),
    Arrow(Box<arrow::ipc::writer::FileWriter<Sink>>),
}

type Sink = BufWriter<Box<dyn Write + Send>>;

impl RowPrinter {
    /// Writes to `path`, or to standard output in the way that `out` says.
    ///
    /// # Errors
    /// When no new file can be made at `path`.
    pub(super) fn new(form: Form, path: Option<&Path>, out: &Output) -> CliResult<Self> {
        let file = path.map(NewFile::make).transpose()?;
        Ok(Self {
            form,
            decoder: StreamDecoder::new(),
            target: Target { file, jq: out.jq(), whole: form == Form::JsonArray },
            writer: None,
            headers: out.has_headers(),
            columns: out.columns().to_vec(),
            chosen: Chosen::default(),
            width: out.width().filter(|_| path.is_none()),
        })
    }

    /// Takes the next part of the Arrow stream.
    pub(super) fn push(&mut self, part: Vec<u8>) -> CliResult {
        let mut buffer = Buffer::from_vec(part);
        while !buffer.is_empty() {
            if let Some(batch) = self.decoder.decode(&mut buffer).map_err(|error| broken(&error))? {
                self.write(&batch)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, batch: &RecordBatch) -> CliResult {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => {
                self.chosen = Chosen::of(&batch.schema(), &self.columns)?;
                self.open(&self.chosen.schema(&batch.schema()).map_err(|error| broken(&error))?)?
            }
        };
        self.writer.insert(writer).write(&self.chosen.batch(batch).map_err(|error| broken(&error))?)
    }

    /// Writes what was held back, and gives the file its name; says how many columns found no room.
    pub(super) fn finish(mut self) -> CliResult<usize> {
        if self.writer.is_none()
            && let Some(schema) = self.decoder.schema()
        {
            // an empty batch still writes the header
            self.write(&RecordBatch::new_empty(schema))?;
        }
        // an answer that did not even say its columns makes no file
        let Some(writer) = self.writer.take() else { return Ok(0) };
        let left_out = writer.finish()?;
        self.target.file.map_or(Ok(()), NewFile::publish)?;
        Ok(left_out)
    }

    fn open(&self, schema: &SchemaRef) -> CliResult<Writer> {
        let mut sink = BufWriter::with_capacity(256 << 10, self.target.open()?);
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        Ok(match self.form {
            Form::Table => {
                let headers = if self.headers { names.iter().map(|name| one_cell(name)).collect() } else { Vec::new() };
                Writer::Table { rows: Vec::new(), sink, headers, width: self.width, left_out: 0 }
            }
            Form::Tabs => {
                if self.headers {
                    let names: Vec<String> = names.iter().map(|name| one_field(name)).collect();
                    writeln!(sink, "{}", names.join("\t")).map_err(failed)?;
                }
                Writer::Tabs { sink }
            }
            Form::Csv => Writer::Csv(Box::new(arrow::csv::WriterBuilder::new().with_header(self.headers).build(sink))),
            Form::JsonArray => {
                Writer::JsonArray(arrow::json::WriterBuilder::new().with_explicit_nulls(true).build(sink))
            }
            Form::JsonLines => {
                Writer::JsonLines(arrow::json::WriterBuilder::new().with_explicit_nulls(true).build(sink))
            }
            Form::Parquet => {
                let zstd = Compression::ZSTD(ZstdLevel::default());
                let properties = WriterProperties::builder().set_compression(zstd).build();
                let writer =
                    ArrowWriter::try_new(sink, schema.clone(), Some(properties)).map_err(|error| broken(&error))?;
                Writer::Parquet(Box::new(writer))
            }
            Form::Arrow => Writer::Arrow(Box::new(
                arrow::ipc::writer::FileWriter::try_new(sink, schema).map_err(|error| broken(&error))?,
            )),
        })
    }
}

impl Writer {
    fn write(&mut self, batch: &RecordBatch) -> CliResult {
        match self {
            Self::Table { rows, sink, headers, width, left_out } => {
                rows.extend(cells(batch, "-", one_cell)?);
                if rows.len() >= TABLE_BLOCK_ROWS {
                    *left_out = write_table(rows, headers, *width, sink)?.max(*left_out);
                }
                Ok(())
            }
            Self::Tabs { sink } => cells(batch, "", one_field)?
                .iter()
                .try_for_each(|row| writeln!(sink, "{}", row.join("\t")).map_err(failed)),
            Self::Csv(writer) => flat(batch).and_then(|flat| writer.write(&flat)).map_err(|error| broken(&error)),
            Self::JsonArray(writer) => writer.write(batch).map_err(|error| broken(&error)),
            Self::JsonLines(writer) => writer.write(batch).map_err(|error| broken(&error)),
            Self::Parquet(writer) => writer.write(batch).map_err(|error| broken(&error)),
            Self::Arrow(writer) => writer.write(batch).map_err(|error| broken(&error)),
        }
    }

    fn finish(self) -> CliResult<usize> {
        let mut no_room = 0;
        let mut sink = match self {
            Self::Table { mut rows, mut sink, mut headers, width, left_out } => {
                no_room = write_table(&mut rows, &mut headers, width, &mut sink)?.max(left_out);
                sink
            }
            Self::Tabs { sink } => sink,
            Self::Csv(writer) => writer.into_inner(),
            Self::JsonArray(mut writer) => {
                writer.finish().map_err(|error| broken(&error))?;
                let mut sink = writer.into_inner();
                sink.write_all(b"\n").map_err(failed)?;
                sink
            }
            Self::JsonLines(writer) => writer.into_inner(),
            Self::Parquet(writer) => writer.into_inner().map_err(|error| broken(&error))?,
            Self::Arrow(mut writer) => {
                writer.finish().map_err(|error| broken(&error))?;
                writer.into_inner().map_err(|error| broken(&error))?
            }
        };
        sink.flush().map_err(failed)?;
        Ok(no_room)
    }
}

impl Target {
    fn open(&self) -> CliResult<Box<dyn Write + Send>> {
        Ok(match (&self.file, &self.jq) {
            (Some(file), _) => Box::new(file.writer()?),
            (None, Some(jq)) => Box::new(Filtered::new(Arc::clone(jq), self.whole)),
            (None, None) => Box::new(Printed { tame: io::stdout().is_terminal().then(Tame::default) }),
        })
    }
}

fn cells(batch: &RecordBatch, null: &str, fitted: fn(&str) -> String) -> CliResult<Vec<Vec<String>>> {
    let options = FormatOptions::default().with_null(null);
    let columns: Vec<ArrayFormatter<'_>> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<_, _>>()
        .map_err(|error| broken(&error))?;
    let cell = |column: &ArrayFormatter<'_>, row| fitted(&column.value(row).to_string());
    Ok((0..batch.num_rows()).map(|row| columns.iter().map(|column| cell(column, row)).collect()).collect())
}

/// Text that stays in its cell and steers no terminal.
fn one_cell(text: &str) -> String {
    printable(&text.replace(['\n', '\t'], " "))
}

/// Text between two tabs, otherwise as it is: what steers a terminal is taken out where one is.
fn one_field(text: &str) -> String {
    text.replace(['\n', '\r', '\t'], " ")
}

fn write_table(
    rows: &mut Vec<Vec<String>>,
    headers: &mut Vec<String>,
    width: Option<usize>,
    sink: &mut Sink,
) -> CliResult<usize> {
    if !headers.is_empty() {
        rows.insert(0, std::mem::take(headers));
    }
    let left_out = width.map_or(0, |width| fit(rows, width, true));
    sink.write_all(align(rows).as_bytes()).map_err(failed)?;
    rows.clear();
    Ok(left_out)
}

fn failed(error: io::Error) -> CliError {
    broken(&error)
}

fn broken(error: &(dyn std::error::Error + 'static)) -> CliError {
    // what --jq refused carries its own words, however deep it lies
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    let inner = |error: &(dyn std::error::Error + 'static)| {
        let refused = error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<Refused>()?;
        Some(refused.0.clone())
    };
    if let Some(why) = causes.find_map(inner) {
        return CliError::usage(why).because("BAD_JQ").hint("bib help formatting");
    }
    CliError::new(Exit::Failed, format!("cannot write the rows: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, ListArray, StringArray};
    use arrow::datatypes::Int64Type;
    use arrow::ipc::writer::StreamWriter;

    fn stream(rows: usize) -> Vec<u8> {
        let carrier = Arc::new(StringArray::from(vec![Some("UA"), None]));
        let delay = Arc::new(Int64Array::from(vec![2, 33]));
        let batch = RecordBatch::try_from_iter([("carrier", carrier as _), ("delay", delay as _)]).unwrap();
        streamed(&batch, rows)
    }

    fn streamed(batch: &RecordBatch, rows: usize) -> Vec<u8> {
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch.slice(0, rows)).unwrap();
        writer.finish().unwrap();
        writer.into_inner().unwrap()
    }

    fn written(name: &str) -> String {
        of(name, &stream(2))
    }

    fn of(name: &str, stream: &[u8]) -> String {
        of_columns(name, stream, &[])
    }

    fn of_columns(name: &str, stream: &[u8], columns: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let mut rows = RowPrinter::new(Form::of_path(&path).unwrap(), Some(&path), &Output::for_tests()).unwrap();
        rows.columns = columns.iter().map(|name| (*name).to_owned()).collect();
        for part in stream.chunks(37) {
            rows.push(part.to_vec()).unwrap();
        }
        assert!(!path.exists(), "{name} was there before it was whole");
        rows.finish().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()
    }

    #[test]
    fn every_form_holds_every_row() {
        assert_eq!(written("a.csv"), "carrier,delay\nUA,2\n,33\n");
        assert_eq!(written("a.tsv"), "carrier\tdelay\nUA\t2\n\t33\n");
        assert_eq!(written("a.jsonl"), "{\"carrier\":\"UA\",\"delay\":2}\n{\"carrier\":null,\"delay\":33}\n");
        assert_eq!(written("a.json"), "[{\"carrier\":\"UA\",\"delay\":2},{\"carrier\":null,\"delay\":33}]\n");
        assert!(written("a.parquet").starts_with("PAR1"));
        assert!(written("a.arrow").starts_with("ARROW1"));
    }

    #[test]
    fn only_the_columns_that_are_named_are_written() {
        assert_eq!(of_columns("a.csv", &stream(2), &["delay", "carrier"]), "delay,carrier\n2,UA\n33,\n");
        assert_eq!(of_columns("a.jsonl", &stream(2), &["delay"]), "{\"delay\":2}\n{\"delay\":33}\n");
        assert_eq!(of_columns("a.tsv", &stream(0), &["delay"]), "delay\n");
        let folder = tempfile::tempdir().unwrap();
        let mut rows = RowPrinter::new(Form::Csv, Some(&folder.path().join("a.csv")), &Output::for_tests()).unwrap();
        rows.columns = vec!["dely".to_owned()];
        let error = rows.push(stream(2)).unwrap_err();
        assert!(error.exit == Exit::Usage && error.hints[0].contains("carrier, delay"), "{error:?}");
        drop(rows);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_rows_still_have_a_header() {
        assert_eq!(of("a.csv", &stream(0)), "carrier,delay\n");
        assert_eq!(of("a.tsv", &stream(0)), "carrier\tdelay\n");
        assert_eq!(of("a.json", &stream(0)), "[]\n");
        assert!(of("a.parquet", &stream(0)).starts_with("PAR1"));
    }

    #[test]
    fn values_stay_in_their_cells_and_are_exact() {
        let stops = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None]));
        let notes = Arc::new(StringArray::from(vec!["a\tb\r\n", "\u{1b}[1m"]));
        let batch = RecordBatch::try_from_iter([("stops", stops as _), ("note", notes as _)]).unwrap();
        assert_eq!(of("a.csv", &streamed(&batch, 2)), "stops,note\n\"[1,null]\",\"a\tb\r\n\"\n,\u{1b}[1m\n");
        assert_eq!(of("a.csv", &streamed(&batch, 0)), "stops,note\n");
        assert_eq!(of("a.tsv", &streamed(&batch, 2)), "stops\tnote\n[1, ]\ta b  \n\t\u{1b}[1m\n");
    }

    #[test]
    fn a_file_that_is_there_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "mine").unwrap();
        assert!(RowPrinter::new(Form::Csv, Some(&path), &Output::for_tests()).is_err());
        assert!(Form::of_path(Path::new("a.xls")).is_err());
    }
}
