//! The 22 queries, with the parameters that the specification validates answers with.

/// A query of TPC-H.
pub(crate) struct Query {
    /// Which, from 1.
    pub(crate) number: usize,
    text: &'static str,
}

macro_rules! texts {
    ($($number:literal)*) => {
        [$(Query { number: $number, text: include_str!(concat!("queries/q", $number, ".sql")) }),*]
    };
}

/// All queries in order.
pub(crate) const QUERIES: [Query; 22] =
    texts!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22);

/// Queries whose last key of order are sums of doubles, or that order rows only in part.
const LOOSELY_ORDERED: [usize; 5] = [3, 5, 10, 11, 18];

impl Query {
    /// The text at a scale: the share that query 11 asks for shrinks as there are more suppliers.
    pub(crate) fn text(&self, scale: f64) -> String {
        match self.number {
            11 => self
                .text
                .replace("0.0001", &format!("{:.10}", 0.0001 / scale)),
            _ => self.text.to_owned(),
        }
    }

    /// Whether it says the order of all rows, whatever the last digit of a sum.
    pub(crate) fn is_ordered(&self) -> bool {
        !LOOSELY_ORDERED.contains(&self.number)
    }
}
