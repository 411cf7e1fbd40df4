//! The schemas of several files as one. Owns what is said of files whose columns differ although the manifest has the same
//! words for them: its types are fewer than Arrow's, and it does not say what is within a nested column.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

/// The schema of a file, and the file's name.
pub(super) type Named = (String, SchemaRef);

/// The schema of files whose batches are given out as they are: every column has one type, and may have missing values
/// where it may in one of them.
pub(super) fn of_batches(known: &[Named]) -> Result<SchemaRef, String> {
    let Some(first) = known.first() else { return Ok(Arc::new(Schema::empty())) };
    let same = |a: &Field, b: &Field| a.data_type() == b.data_type();
    if let Some(why) = differing(known, same) {
        return Err(why);
    }
    let field = |(at, field): (usize, &Arc<Field>)| {
        let nullable = known.iter().any(|(_, schema)| schema.field(at).is_nullable());
        field.as_ref().clone().with_nullable(nullable)
    };
    let fields: Vec<Field> = first.1.fields().iter().enumerate().map(field).collect();
    Ok(Arc::new(Schema::new(fields)))
}

/// Why Parquet files are no one table: types are never changed, but structs may have other fields.
pub(super) fn of_parquet(known: &[Named]) -> Option<String> {
    differing(known, |a, b| a.clone().try_merge(b).is_ok())
}

/// The first column that differs from that of the first file.
fn differing(known: &[Named], fits: impl Fn(&Field, &Field) -> bool) -> Option<String> {
    let ((first, schema), others) = known.split_first()?;
    others.iter().find_map(|(other, theirs)| {
        if schema.fields().len() != theirs.fields().len() {
            return Some(format!("{first:?} and {other:?} have not the same columns"));
        }
        let mut pairs = schema.fields().iter().zip(theirs.fields());
        let (ours, theirs) = pairs.find(|(ours, theirs)| ours.name() != theirs.name() || !fits(ours, theirs))?;
        Some(format!(
            "{first:?} and {other:?} cannot be read as one table: column {:?} is {} in the first and {} in the second",
            ours.name(),
            ours.data_type(),
            theirs.data_type()
        ))
    })
}
