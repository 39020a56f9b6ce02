//! SQL over the same facts: a DataFusion catalog over a database value.
