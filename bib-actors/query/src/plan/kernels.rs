//! Vectorized functions that DataFusion does not have with our meaning: a row without an answer (overflow, division
//! by zero, a text that is no number) is null instead of an error or a wrapped number. Functions over texts are in
//! `text.rs`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, PrimitiveArray};
use arrow::compute::{cast, kernels::numeric};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, DurationMicrosecondType, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use chrono::{Datelike, Timelike};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::text;
use crate::breach::{CONSTANT_BYTES, TEXT_BYTES};
use crate::lang::{BinaryOp, Op, Ty};
use crate::row::made::repeated;
use crate::row::scalar;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// What a kernel computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Work {
    /// Arithmetic of whole numbers, times and durations.
    Arithmetic(BinaryOp),
    /// `+` of texts.
    Concat,
    Negate,
    /// Of doubles; other types have DataFusion's own.
    Compare(BinaryOp),
    /// One zero and one NaN.
    Canonical,
    /// Null for NaN.
    NumberOrNull,
    /// Null for what is infinite or NaN.
    FiniteOrNull,
    /// The bits of a double as an int, the same ones for doubles that are equal.
    Bits,
    /// The value as its type in the language, null where it does not fit. Comparisons of it stay as they are, where
    /// DataFusion would make those of a cast to ones in the type of the data.
    Convert,
    /// A time as a whole number of `unit` microseconds, the next one above or below it.
    Step {
        unit: i64,
        up: bool,
    },
    Function(Op),
}

/// A vectorized function for arguments of fixed types.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Kernel {
    work: Work,
    params: Vec<Ty>,
    result: Ty,
    signature: Signature,
}

impl Kernel {
    pub(super) fn new(work: Work, params: Vec<Ty>, result: Ty) -> Self {
        let signature = Signature::any(params.len().max(1), Volatility::Immutable);
        Self { work, params, result, signature }
    }
}

