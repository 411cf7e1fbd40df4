//! The schemas of several files as one. Owns what is said of files whose columns differ although the manifest has the same
//! words for them: its types are fewer than Arrow's, and it does not say what is within a nested column.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};

/// The schema of a file, and the file's name.
pub(super) type Named = (String, SchemaRef);

/// The schema of files whose batches are given out as they are: every column has one type, and may have missing values
/// where it may in one of them.
pub(super) fn of_batches(known: &[Named]) -> Result<SchemaRef, String> {
    fold(known, either).map(|fields| Arc::new(Schema::new(fields)))
}

/// Why Parquet files are no one table: types are never changed, but structs may have other fields.
pub(super) fn of_parquet(known: &[Named]) -> Option<String> {
    let merge = |a: &Field, b: &Field| {
        let mut both = a.clone();
        both.try_merge(b).ok().map(|()| both)
    };
    fold(known, merge).err()
}

/// The columns of all files as one; otherwise what is said of the first file that does not fit to those before it.
fn fold(known: &[Named], merge: impl Fn(&Field, &Field) -> Option<Field>) -> Result<Vec<Field>, String> {
    let Some(((first, schema), others)) = known.split_first() else { return Ok(Vec::new()) };
    let mut columns: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    for (index, (other, theirs)) in others.iter().enumerate() {
        if columns.len() != theirs.fields().len() {
            return Err(format!("{first:?} and {other:?} have not the same columns"));
        }
        for (at, theirs) in theirs.fields().iter().enumerate() {
            let ours = &columns[at];
            let merged = if ours.name() == theirs.name() { merge(ours, theirs) } else { None };
            if let Some(merged) = merged {
                columns[at] = merged;
                continue;
            }
            // which of the files before it is at fault; all together, if it is none alone
            let earlier = known[..=index].iter().map(|(name, schema)| (name, schema.field(at)));
            let mut apart =
                earlier.filter(|(_, field)| field.name() != theirs.name() || merge(field, theirs).is_none());
            let (earlier, ours) = apart.next().unwrap_or((first, ours));
            return Err(format!(
                "{earlier:?} and {other:?} cannot be read as one table: column {:?} is {} in the first and {} in the \
                 second",
                ours.name(),
                ours.data_type(),
                theirs.data_type()
            ));
        }
    }
    Ok(columns)
}

/// A field that holds the values of both; none if they are not of one type.
fn either(a: &Field, b: &Field) -> Option<Field> {
    let data_type = one_type(a.data_type(), b.data_type())?;
    Some(a.clone().with_data_type(data_type).with_nullable(a.is_nullable() || b.is_nullable()))
}

/// The type for values of both, which may differ in what the fields within are called and in whether they may have
/// missing values. The names in a struct are those that queries use, so they stay.
fn one_type(a: &DataType, b: &DataType) -> Option<DataType> {
    let inner = |a: &FieldRef, b: &FieldRef| either(a, b).map(Arc::new);
    Some(match (a, b) {
        (DataType::List(a), DataType::List(b)) => DataType::List(inner(a, b)?),
        (DataType::LargeList(a), DataType::LargeList(b)) => DataType::LargeList(inner(a, b)?),
        (DataType::FixedSizeList(a, size), DataType::FixedSizeList(b, other)) if size == other => {
            DataType::FixedSizeList(inner(a, b)?, *size)
        }
        (DataType::Struct(a), DataType::Struct(b)) => {
            let named = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name() == b.name());
            DataType::Struct(named.then(|| pairs(a, b)).flatten()?)
        }
        (DataType::Map(a, sorted), DataType::Map(b, other)) if sorted == other => {
            let (DataType::Struct(keys), DataType::Struct(others)) = (a.data_type(), b.data_type()) else {
                return None;
            };
            let entries = DataType::Struct(pairs(keys, others)?);
            DataType::Map(Arc::new(a.as_ref().clone().with_data_type(entries)), *sorted)
        }
        _ if a == b => a.clone(),
        _ => return None,
    })
}

fn pairs(a: &Fields, b: &Fields) -> Option<Fields> {
    let both = a.iter().zip(b).map(|(a, b)| either(a, b)).collect::<Option<Vec<Field>>>();
    both.filter(|both| both.len() == b.len()).map(Fields::from)
}
