//! What processes did to one database and what they were told, to be judged afterwards.
//!
//! Each process writes one line when an operation starts and one when it ends; the times are of
//! the one monotonic clock of the machine. A driver puts them together to [`Op`]s.

mod line;

pub use line::{Line, read_line};

/// One operation of one client.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// Who: a thread of a process, in one of its lives.
    pub process: u32,
    /// When it began, nanoseconds.
    pub start_ns: u64,
    /// When its answer came; none if none came.
    pub end_ns: Option<u64>,
    /// What was asked.
    pub act: Act,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a client asks for. Each write has a number of its own, `n`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Adds `n` to the end of a list, whatever it holds.
    Append {
        /// The list.
        list: i64,
        /// The number.
        n: i64,
    },
    /// Adds `n` to a list if it holds `index` numbers: by comparing and swapping its length.
    Push {
        /// The list.
        list: i64,
        /// The length it must have.
        index: i64,
        /// The number.
        n: i64,
    },
    /// Moves money from one account to another, by comparing and swapping both balances.
    Transfer {
        /// The account that pays.
        from: usize,
        /// The account that is paid.
        to: usize,
        /// How much.
        amount: i64,
        /// The number.
        n: i64,
    },
    /// Takes a name that can be taken once.
    Claim {
        /// The name.
        name: i64,
        /// The number.
        n: i64,
    },
    /// Reads a bit of everything from one database value.
    Read,
}

impl Act {
    /// The number of a write.
    pub fn number(&self) -> Option<i64> {
        match self {
            Act::Append { n, .. }
            | Act::Push { n, .. }
            | Act::Transfer { n, .. }
            | Act::Claim { n, .. } => Some(*n),
            Act::Read => None,
        }
    }
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The write is committed at `t`; the database value it was made upon was at `before`.
    Ok {
        /// Its place in history.
        t: i64,
        /// The place of what it saw.
        before: i64,
    },
    /// What the read saw.
    Seen(Seen),
    /// It did not happen, for this reason.
    Fail(String),
    /// Nobody knows.
    Unknown,
}

/// What a read saw, all of one database value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The t of the database value.
    pub basis: i64,
    /// An append list: its name, its numbers and the t of each, in the order of t.
    pub appended: (i64, Vec<(i64, i64)>),
    /// A pushed list.
    pub pushed: Pushed,
    /// The balance of every account.
    pub balances: Vec<i64>,
    /// Names that were looked up, and by which number each is taken; 0 for none.
    pub claims: Vec<(i64, i64)>,
}

/// The end of a pushed list as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// The list.
    pub list: i64,
    /// How many numbers it holds.
    pub length: i64,
    /// The index of the first number read.
    pub start: i64,
    /// The numbers from there to the end.
    pub numbers: Vec<i64>,
}

/// Accounts there are.
pub const ACCOUNTS: usize = 8;
/// What each holds at the start.
pub const BALANCE: i64 = 100;
