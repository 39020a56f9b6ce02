//! What is fixed when a database is created.

/// Whether attributes must be declared before use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flexibility {
    /// Any attribute takes any value.
    Read,
    /// Attributes are declared with a type.
    #[default]
    Write,
}

/// What is fixed when a database is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `:schema-flexibility`
    pub flexibility: Flexibility,
    /// `:keep-history?`
    pub keep_history: bool,
    /// `:attribute-refs?`: attributes are entity ids in datoms.
    pub attribute_refs: bool,
    /// `:allow-index-backfill?`: `:db/index` and `:db/unique` may come to attributes in use.
    pub index_backfill: bool,
    /// Caps on the length of values.
    pub caps: ValueCaps,
    /// `:threads`: how many threads a query uses; none is one per core.
    pub threads: Option<usize>,
}

/// Caps on the length of values; none is no cap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValueCaps {
    /// `:max-string-length`, characters.
    pub string: Option<usize>,
    /// `:max-bytes-length`, bytes.
    pub bytes: Option<usize>,
    /// `:max-float-array-length`, elements.
    pub float_array: Option<usize>,
    /// `:max-double-array-length`, elements.
    pub double_array: Option<usize>,
    /// `:max-tuple-string-length`, characters of a string within a tuple.
    pub tuple_string: Option<usize>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            flexibility: Flexibility::Write,
            keep_history: true,
            attribute_refs: false,
            index_backfill: false,
            caps: ValueCaps::default(),
            threads: None,
        }
    }
}
