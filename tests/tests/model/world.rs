//! A case as text: options, transactions, and programs that are asked of them.

use std::fmt;

use datalith_engine::Value;

/// Options and transactions; the first transaction declares attributes.
#[derive(Clone)]
pub(super) struct World {
    pub(super) attribute_refs: bool,
    pub(super) keep_history: bool,
    /// `:schema-flexibility :read`
    pub(super) is_open: bool,
    /// The forms of each transaction, as text.
    pub(super) transactions: Vec<Vec<String>>,
}

/// A query with its rules and inputs.
#[derive(Clone)]
pub(super) struct Program {
    pub(super) find: String,
    /// Everything between `:find` and `:in`: `:with ?x`, `:keys a b`.
    pub(super) beside: String,
    /// The elements of `:in` and what they are given.
    pub(super) inputs: Vec<(String, Given)>,
    pub(super) clauses: Vec<String>,
    /// `:order-by … :limit …`
    pub(super) modifiers: String,
    /// The branches of rules.
    pub(super) rules: Vec<String>,
}

/// What stands for one element of `:in`.
#[derive(Clone)]
pub(super) enum Given {
    /// The database under views.
    Db(Vec<Step>),
    /// The rules.
    Rules,
    /// A value, as text.
    Text(String),
}

/// One view over another.
#[derive(Clone, Debug)]
pub(super) enum Step {
    AsOf(Point),
    Since(Point),
    History,
}

#[derive(Clone, Debug)]
pub(super) enum Point {
    Tx(i64),
    /// Milliseconds since 1970 UTC.
    Instant(i64),
}

/// The clock at a transaction, by position.
pub(super) fn clock_ms(position: usize) -> i64 {
    1_000 * (position as i64 + 1)
}

impl Program {
    pub(super) fn query(&self) -> String {
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

    pub(super) fn rules(&self) -> String {
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
pub(super) struct Random(pub(super) u64);

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
pub(super) fn read(text: &str) -> Value {
    datalith_engine::edn::read(text).unwrap_or_else(|error| panic!("{text}: {}", error.message()))
}
