//! The schema of a table that stands in a file: the columns that a query may name.

/// The columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    /// The columns, in the order of the file.
    pub columns: Vec<Column>,
    /// How many rows there are, where that was counted.
    pub rows: Option<u64>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, as the file spells it.
    pub name: String,
    /// What its values are.
    pub data_type: ColumnType,
    /// Whether a value may be missing.
    pub nullable: bool,
}

macro_rules! column_types {
    ($($(#[$doc:meta])* $name:ident = $code:literal $text:literal,)*) => {
        /// What the values of a column are.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ColumnType {
            $($(#[$doc])* $name,)*
        }

        impl ColumnType {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word for people and for the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The number in the manifest. It never changes its meaning.
            pub(crate) const fn code(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

column_types! {
    /// Whole numbers.
    Int = 1 "int",
    /// Numbers with a fraction.
    Double = 2 "double",
    /// Text.
    String = 3 "string",
    /// True or false.
    Bool = 4 "bool",
    /// A point in time.
    Timestamp = 5 "timestamp",
    /// A day.
    Date = 6 "date",
    /// Bytes.
    Bytes = 7 "bytes",
    /// A list of values.
    List = 8 "list",
    /// A record of named values.
    Struct = 9 "struct",
}

impl ColumnType {
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }
}

impl std::fmt::Display for ColumnType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ColumnType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("{text:?} is not a column type: use one of {}", all.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_survive_their_code_and_their_word() {
        for &kind in ColumnType::ALL {
            assert_eq!(ColumnType::from_code(kind.code()), Some(kind));
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!(ColumnType::from_code(0), None);
        assert!("number".parse::<ColumnType>().unwrap_err().contains("double"));
    }
}
