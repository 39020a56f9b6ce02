//! A case as text: options, transactions, and programs that are asked of them.

use std::fmt;

use datalith_engine::Value;

/// Options and transactions; the first transaction declares attributes.
#[derive(Clone)]
pub struct World {
    /// `:attribute-refs?`
    pub attribute_refs: bool,
    /// `:keep-history?`
    pub keep_history: bool,
    /// `:schema-flexibility :read`
    pub is_open: bool,
    /// The forms of each transaction, as text.
    pub transactions: Vec<Vec<String>>,
}

/// A query with its rules and inputs.
#[derive(Clone)]
pub struct Program {
    /// The elements of `:find`.
    pub find: String,
    /// Everything between `:find` and `:in`: `:with ?x`, `:keys a b`.
    pub beside: String,
    /// The elements of `:in` and what they are given.
    pub inputs: Vec<(String, Given)>,
    /// The clauses of `:where`.
    pub clauses: Vec<String>,
    /// `:order-by … :limit …`
    pub modifiers: String,
    /// The branches of rules.
    pub rules: Vec<String>,
}

/// What stands for one element of `:in`.
#[derive(Clone)]
pub enum Given {
    /// The database under views.
    Db(Vec<Step>),
    /// The rules.
    Rules,
    /// A value, as text.
    Text(String),
}

/// One view over another.
#[derive(Clone, Debug)]
pub enum Step {
    /// What was so at a point.
    AsOf(Point),
    /// What was asserted after a point.
    Since(Point),
    /// Every assertion and retraction.
    History,
}

/// A point in history.
#[derive(Clone, Debug)]
pub enum Point {
    /// A transaction.
    Tx(i64),
    /// Milliseconds since 1970 UTC.
    Instant(i64),
}

/// The clock at a transaction, by position.
pub(super) fn clock_ms(position: usize) -> i64 {
    1_000 * (position as i64 + 1)
}

impl Program {
    /// The query as text.
    pub fn query(&self) -> String {
        let names: Vec<&str> = self.inputs.iter().map(|(name, _)| name.as_str()).collect();
        format!(
            "[:find {} {} :in {} :where {} {}]",
            self.find,
            self.beside,
            names.join(" "),
            self.clauses.join(" "),
            self.modifiers
        )
    }

    /// The rules as text.
    pub fn rules(&self) -> String {
        format!("[{}]", self.rules.join("\n "))
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (refs, history, open) = (self.attribute_refs, self.keep_history, self.is_open);
        let flexibility = if open { "read" } else { "write" };
        writeln!(
            f,
            "config {{:schema-flexibility :{flexibility} :keep-history? {history} :attribute-refs? {refs}}}"
        )?;
        for (position, forms) in self.transactions.iter().enumerate() {
            writeln!(f, "tx at {} [{}]", clock_ms(position), forms.join("\n  "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "q {}", self.query())?;
        if !self.rules.is_empty() {
            writeln!(f, "rules {}", self.rules())?;
        }
        for (name, given) in &self.inputs {
            match given {
                Given::Db(steps) => writeln!(f, "  {name} = {steps:?}")?,
                Given::Text(text) => writeln!(f, "  {name} = {text}")?,
                Given::Rules => {}
            }
        }
        Ok(())
    }
}

/// One random sequence (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True so many times in a hundred.
    pub(super) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

/// Reads text the generator wrote.
pub fn read(text: &str) -> Value {
    datalith_engine::edn::read(text).unwrap_or_else(|error| panic!("{text}: {}", error.message()))
}
