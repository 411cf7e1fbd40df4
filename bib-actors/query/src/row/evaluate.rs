//! An expression that runs row by row inside a vectorized plan. Owns the compiled program; a batch shares one
//! context, a row only moves an index.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, Program, Value};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::answers::Answers;
use super::library;
use super::made::repeated;
use super::meter::{METER, Meter};
use super::values::{copy_out, value};
use crate::breach::{BATCH_BYTES, CONSTANT_BYTES, TEXT_BYTES};
use crate::lang::{Node, Style, Ty, print};
use crate::stop::Stop;

/// A checked expression, compiled for the interpreter.
#[derive(Debug)]
pub(crate) struct RowExpression {
    /// What people see in a plan.
    shown: String,
    /// What the interpreter compiled.
    text: String,
    /// The types of its arguments, which are the columns `c0`, `c1` and so on of the text.
    inputs: Vec<Ty>,
    result: Ty,
    program: Program,
    signature: Signature,
    /// What ends it between two rows or two turns of a loop; none for a test.
    stop: Option<Stop>,
}

/// Bytes that an evaluation may make.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    text: usize,
    all: usize,
}

/// Of one value for each row.
const ROWS: Bounds = Bounds { text: TEXT_BYTES, all: BATCH_BYTES };

/// Of one value for all rows.
const CONSTANT: Bounds = Bounds { text: CONSTANT_BYTES, all: CONSTANT_BYTES };

impl RowExpression {
    /// Compiles `node`, whose columns are arguments of the types `inputs`. People see it as `shown`. One that `may_last`
    /// depends on no row and goes over lists: planning would reckon it, for as long as that takes.
    pub(crate) fn compile(
        node: &Node,
        inputs: Vec<Ty>,
        shown: String,
        may_last: bool,
        stop: Option<Stop>,
    ) -> Result<Self> {
        let text = print(node, Style::Interpreter);
        let program = library::env()
            .compile(&text)
            .map_err(|error| DataFusionError::Internal(format!("the interpreter refused {text}: {error}")))?;
        let volatility = if may_last { Volatility::Volatile } else { Volatility::Immutable };
        let signature = match inputs.len() {
            0 => Signature::nullary(volatility),
            n => Signature::any(n, volatility),
        };
        Ok(Self { shown, text, inputs, result: node.ty.clone(), program, signature, stop })
    }

    /// Runs the expression for each of `rows` rows.
    pub(crate) fn evaluate(&self, arrays: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        self.run(arrays, rows, ROWS)
    }

    fn run(&self, arrays: &[ArrayRef], rows: usize, bounds: Bounds) -> Result<ArrayRef> {
        let columns = self
            .inputs
            .iter()
            .zip(arrays)
            .enumerate()
            .map(|(at, (ty, array))| {
                Ok(Variable { name: format!("c{at}"), ty: ty.clone(), array: cast(array, &ty.to_arrow())? })
            })
            .collect::<Result<Vec<_>>>()?;
        let meter = Meter::new(self.stop.clone(), bounds.text);
        let variables = Variables { columns, row: AtomicUsize::new(0), meter: meter.clone() };
        let mut context = Context::with_env(library::env());
        context.set_variable_resolver(&variables);
        let mut answers = Answers::new(&self.result, bounds.all);
        for row in 0..rows {
            meter.row()?;
            variables.row.store(row, Ordering::Relaxed);
            // a row that has no answer is null, see docs/reference/query-language.md
            let answer = Value::resolve_val(self.program.expression(), &context).ok();
            let answer = answer.and_then(|val| copy_out(&*val, &self.result));
            if let Some(breach) = meter.breach() {
                return Err(breach.into());
            }
            answers.push(answer)?;
        }
        answers.finish()
    }
}

struct Variable {
    name: String,
    ty: Ty,
    array: ArrayRef,
}

struct Variables {
    columns: Vec<Variable>,
    row: AtomicUsize,
    meter: Meter,
}

impl VariableResolver for Variables {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        if variable == METER {
            return Some(CowVal::Borrowed(&self.meter));
        }
        let column = self.columns.iter().find(|column| column.name == variable)?;
        let row = self.row.load(Ordering::Relaxed);
        Some(CowVal::Owned(value(column.array.as_ref(), &column.ty, row)))
    }
}

impl PartialEq for RowExpression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.inputs == other.inputs && self.result == other.result
    }
}

impl Eq for RowExpression {}

impl Hash for RowExpression {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
        self.inputs.hash(state);
        self.result.hash(state);
    }
}

impl ScalarUDFImpl for RowExpression {
    fn name(&self) -> &str {
        "row_by_row"
    }

    fn schema_name(&self, _args: &[datafusion::logical_expr::Expr]) -> Result<String> {
        Ok(format!("row_by_row({})", self.shown))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(self.result.to_arrow())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) {
            let arrays = args.args.into_iter().map(|arg| arg.into_array(1)).collect::<Result<Vec<_>>>()?;
            let one = self.run(&arrays, 1, CONSTANT)?;
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&one, 0)?));
        }
        let rows = args.number_rows;
        let arrays = args.args.into_iter().map(|arg| repeated(arg, rows)).collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array(self.evaluate(&arrays, rows)?))
    }
}
