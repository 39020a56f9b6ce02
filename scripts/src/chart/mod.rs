//! Charts of tables.
