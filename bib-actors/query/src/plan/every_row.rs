//! A condition that is true for every row, and that DataFusion must not look through. Owns why a filter stays above the
//! scan: a Parquet scan that has all of a filter and a limit leaves out row groups of which only some rows match, when
//! later ones hold enough, and then the rows are not the first ones.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// True for every row. Beside other conditions it keeps a filter in its place, and the limit with it; the others still
/// go into the scan.
pub(super) fn every_row() -> Expr {
    ScalarUDF::from(EveryRow { signature: Signature::nullary(Volatility::Volatile) }).call(Vec::new())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct EveryRow {
    /// It says that the answer may be another one each time: nothing that does is moved or reckoned beforehand.
    signature: Signature,
}

impl ScalarUDFImpl for EveryRow {
    fn name(&self) -> &str {
        "every_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(vec![true; args.number_rows]))))
    }
}
