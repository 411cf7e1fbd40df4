//! The functions and aggregates of the language, as a table. Owns names and signatures; what they compute is in
//! `plan/kernels` and `row`.

use super::types::Ty;

/// What a function computes. One name may have several, one for each signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    LowerAscii,
    UpperAscii,
    Trim,
    Replace,
    SubstringFrom,
    Substring,
    IndexOf,
    Split,
    Join,
    ToInt,
    ToDouble,
    ToText,
    ToBool,
    ToTimestamp,
    ToDate,
    ToDuration,
    Abs,
    Ceil,
    Floor,
    Round,
    Trunc,
    Sign,
    Sqrt,
    Pow,
    Exp,
    Ln,
    Log10,
    Greatest,
    Least,
    IsNan,
    IsInf,
    IsFinite,
    Year,
    Month,
    Day,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
    Coalesce,
}

/// How a function is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `f(x)`
    Global,
    /// `x.f()`
    Member,
    /// Either.
    Both,
}

/// A type in a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Param {
    Bool,
    Int,
    Double,
    Text,
    Bytes,
    Timestamp,
    Date,
    Duration,
    AnyList,
    Texts,
    AnyMap,
}

impl Param {
    pub(super) fn accepts(self, ty: &Ty) -> bool {
        match (self, ty) {
            (Self::AnyList, Ty::List(_)) | (Self::AnyMap, Ty::Map(_)) => true,
            (Self::Texts, Ty::List(item)) => **item == Ty::String,
            _ => self.ty().as_ref() == Some(ty),
        }
    }

    pub(super) fn ty(self) -> Option<Ty> {
        Some(match self {
            Self::Bool => Ty::Bool,
            Self::Int => Ty::Int,
            Self::Double => Ty::Double,
            Self::Text => Ty::String,
            Self::Bytes => Ty::Bytes,
            Self::Timestamp => Ty::Timestamp,
            Self::Date => Ty::Date,
            Self::Duration => Ty::Duration,
            Self::Texts => Ty::List(Box::new(Ty::String)),
            Self::AnyList | Self::AnyMap => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Double => "double",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Duration => "duration",
            Self::AnyList => "list",
            Self::Texts => "list of string",
            Self::AnyMap => "map",
        }
    }
}

/// One signature of a function.
pub(super) struct Overload {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) params: &'static [Param],
    pub(super) result: Param,
    pub(super) op: Op,
}

const fn overload(name: &'static str, form: Form, params: &'static [Param], result: Param, op: Op) -> Overload {
    Overload { name, form, params, result, op }
}

use Form::{Both, Global, Member};
use Param::{AnyList, AnyMap, Bool, Bytes, Date, Double, Duration, Int, Text, Texts, Timestamp};

