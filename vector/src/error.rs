//! Errors are data: callers branch on the variant, people read the message.

use std::fmt;

/// What went wrong, where, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A query, or rows, of another length than the segment's.
    Dimension {
        /// Numbers of a row.
        expected: usize,
        /// Numbers that were given.
        found: usize,
    },
    /// A number that is infinite or none.
    NotFinite {
        /// Which of the rows given, 0 for a query.
        row: usize,
        /// Which number of the row.
        column: usize,
    },
    /// Not one key for each row.
    Keys {
        /// Rows that were given.
        rows: usize,
        /// Keys that were given.
        keys: usize,
    },
    /// A parameter of zero, or above its bound.
    Parameter {
        /// Which one.
        name: &'static str,
        /// What was given.
        value: usize,
        /// The most it may be.
        most: usize,
    },
    /// More rows than a segment holds.
    TooManyRows {
        /// Rows that were given.
        rows: usize,
        /// The most there may be.
        most: usize,
    },
    /// A filter for another number of rows.
    Filter {
        /// Rows of the segment.
        expected: usize,
        /// Rows of the filter.
        found: usize,
    },
    /// A row beyond the last.
    NoSuchRow {
        /// Which one.
        row: u32,
        /// Rows of the segment.
        len: usize,
    },
    /// The bytes are not those that were written.
    Corrupt {
        /// Which part.
        part: &'static str,
        /// First byte of the part, or of its block.
        at: u64,
    },
    /// The bytes are of a format that is not known here.
    Format {
        /// Its number.
        found: u32,
    },
    /// The caller's watch ended the work.
    Cancelled,
}

/// The result of everything fallible in this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Dimension { expected, found } => {
                write!(f, "vectors of {expected} numbers expected, {found} found")
            }
            Error::NotFinite { row, column } => {
                write!(f, "number {column} of row {row} is not finite")
            }
            Error::Keys { rows, keys } => write!(f, "{rows} rows with {keys} keys"),
            Error::Parameter { name, value, most } => {
                write!(f, "{name} is {value}, expected 1 to {most}")
            }
            Error::TooManyRows { rows, most } => {
                write!(f, "{rows} rows, a segment holds at most {most}")
            }
            Error::Filter { expected, found } => {
                write!(f, "a filter of {found} rows for a segment of {expected}")
            }
            Error::NoSuchRow { row, len } => write!(f, "row {row} of {len}"),
            Error::Corrupt { part, at } => {
                write!(f, "corrupt vector segment: {part} at byte {at}")
            }
            Error::Format { found } => write!(f, "unknown format {found} of a vector segment"),
            Error::Cancelled => write!(f, "cancelled"),
        }
    }
}

impl std::error::Error for Error {}
