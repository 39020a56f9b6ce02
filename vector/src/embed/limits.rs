//! The most that is taken from outside, and how long it is waited for.

/// Bytes of a JSON file of a model, its tokenizer included (a multilingual one is 17 MB).
pub const JSON_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a model's weights.
pub const WEIGHTS_BYTES_MAX: u64 = 8 << 30;
/// Numbers of one vector, and of one hidden row.
pub const DIM_MAX: usize = 16 * 1024;
/// Numbers of the wide row between a layer's two dense steps.
pub const WIDE_MAX: usize = 64 * 1024;
/// Layers of a model.
pub const LAYERS_MAX: usize = 256;
/// Word pieces of a vocabulary.
pub const VOCABULARY_MAX: usize = 4 << 20;
/// Word pieces of one text; attention costs their square.
pub const POSITIONS_MAX: usize = 8 * 1024;

/// Texts that are split into word pieces before the first of them is run.
pub const GROUP_TEXTS: usize = 4096;
/// Word pieces of a batch, unless one text alone has more: enough for dense steps at full speed, few
/// enough that a core's share of the cache holds them (all-MiniLM-L6-v2, two cores of a Zen 4).
pub const BATCH_TOKENS: usize = 512;

/// Numbers of attention, heads times the square of a text's word pieces, that are held at once, unless
/// one head alone has more; each thread holds them three times.
pub const ATTENTION_NUMBERS_MAX: usize = 4 << 20;

/// Texts of one request.
pub const REQUEST_TEXTS_MAX: usize = 64;
/// Bytes of text in one request, unless one text alone has more.
pub const REQUEST_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one answer.
pub const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Tries of one request, the first included.
pub const TRIES_MAX: u32 = 5;
/// Milliseconds before the second try; each further one waits twice as long.
pub const BACKOFF_MS_FIRST: u64 = 250;
/// Milliseconds of the longest wait between two tries, also where the service asks for a longer one.
pub const BACKOFF_MS_MAX: u64 = 30_000;
/// Milliseconds for a connection.
pub const CONNECT_MS_MAX: u64 = 10_000;
/// Milliseconds for one request and its answer.
pub const REQUEST_MS_MAX: u64 = 120_000;

/// Bytes of one line that a command writes.
pub const LINE_BYTES_MAX: u64 = 1 << 20;
/// Milliseconds that a command may stay silent, its start included.
pub const SILENT_MS_MAX: u64 = 300_000;
/// Milliseconds that a command may take to end after it closed its output or was killed.
pub const ENDING_MS_MAX: u64 = 2_000;
/// Milliseconds between two looks at whether the caller still wants a command's answer.
pub const WATCH_MS: u64 = 50;
/// Bytes of a command's or service's complaint that an error shows.
pub const COMPLAINT_BYTES_MAX: usize = 1024;