/// Every function but `has`, `coalesce` and the macros, which the checker knows itself.
pub(super) static OVERLOADS: &[Overload] = &[
    overload("size", Both, &[Text], Int, Op::Size),
    overload("size", Both, &[Bytes], Int, Op::Size),
    overload("size", Both, &[AnyList], Int, Op::Size),
    overload("size", Both, &[AnyMap], Int, Op::Size),
    overload("contains", Member, &[Text, Text], Bool, Op::Contains),
    overload("startsWith", Member, &[Text, Text], Bool, Op::StartsWith),
    overload("endsWith", Member, &[Text, Text], Bool, Op::EndsWith),
    overload("matches", Both, &[Text, Text], Bool, Op::Matches),
    overload("lowerAscii", Member, &[Text], Text, Op::LowerAscii),
    overload("upperAscii", Member, &[Text], Text, Op::UpperAscii),
    overload("trim", Member, &[Text], Text, Op::Trim),
    overload("replace", Member, &[Text, Text, Text], Text, Op::Replace),
    overload("substring", Member, &[Text, Int], Text, Op::SubstringFrom),
    overload("substring", Member, &[Text, Int, Int], Text, Op::Substring),
    overload("indexOf", Member, &[Text, Text], Int, Op::IndexOf),
    overload("split", Member, &[Text, Text], Texts, Op::Split),
    overload("join", Member, &[Texts, Text], Text, Op::Join),
    overload("int", Global, &[Int], Int, Op::ToInt),
    overload("int", Global, &[Double], Int, Op::ToInt),
    overload("int", Global, &[Text], Int, Op::ToInt),
    overload("int", Global, &[Timestamp], Int, Op::ToInt),
    overload("double", Global, &[Double], Double, Op::ToDouble),
    overload("double", Global, &[Int], Double, Op::ToDouble),
    overload("double", Global, &[Text], Double, Op::ToDouble),
    overload("string", Global, &[Text], Text, Op::ToText),
    overload("string", Global, &[Int], Text, Op::ToText),
    overload("string", Global, &[Double], Text, Op::ToText),
    overload("string", Global, &[Bool], Text, Op::ToText),
    overload("string", Global, &[Timestamp], Text, Op::ToText),
    overload("string", Global, &[Date], Text, Op::ToText),
    overload("bool", Global, &[Bool], Bool, Op::ToBool),
    overload("bool", Global, &[Text], Bool, Op::ToBool),
    overload("timestamp", Global, &[Timestamp], Timestamp, Op::ToTimestamp),
    overload("timestamp", Global, &[Text], Timestamp, Op::ToTimestamp),
    overload("timestamp", Global, &[Int], Timestamp, Op::ToTimestamp),
    overload("date", Global, &[Date], Date, Op::ToDate),
    overload("date", Global, &[Timestamp], Date, Op::ToDate),
    overload("date", Global, &[Text], Date, Op::ToDate),
    overload("duration", Global, &[Duration], Duration, Op::ToDuration),
    overload("duration", Global, &[Text], Duration, Op::ToDuration),
    overload("math.abs", Global, &[Int], Int, Op::Abs),
    overload("math.abs", Global, &[Double], Double, Op::Abs),
    overload("math.ceil", Global, &[Double], Double, Op::Ceil),
    overload("math.floor", Global, &[Double], Double, Op::Floor),
    overload("math.round", Global, &[Double], Double, Op::Round),
    overload("math.trunc", Global, &[Double], Double, Op::Trunc),
    overload("math.sign", Global, &[Int], Int, Op::Sign),
    overload("math.sign", Global, &[Double], Double, Op::Sign),
    overload("math.sqrt", Global, &[Double], Double, Op::Sqrt),
    overload("math.pow", Global, &[Double, Double], Double, Op::Pow),
    overload("math.exp", Global, &[Double], Double, Op::Exp),
    overload("math.ln", Global, &[Double], Double, Op::Ln),
    overload("math.log10", Global, &[Double], Double, Op::Log10),
    overload("math.greatest", Global, &[Int, Int], Int, Op::Greatest),
    overload("math.greatest", Global, &[Double, Double], Double, Op::Greatest),
    overload("math.least", Global, &[Int, Int], Int, Op::Least),
    overload("math.least", Global, &[Double, Double], Double, Op::Least),
    overload("math.isNaN", Global, &[Double], Bool, Op::IsNan),
    overload("math.isInf", Global, &[Double], Bool, Op::IsInf),
    overload("math.isFinite", Global, &[Double], Bool, Op::IsFinite),
    overload("getFullYear", Member, &[Timestamp], Int, Op::Year),
    overload("getMonth", Member, &[Timestamp], Int, Op::Month),
    overload("getDate", Member, &[Timestamp], Int, Op::Day),
    overload("getDayOfMonth", Member, &[Timestamp], Int, Op::DayOfMonth),
    overload("getDayOfWeek", Member, &[Timestamp], Int, Op::DayOfWeek),
    overload("getDayOfYear", Member, &[Timestamp], Int, Op::DayOfYear),
    overload("getHours", Member, &[Timestamp], Int, Op::Hours),
    overload("getMinutes", Member, &[Timestamp], Int, Op::Minutes),
    overload("getSeconds", Member, &[Timestamp], Int, Op::Seconds),
    overload("getMilliseconds", Member, &[Timestamp], Int, Op::Milliseconds),
    overload("getHours", Member, &[Duration], Int, Op::Hours),
    overload("getMinutes", Member, &[Duration], Int, Op::Minutes),
    overload("getSeconds", Member, &[Duration], Int, Op::Seconds),
    overload("getMilliseconds", Member, &[Duration], Int, Op::Milliseconds),
];

