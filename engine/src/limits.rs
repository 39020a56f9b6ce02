//! Every bound on what comes from outside, with its unit and its default.

/// Longest EDN text, in bytes.
pub const EDN_TEXT_BYTES: usize = 16 << 20;
/// Deepest nesting of EDN collections.
pub const EDN_DEPTH: usize = 256;
/// Most tokens of one EDN text.
pub const EDN_TOKENS: usize = 1_000_000;
/// Longest symbol or keyword, in bytes.
pub const EDN_NAME_BYTES: usize = 4 << 10;
/// Most digits of a number.
pub const EDN_DIGITS: usize = 4_096;
/// Most patterns, `#"…"`, of one EDN text.
pub const EDN_PATTERNS: usize = 64;
/// Longest transit text, in bytes.
pub const TRANSIT_TEXT_BYTES: usize = 64 << 20;
/// Deepest nesting of transit's arrays; a set within a set takes two.
pub const TRANSIT_DEPTH: usize = 512;
/// Most strings, numbers and brackets of one transit text.
pub const TRANSIT_TOKENS: usize = 16_000_000;
/// Most conflicts of a merge that its error lists.
pub const CONFLICTS_SHOWN: usize = 100;
/// Most values of an entity that a conflict about the whole of it shows.
pub const CONFLICT_FACTS: usize = 1_000;
/// Most datoms in which two database values may differ for their difference to be listed.
pub const DIFF_DATOMS: usize = 10_000_000;
/// Most datoms of one transaction.
pub const TX_DATOMS: usize = 1_000_000;
/// Most values of one attribute that a pull returns, unless its pattern says otherwise.
pub const PULL_VALUES: usize = 1_000;
/// Most nested levels of a pull.
pub const PULL_DEPTH: usize = 1_000;
/// Most entities and values that a pull returns for one entity.
pub const PULL_ITEMS: usize = 1_000_000;
/// Default wall time of a query, in milliseconds; `:timeout` overrides it. 0 means none.
pub const QUERY_TIMEOUT_MS: u64 = 0;
/// Most bytes that one step of a query, or the tables of its rules, may hold.
pub const QUERY_MEMORY_BYTES: usize = 2 << 30;
/// Most nested levels of clauses, and of queries within queries.
pub const QUERY_DEPTH: usize = 64;
/// Most parts that `quantiles` takes.
pub const QUANTILES: usize = 1_024;
/// Most clauses of a query, rules included.
pub const QUERY_CLAUSES: usize = 20_000;
/// Longest compiled regular expression, in bytes.
pub const REGEX_BYTES: usize = 1 << 20;
/// Longest payload of one record of the log, in bytes.
pub const LOG_RECORD_BYTES: usize = 1 << 30;
/// Most bytes of records that one append to the log takes, headers included.
pub const LOG_GROUP_BYTES: usize = LOG_RECORD_BYTES + (1 << 20);
/// Bytes of the log read at a time; whole sectors.
pub const LOG_READ_BYTES: usize = 1 << 20;
/// Longest part of a name in a store, in bytes.
pub const STORAGE_NAME_BYTES: usize = 128;
/// How long a transaction waits for writers of other processes, in milliseconds; `:lock-timeout`
/// overrides it.
pub const LOCK_TIMEOUT_MS: u64 = 10_000;
/// Most threads a connection starts for queries.
pub const POOL_THREADS: usize = 1_024;
/// Most transactions that wait before one writer.
pub const QUEUE_TRANSACTIONS: usize = 120_000;
/// Most transactions that share one sync.
pub const GROUP_TRANSACTIONS: usize = 1_024;
/// Most items, nested ones included, of a collection that a function returns.
pub const FUNCTION_ITEMS: usize = 1_000_000;
/// Deepest nesting of a collection that a function returns.
pub const FUNCTION_DEPTH: usize = 256;
/// Longest text that a function returns, in bytes.
pub const FUNCTION_TEXT_BYTES: usize = 16 << 20;
/// Most bits of an integer that a function returns.
pub const FUNCTION_NUMBER_BITS: u64 = 1 << 14;
/// Largest scale, either way, of a decimal that a function computes with.
pub const FUNCTION_DECIMAL_SCALE: i64 = 10_000;
/// Most functions that call one another, as in `(map f …)`.
pub const FUNCTION_CALL_DEPTH: usize = 64;
/// Most items that the calls within one function make, all together.
pub const FUNCTION_WORK: usize = 32_000_000;
/// Longest source of a function that users write, in bytes.
pub const FUNCTION_SOURCE_BYTES: usize = 1 << 20;
/// Most functions that users write and are kept compiled.
pub const FUNCTIONS_COMPILED: usize = 1_024;
/// Most queries that functions ask within one another.
pub const FUNCTION_QUERY_DEPTH: usize = 16;
/// Wall time of the functions that one transaction calls, all together, in milliseconds.
pub const TX_FUNCTION_TIMEOUT_MS: u64 = 10_000;
/// Most bytes that a function called by a transaction may hold.
pub const TX_FUNCTION_MEMORY_BYTES: usize = 256 << 20;
/// Most functions of a transaction that call one another: forms whose answer has such forms.
pub const TX_FUNCTION_DEPTH: usize = 64;
/// Most forms that the functions of one transaction answer, all together.
pub const TX_FUNCTION_FORMS: usize = 1_000_000;
/// Bytes of payloads after which a group of transactions is appended without waiting for the rest.
pub const GROUP_BYTES: usize = 64 << 20;
/// How long a writer with more to do keeps other processes waiting, in milliseconds.
pub const LEASE_HELD_MS: u64 = 100;
/// Most rows of a segment that a merge writes, unless one leaf has more.
pub const SEGMENT_ROWS: usize = 1 << 20;
/// Rows of a segment that are enough for leaves of another fate to begin one of their own.
pub const SEGMENT_PART_ROWS: usize = 1 << 17;
/// Most values of a segment of the dictionary.
pub const SEGMENT_VALUES: u32 = 1 << 20;
/// Bytes of logs behind a root from which on a checkpoint is due.
pub const CHECKPOINT_LOG_BYTES: u64 = 16 << 20;
/// Bytes of logs behind a root from which on writers wait for the checkpoint.
pub const NOVELTY_LOG_BYTES: u64 = 256 << 20;
/// Bytes of logs behind a root that the last connection of a process leaves to others.
pub const RELEASE_LOG_BYTES: u64 = 512 << 10;
/// Longest wait for a checkpoint or a collection of somebody else, in milliseconds.
pub const MAINTENANCE_WAIT_MS: u64 = 60_000;
/// Objects younger than this are not collected, in milliseconds, unless asked.
pub const GC_MIN_AGE_MS: u64 = 0;
/// The same where a store's locks cannot be trusted: longer than anybody reads without looking.
pub const GC_UNLOCKED_AGE_MS: u64 = 3_600_000;
/// Longest root, in bytes.
pub const ROOT_BYTES: u64 = 1 << 30;
/// Datoms of the log that are gathered before they are applied at once.
pub const REPLAY_DATOMS: usize = 1 << 20;
/// Most rows of a chunk in a segment: decoded in tens of microseconds, large enough to compress.
pub const SEGMENT_CHUNK_ROWS: usize = 8_192;
/// Bytes of values or records, before compression, that are read from a segment at a time.
pub const SEGMENT_PAGE_BYTES: usize = 32 << 10;
/// Most findings that a check of a store lists.
pub const VERIFY_FINDINGS: usize = 1_000;
/// Bytes of records after which a branch that is made anew from them is folded into segments.
pub const REBUILD_BYTES: usize = 32 << 20;
/// Bytes of records after which a frame of a dump is full.
pub const DUMP_FRAME_BYTES: usize = 1 << 20;
/// Most numbers in a vector.
pub const VECTOR_DIM_MAX: usize = 65_000;
/// Most links of a row of a graph of vectors in a layer (`m`).
pub const VECTOR_LINKS_MAX: usize = 256;
/// Most candidates of a search among vectors (`ef`).
pub const VECTOR_EF_MAX: usize = 1 << 20;
/// Most neighbours that a search among vectors is asked for (`k`).
pub const VECTOR_NEIGHBOURS_MAX: usize = 1 << 20;
/// Rows of vectors that lie in no graph from which on one is built.
pub const GRAPH_ROWS_MIN: usize = 4_096;
/// Most models that make vectors of texts and are kept loaded.
pub const EMBED_MODELS: usize = 8;
/// Texts that are made vectors and transacted together.
pub const EMBED_TEXTS: usize = 512;
