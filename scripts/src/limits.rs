//! Every bound of a script, with its unit and its default.

/// Longest string, in bytes, alone or within an array or map.
pub const STRING_BYTES: usize = 16 << 20;
/// Most items of an array, nested ones included.
pub const ARRAY_ITEMS: usize = 1_000_000;
/// Most entries of a map, nested ones included.
pub const MAP_ENTRIES: usize = 1_000_000;
/// Deepest calls of functions that scripts define.
pub const CALL_LEVELS: usize = 128;
/// Deepest nesting of an expression.
pub const EXPRESSION_DEPTH: usize = 128;
/// Deepest nesting of an expression within a function.
pub const FUNCTION_EXPRESSION_DEPTH: usize = 48;
/// Deepest calls within a function of a query, which runs on the stack of the query's threads.
pub const FUNCTION_CALL_LEVELS: usize = 24;
/// Most variables alive at once in a function of a query.
pub const FUNCTION_VARIABLES: usize = 256;
/// Longest string in a function of a query, in bytes.
pub const FUNCTION_STRING_BYTES: usize = 1 << 20;
/// Most items of an array or a map in a function of a query.
pub const FUNCTION_ITEMS: usize = 1 << 17;
/// Most variables alive at once.
pub const VARIABLES: usize = 4_096;
/// Most functions of one script.
pub const FUNCTIONS: usize = 4_096;
/// Most modules that one script imports.
pub const MODULES: usize = 64;
/// Longest text of a script, in bytes.
pub const SCRIPT_BYTES: usize = 16 << 20;
/// Most operations of a script; 0 is any number.
pub const OPERATIONS: u64 = 0;
/// How much the process may grow while a script runs, in bytes.
pub const MEMORY_BYTES: usize = 2 << 30;
/// Most bytes that one script prints.
pub const PRINT_BYTES: usize = 64 << 20;
/// Most bytes that one cell of a notebook prints and shows: a page has to hold them.
pub const CELL_PRINT_BYTES: usize = 4 << 20;
/// Rows of a table that are shown to a person.
pub const ROWS_SHOWN: usize = 40;
/// Most rows of a table that an operation makes.
pub const TABLE_ROWS: usize = 1 << 31;
