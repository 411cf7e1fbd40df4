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
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::library;
use super::values::{copy_out, to_array, value};
use crate::lang::{Node, Style, Ty, print};

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
}

impl RowExpression {
    /// Compiles `node`, whose columns are arguments of the types `inputs`. People see it as `shown`.
    pub(crate) fn compile(node: &Node, inputs: Vec<Ty>, shown: String) -> Result<Self> {
        let text = print(node, Style::Interpreter);
        let program = library::env()
            .compile(&text)
            .map_err(|error| DataFusionError::Internal(format!("the interpreter refused {text}: {error}")))?;
        let signature = match inputs.len() {
            0 => Signature::nullary(Volatility::Immutable),
            n => Signature::any(n, Volatility::Immutable),
        };
        Ok(Self { shown, text, inputs, result: node.ty.clone(), program, signature })
    }

    /// Runs the expression for each of `rows` rows.
    pub(crate) fn evaluate(&self, arrays: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let columns = self
            .inputs
            .iter()
            .zip(arrays)
            .enumerate()
            .map(|(at, (ty, array))| {
                Ok(Variable { name: format!("c{at}"), ty: ty.clone(), array: cast(array, &ty.to_arrow())? })
            })
            .collect::<Result<Vec<_>>>()?;
        let variables = Variables { columns, row: AtomicUsize::new(0) };
        let mut context = Context::with_env(library::env());
        context.set_variable_resolver(&variables);
        let mut out = Vec::with_capacity(rows);
        for row in 0..rows {
            variables.row.store(row, Ordering::Relaxed);
            // a row that has no answer is null, see docs/reference/query-language.md
            let answer = Value::resolve_val(self.program.expression(), &context).ok();
            out.push(answer.and_then(|val| copy_out(&*val, &self.result)));
        }
        Ok(to_array(out, &self.result)?)
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
}

impl VariableResolver for Variables {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
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
        let rows = args.number_rows;
        let arrays = args.args.into_iter().map(|arg| arg.into_array(rows)).collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array(self.evaluate(&arrays, rows)?))
    }
}
