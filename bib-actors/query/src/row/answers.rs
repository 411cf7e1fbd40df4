//! The answers of a batch of rows on their way into one array. Owns that few of them lie about as single values, which
//! take several times as many bytes as in an array.

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use datafusion::common::Result;

use super::values::{Out, to_array};
use crate::breach::Breach;
use crate::lang::Ty;

/// Bytes of single values of which an array is made before more come. Not larger, because one row may bring many more;
/// not smaller, because each part costs some work.
const PART_BYTES: usize = 16 << 20;

/// Answers of one type.
pub(super) struct Answers<'a> {
    ty: &'a Ty,
    /// Bytes that the arrays may have.
    most: usize,
    single: Vec<Option<Out>>,
    single_bytes: usize,
    parts: Vec<ArrayRef>,
    part_bytes: usize,
}

impl<'a> Answers<'a> {
    pub(super) fn new(ty: &'a Ty, most: usize) -> Self {
        Self { ty, most, single: Vec::new(), single_bytes: 0, parts: Vec::new(), part_bytes: 0 }
    }

    /// Takes the answer of the next row.
    pub(super) fn push(&mut self, answer: Option<Out>) -> Result<()> {
        self.single_bytes += answer.as_ref().map_or(0, Out::bytes);
        self.single.push(answer);
        if self.single_bytes > PART_BYTES { self.pack() } else { Ok(()) }
    }

    /// All of them.
    pub(super) fn finish(mut self) -> Result<ArrayRef> {
        self.pack()?;
        match self.parts.as_slice() {
            [one] => Ok(ArrayRef::clone(one)),
            parts => Ok(concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>())?),
        }
    }

    fn pack(&mut self) -> Result<()> {
        self.single_bytes = 0;
        let part = to_array(std::mem::take(&mut self.single), self.ty)?;
        self.part_bytes += part.to_data().get_slice_memory_size()?;
        self.parts.push(part);
        if self.part_bytes > self.most { Err(Breach::Values { most: self.most }.into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;

    fn pushed(rows: i64, items: usize, most: usize) -> Result<ArrayRef> {
        let ty = Ty::List(Box::new(Ty::Int));
        let mut answers = Answers::new(&ty, most);
        for row in 0..rows {
            let answer = (row % 3 != 2).then(|| Out::List(vec![Some(Out::Int(row)); items]));
            answers.push(answer)?;
            assert!(answers.single_bytes <= PART_BYTES);
        }
        answers.finish()
    }

    #[test]
    fn parts_become_one_array_whose_bytes_are_bounded() {
        let array = pushed(1_200, 1_024, 8 << 20).unwrap();
        let lists = array.as_list::<i32>();
        assert_eq!((lists.len(), lists.null_count()), (1_200, 400));
        assert_eq!(lists.value(1_198).as_primitive::<Int64Type>().values()[..], [1_198; 1_024]);
        let refused = pushed(1_200, 1_024, 4 << 20).unwrap_err();
        assert_eq!(Breach::find(&refused), Some(Breach::Values { most: 4 << 20 }));
        assert_eq!(pushed(0, 0, 1 << 10).unwrap().len(), 0);
    }
}