impl Op {
    /// The name that the language has for it.
    pub(crate) fn name(self) -> &'static str {
        OVERLOADS.iter().find(|overload| overload.op == self).map_or("coalesce", |overload| overload.name)
    }

    /// Whether it is written behind its first argument.
    pub(super) fn is_member(self) -> bool {
        self == Self::Matches || OVERLOADS.iter().any(|overload| overload.op == self && overload.form == Form::Member)
    }
}

/// What other languages call our functions.
pub(super) static ELSEWHERE: &[(&str, &str)] = &[
    ("lower", "lowerAscii"),
    ("upper", "upperAscii"),
    ("tolower", "lowerAscii"),
    ("toupper", "upperAscii"),
    ("len", "size"),
    ("length", "size"),
    ("abs", "math.abs"),
    ("ceil", "math.ceil"),
    ("floor", "math.floor"),
    ("round", "math.round"),
    ("sqrt", "math.sqrt"),
    ("pow", "math.pow"),
    ("power", "math.pow"),
    ("exp", "math.exp"),
    ("log", "math.ln"),
    ("ln", "math.ln"),
    ("math.log", "math.ln"),
    ("log10", "math.log10"),
    ("isnan", "math.isNaN"),
    ("greatest", "math.greatest"),
    ("least", "math.least"),
    ("float", "double"),
    ("str", "string"),
    ("integer", "int"),
    ("datetime", "timestamp"),
    ("to_timestamp", "timestamp"),
    ("substr", "substring"),
    ("strip", "trim"),
    ("regex", "matches"),
    ("year", "getFullYear"),
    ("month", "getMonth"),
    ("day", "getDate"),
    ("hour", "getHours"),
    ("minute", "getMinutes"),
    ("ifnull", "coalesce"),
    ("isnull", "== null"),
    ("is_null", "== null"),
    ("average", "mean"),
    ("std", "stddev"),
    ("var", "variance"),
    ("n", "count"),
    ("nunique", "count_distinct"),
    ("any", "exists"),
];

/// A function over all rows of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Aggregate {
    Count,
    CountDistinct,
    Sum,
    Mean,
    Min,
    Max,
    Stddev,
    Variance,
    Median,
}

impl Aggregate {
    pub(super) const NAMES: [(&'static str, Self); 10] = [
        ("count", Self::Count),
        ("count_distinct", Self::CountDistinct),
        ("sum", Self::Sum),
        ("mean", Self::Mean),
        ("avg", Self::Mean),
        ("min", Self::Min),
        ("max", Self::Max),
        ("stddev", Self::Stddev),
        ("variance", Self::Variance),
        ("median", Self::Median),
    ];

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, aggregate)| *aggregate)
    }

    /// The type of its result for an argument of type `ty`, or what the argument must be.
    pub(super) fn result(self, ty: Option<&Ty>) -> Result<Ty, &'static str> {
        match (self, ty) {
            (Self::Count, _) => Ok(Ty::Int),
            (Self::CountDistinct, Some(ty)) if ty.is_ordered() => Ok(Ty::Int),
            (Self::CountDistinct, _) => Err("a bool, number, string, date or timestamp"),
            (Self::Sum, Some(Ty::Int)) => Ok(Ty::Int),
            (Self::Sum | Self::Mean | Self::Stddev | Self::Variance | Self::Median, Some(ty)) if ty.is_number() => {
                Ok(Ty::Double)
            }
            (Self::Min | Self::Max, Some(ty)) if ty.is_ordered() && *ty != Ty::Bool => Ok(ty.clone()),
            (Self::Min | Self::Max, _) => Err("a number, string, date or timestamp"),
            _ => Err("a number"),
        }
    }
}