impl ScalarUDFImpl for Kernel {
    fn name(&self) -> &str {
        match self.work {
            Work::Arithmetic(BinaryOp::Add) => "add",
            Work::Arithmetic(BinaryOp::Sub) => "subtract",
            Work::Arithmetic(BinaryOp::Mul) => "multiply",
            Work::Arithmetic(BinaryOp::Div) => "divide",
            Work::Arithmetic(_) => "remainder",
            Work::Concat => "concat",
            Work::Negate => "negate",
            Work::Compare(BinaryOp::Eq) => "equal",
            Work::Compare(BinaryOp::Ne) => "not_equal",
            Work::Compare(BinaryOp::Lt) => "less",
            Work::Compare(BinaryOp::Le) => "at_most",
            Work::Compare(BinaryOp::Gt) => "greater",
            Work::Compare(_) => "at_least",
            Work::Canonical => "canonical",
            Work::NumberOrNull => "number_or_null",
            Work::FiniteOrNull => "finite_or_null",
            Work::Bits => "bits",
            Work::Convert => "convert",
            Work::Step { up: true, .. } => "step_up",
            Work::Step { up: false, .. } => "step_down",
            Work::Function(op) => op.name(),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(self.result.to_arrow())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        // constants stay one value where the kernel can use that
        if let (Work::Arithmetic(op), [a, b], Ty::Int) = (self.work, args.args.as_slice(), &self.result)
            && let Some(fast) = checked(op, a, b)?
        {
            return Ok(ColumnarValue::Array(fast));
        }
        // a plan repeats what comes of constants for each row
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let most = if constant { CONSTANT_BYTES } else { TEXT_BYTES };
        let arrays = args
            .args
            .into_iter()
            .zip(&self.params)
            .map(|(arg, ty)| Ok(cast(&repeated(arg, rows)?, &ty.to_arrow())?))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let array = match self.work {
            Work::Arithmetic(op) => arithmetic(op, &self.params, &self.result, &arrays)?,
            Work::Concat => text::concat(&arrays, most)?,
            Work::Function(Op::Replace) => text::replace(&arrays, most)?,
            Work::Negate => match self.result {
                Ty::Int => unary::<Int64Type, Int64Type>(&arrays[0], i64::checked_neg),
                _ => unary::<Float64Type, Float64Type>(&arrays[0], |d| Some(-d)),
            },
            Work::Compare(op) => compare(op, &arrays),
            Work::Canonical => double(&arrays[0], one_spelling),
            Work::FiniteOrNull => unary::<Float64Type, Float64Type>(&arrays[0], |d| d.is_finite().then_some(d)),
            Work::Bits => {
                unary::<Float64Type, Int64Type>(&arrays[0], |d| Some(one_spelling(d).to_bits().cast_signed()))
            }
            Work::NumberOrNull => unary::<Float64Type, Float64Type>(&arrays[0], |d| (!d.is_nan()).then_some(d)),
            // the cast of the arguments has done it
            Work::Convert => Arc::clone(&arrays[0]),
            Work::Step { unit, up } => step(&arrays[0], unit, up),
            Work::Function(op) => function(op, &self.params, &arrays)?,
        };
        Ok(ColumnarValue::Array(array))
    }
}

/// One zero and one NaN.
fn one_spelling(d: f64) -> f64 {
    if d.is_nan() { f64::NAN } else { d + 0.0 }
}

/// Arrow's own checked kernels, as long as no row overflows or divides by zero.
fn checked(op: BinaryOp, a: &ColumnarValue, b: &ColumnarValue) -> Result<Option<ArrayRef>> {
    use arrow::array::Datum;
    let int = |value: &ColumnarValue| value.data_type() == DataType::Int64;
    let both_constant = matches!((a, b), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
    if !int(a) || !int(b) || both_constant {
        return Ok(None);
    }
    let datum = |value: &ColumnarValue| -> Result<Box<dyn Datum>> {
        Ok(match value {
            ColumnarValue::Array(array) => Box::new(Arc::clone(array)),
            ColumnarValue::Scalar(scalar) => Box::new(scalar.to_scalar()?),
        })
    };
    let (a, b) = (datum(a)?, datum(b)?);
    let result = match op {
        BinaryOp::Add => numeric::add(a.as_ref(), b.as_ref()),
        BinaryOp::Sub => numeric::sub(a.as_ref(), b.as_ref()),
        BinaryOp::Mul => numeric::mul(a.as_ref(), b.as_ref()),
        BinaryOp::Div => numeric::div(a.as_ref(), b.as_ref()),
        BinaryOp::Rem => numeric::rem(a.as_ref(), b.as_ref()),
        _ => return Ok(None),
    };
    match result {
        Ok(array) => Ok(Some(array)),
        Err(ArrowError::ArithmeticOverflow(_) | ArrowError::DivideByZero | ArrowError::ComputeError(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

fn arithmetic(op: BinaryOp, params: &[Ty], result: &Ty, args: &[ArrayRef]) -> Result<ArrayRef> {
    let compute = |a: i64, b: i64| match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Sub => a.checked_sub(b),
        BinaryOp::Mul => a.checked_mul(b),
        BinaryOp::Div => a.checked_div(b),
        BinaryOp::Rem => a.checked_rem(b),
        _ => None,
    };
    // times and durations are whole microseconds
    let (a, b) = (micros(&args[0], &params[0])?, micros(&args[1], &params[1])?);
    let values: Int64Array = a.iter().zip(b.iter()).map(|(a, b)| a.zip(b).and_then(|(a, b)| compute(a, b))).collect();
    Ok(match result {
        Ty::Timestamp => {
            // beyond what a calendar can say there is no time
            let times = values.unary_opt::<_, Int64Type>(|us| scalar::time_of(us).map(|_| us));
            Arc::new(times.reinterpret_cast::<TimestampMicrosecondType>().with_data_type(result.to_arrow()))
        }
        Ty::Duration => {
            let spans = values.unary_opt::<_, Int64Type>(|us| Some(us).filter(|us| scalar::is_span(*us)));
            Arc::new(spans.reinterpret_cast::<DurationMicrosecondType>())
        }
        _ => Arc::new(values),
    })
}

fn micros(array: &ArrayRef, ty: &Ty) -> Result<Int64Array> {
    match ty {
        Ty::Int => Ok(array.as_primitive::<Int64Type>().clone()),
        Ty::Timestamp => Ok(array.as_primitive::<TimestampMicrosecondType>().reinterpret_cast()),
        Ty::Duration => Ok(array.as_primitive::<DurationMicrosecondType>().reinterpret_cast()),
        other => internal_err!("{other} is not counted in whole numbers"),
    }
}

fn compare(op: BinaryOp, args: &[ArrayRef]) -> ArrayRef {
    let accept = |a: f64, b: f64| match op {
        BinaryOp::Eq => a == b,
        BinaryOp::Ne => a != b,
        BinaryOp::Lt => a < b,
        BinaryOp::Le => a <= b,
        BinaryOp::Gt => a > b,
        _ => a >= b,
    };
    let (a, b) = (args[0].as_primitive::<Float64Type>(), args[1].as_primitive::<Float64Type>());
    let values: BooleanArray = a.iter().zip(b.iter()).map(|(a, b)| a.zip(b).map(|(a, b)| accept(a, b))).collect();
    Arc::new(values)
}

fn step(array: &ArrayRef, unit: i64, up: bool) -> ArrayRef {
    let times = array.as_primitive::<TimestampMicrosecondType>();
    let steps = times.unary_opt::<_, TimestampMicrosecondType>(|us| {
        let below = us.checked_sub(us.rem_euclid(unit))?;
        if up && below < us { below.checked_add(unit) } else { Some(below) }
    });
    Arc::new(steps.with_data_type(Ty::Timestamp.to_arrow()))
}

/// Applies `f` to each value; none becomes null.
fn unary<I: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    array: &ArrayRef,
    f: impl Fn(I::Native) -> Option<O::Native>,
) -> ArrayRef {
    Arc::new(array.as_primitive::<I>().unary_opt::<_, O>(f))
}

fn double(array: &ArrayRef, f: impl Fn(f64) -> f64) -> ArrayRef {
    let values: Float64Array = array.as_primitive::<Float64Type>().unary(f);
    Arc::new(values)
}

fn test(array: &ArrayRef, f: impl Fn(f64) -> bool) -> ArrayRef {
    Arc::new(BooleanArray::from_unary(array.as_primitive::<Float64Type>(), f))
}

fn function(op: Op, params: &[Ty], args: &[ArrayRef]) -> Result<ArrayRef> {
    let first = &args[0];
    Ok(match (op, &params[0]) {
        (Op::ToInt, Ty::Double) => unary::<Float64Type, Int64Type>(first, whole),
        (Op::ToInt, Ty::Timestamp) => {
            unary::<TimestampMicrosecondType, Int64Type>(first, |us| Some(us.div_euclid(SECOND)))
        }
        (Op::ToTimestamp, Ty::Int) => {
            let times = first.as_primitive::<Int64Type>().unary_opt::<_, TimestampMicrosecondType>(|seconds| {
                seconds.checked_mul(SECOND).filter(|us| scalar::time_of(*us).is_some())
            });
            Arc::new(times.with_data_type(Ty::Timestamp.to_arrow()))
        }
        (Op::ToDate, Ty::Timestamp) => {
            unary::<TimestampMicrosecondType, Date32Type>(first, |us| i32::try_from(us.div_euclid(DAY)).ok())
        }
        (Op::ToInt | Op::ToDouble | Op::ToBool | Op::ToTimestamp | Op::ToDate | Op::ToDuration, ty)
            if *ty != Ty::String =>
        {
            // int(int), double(int) and the like
            cast(first, &op_result(op).to_arrow())?
        }
        (Op::Abs, Ty::Int) => unary::<Int64Type, Int64Type>(first, i64::checked_abs),
        (Op::Sign, Ty::Int) => unary::<Int64Type, Int64Type>(first, |i| Some(i.signum())),
        (Op::Abs, _) => double(first, f64::abs),
        (Op::Sign, _) => {
            double(first, |d| if d.is_nan() { d } else { f64::from(i8::from(d > 0.0) - i8::from(d < 0.0)) })
        }
        (Op::Ceil, _) => double(first, f64::ceil),
        (Op::Floor, _) => double(first, f64::floor),
        (Op::Round, _) => double(first, f64::round),
        (Op::Trunc, _) => double(first, f64::trunc),
        (Op::Sqrt, _) => double(first, f64::sqrt),
        (Op::Exp, _) => double(first, f64::exp),
        (Op::Ln, _) => double(first, f64::ln),
        (Op::Log10, _) => double(first, f64::log10),
        (Op::Pow, _) => pairs::<Float64Type>(args, f64::powf),
        (Op::Greatest, Ty::Int) => pairs::<Int64Type>(args, i64::max),
        (Op::Least, Ty::Int) => pairs::<Int64Type>(args, i64::min),
        (Op::Greatest, _) => pairs::<Float64Type>(args, |a, b| if a >= b || a.is_nan() { a } else { b }),
        (Op::Least, _) => pairs::<Float64Type>(args, |a, b| if a <= b || a.is_nan() { a } else { b }),
        (Op::IsNan, _) => test(first, f64::is_nan),
        (Op::IsInf, _) => test(first, f64::is_infinite),
        (Op::IsFinite, _) => test(first, f64::is_finite),
        (Op::Hours, Ty::Duration) => span(first, 3_600 * SECOND),
        (Op::Minutes, Ty::Duration) => span(first, 60 * SECOND),
        (Op::Seconds, Ty::Duration) => span(first, SECOND),
        (Op::Milliseconds, Ty::Duration) => {
            unary::<DurationMicrosecondType, Int64Type>(first, |us| Some(us % SECOND / 1_000))
        }
        (Op::Year, _) => part(first, |t| i64::from(t.year())),
        (Op::Month, _) => part(first, |t| i64::from(t.month0())),
        (Op::Day, _) => part(first, |t| i64::from(t.day())),
        (Op::DayOfMonth, _) => part(first, |t| i64::from(t.day0())),
        (Op::DayOfWeek, _) => part(first, |t| i64::from(t.weekday().num_days_from_sunday())),
        (Op::DayOfYear, _) => part(first, |t| i64::from(t.ordinal0())),
        (Op::Hours, _) => part(first, |t| i64::from(t.hour())),
        (Op::Minutes, _) => part(first, |t| i64::from(t.minute())),
        (Op::Seconds, _) => part(first, |t| i64::from(t.second())),
        (Op::Milliseconds, _) => part(first, |t| i64::from(t.timestamp_subsec_millis())),
        _ => return text::function(op, params, args),
    })
}

fn op_result(op: Op) -> Ty {
    match op {
        Op::ToInt => Ty::Int,
        Op::ToDouble => Ty::Double,
        Op::ToBool => Ty::Bool,
        Op::ToTimestamp => Ty::Timestamp,
        Op::ToDate => Ty::Date,
        _ => Ty::Duration,
    }
}

/// A double without its fraction, where it fits into 64 bits.
fn whole(d: f64) -> Option<i64> {
    // 2^63 is a double, the greatest i64 is not
    (d > -9_223_372_036_854_775_808.0 && d < 9_223_372_036_854_775_808.0).then_some(d as i64)
}

fn pairs<T: ArrowPrimitiveType>(args: &[ArrayRef], f: impl Fn(T::Native, T::Native) -> T::Native) -> ArrayRef {
    let (a, b) = (args[0].as_primitive::<T>(), args[1].as_primitive::<T>());
    let values: PrimitiveArray<T> = a.iter().zip(b.iter()).map(|(a, b)| a.zip(b).map(|(a, b)| f(a, b))).collect();
    Arc::new(values)
}

fn span(array: &ArrayRef, unit: i64) -> ArrayRef {
    unary::<DurationMicrosecondType, Int64Type>(array, |us| Some(us / unit))
}

fn part(array: &ArrayRef, f: impl Fn(chrono::DateTime<chrono::Utc>) -> i64) -> ArrayRef {
    unary::<TimestampMicrosecondType, Int64Type>(array, |us| scalar::time_of(us).map(&f))
}
