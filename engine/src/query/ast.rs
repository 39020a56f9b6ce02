//! A parsed query: names as written, shapes checked, nothing resolved.

use std::fmt;

use crate::error::Span;
use crate::value::{Symbol, Value};

/// A logic variable, `?x`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Var(pub Symbol);

/// A source, `$` or `$name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceName(pub Symbol);

/// A whole query.
#[derive(Clone, Debug)]
pub struct Query {
    /// What to return, in which shape.
    pub find: Find,
    /// Variables kept distinct beside the find.
    pub with: Vec<Var>,
    /// What each input binds; `[$]` where the query has no `:in`.
    pub inputs: Vec<Input>,
    /// The clauses, all of which must hold.
    pub clauses: Vec<Clause>,
    /// Names for the columns of each row.
    pub return_map: Option<ReturnMap>,
    /// Rows to skip.
    pub offset: Option<usize>,
    /// Most rows to return.
    pub limit: Option<usize>,
    /// Sort keys, most significant first; empty for none.
    pub order_by: Vec<OrderKey>,
    /// Most wall time, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// The shape of a result.
#[derive(Clone, Debug)]
pub enum Find {
    /// `?a ?b`: a set of tuples.
    Relation(Vec<FindElement>),
    /// `[?a ...]`: one column.
    Collection(FindElement),
    /// `[?a ?b]`: one tuple.
    Tuple(Vec<FindElement>),
    /// `?a .`: one value.
    Scalar(FindElement),
}

/// One column of a result.
#[derive(Clone, Debug)]
pub enum FindElement {
    /// A variable.
    Var(Var),
    /// `(pull $source ?e pattern)`.
    Pull {
        /// The database to pull from.
        source: SourceName,
        /// The entity.
        var: Var,
        /// A literal pattern, or the name of an input that holds one.
        pattern: PullPattern,
    },
    /// `(function constant* ?x)`, or `(aggregate ?function constant* ?x)`.
    Aggregate {
        /// The aggregate.
        function: FunctionName,
        /// All arguments in order; the last is a variable.
        args: Vec<Arg>,
        /// As written, for messages.
        form: Value,
    },
}

/// The pattern of a pull in a find.
#[derive(Clone, Debug)]
pub enum PullPattern {
    /// Written in the query.
    Literal(Value),
    /// An input: a variable or plain symbol of `:in`.
    Input(Symbol),
}

/// `:keys`, `:strs` or `:syms`: one key per find element.
#[derive(Clone, Debug)]
pub struct ReturnMap {
    /// The keys as they appear in the result: keywords, strings or symbols.
    pub keys: Vec<Value>,
}

/// One key of `:order-by`.
#[derive(Clone, Debug)]
pub struct OrderKey {
    /// The find element, by position.
    pub column: usize,
    /// Largest first.
    pub descending: bool,
}

/// What one input binds.
#[derive(Clone, Debug)]
pub enum Input {
    /// A database or a collection of tuples.
    Source(SourceName),
    /// `%`
    Rules,
    /// Values.
    Binding(Binding),
    /// A plain symbol: a pull pattern.
    Pattern(Symbol),
}

/// How a value is taken apart into variables.
#[derive(Clone, Debug, PartialEq)]
pub enum Binding {
    /// `_`
    Ignore,
    /// `?x`
    Scalar(Var),
    /// `[?x ?y]`
    Tuple(Vec<Binding>),
    /// `[?x ...]`; a relation `[[?x ?y]]` is a collection of tuples.
    Collection(Box<Binding>),
}

/// A clause of `:where`, as written and as understood.
#[derive(Clone, Debug)]
pub struct Clause {
    /// As understood.
    pub kind: ClauseKind,
    /// As written.
    pub form: Value,
    /// Bytes of the query's text, where it was text.
    pub span: Option<Span>,
}

/// The kinds of clauses.
#[derive(Clone, Debug)]
pub enum ClauseKind {
    /// `[e a v tx added]`, 1 to 5 terms on a database, any number on a collection.
    Pattern {
        /// The source written in front, if any.
        source: Option<SourceName>,
        /// The terms.
        terms: Vec<Term>,
    },
    /// `[(function args…)]`
    Predicate {
        /// The predicate.
        function: FunctionName,
        /// Its arguments.
        args: Vec<Arg>,
    },
    /// `[(function args…) binding]`
    Function {
        /// The function.
        function: FunctionName,
        /// Its arguments.
        args: Vec<Arg>,
        /// What its result binds.
        binding: Binding,
    },
    /// `(or …)`: each branch is a conjunction.
    Or {
        /// The source written in front, if any.
        source: Option<SourceName>,
        /// The branches.
        branches: Vec<Vec<Clause>>,
    },
    /// `(or-join [[required…] free…] …)`
    OrJoin {
        /// The source written in front, if any.
        source: Option<SourceName>,
        /// Variables that must be bound before.
        required: Vec<Var>,
        /// The other variables that join with the outside.
        free: Vec<Var>,
        /// The branches.
        branches: Vec<Vec<Clause>>,
    },
    /// `(not …)`
    Not {
        /// The source written in front, if any.
        source: Option<SourceName>,
        /// What must not hold.
        clauses: Vec<Clause>,
    },
    /// `(not-join [vars…] …)`
    NotJoin {
        /// The source written in front, if any.
        source: Option<SourceName>,
        /// Variables that join with the outside.
        vars: Vec<Var>,
        /// What must not hold.
        clauses: Vec<Clause>,
    },
    /// `(rule args…)`
    Rule {
        /// The source written in front, if any.
        source: Option<SourceName>,
        /// The rule.
        name: Symbol,
        /// Its arguments.
        args: Vec<Term>,
    },
}

/// A term of a pattern or an argument of a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// `_`
    Blank,
    /// A variable.
    Var(Var),
    /// A constant.
    Const(Value),
}

/// An argument of a function.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    /// A variable.
    Var(Var),
    /// A source.
    Source(SourceName),
    /// `%`
    Rules,
    /// A constant.
    Const(Value),
}

/// What is called: a name of the function table, or an input.
#[derive(Clone, Debug, PartialEq)]
pub enum FunctionName {
    /// A name.
    Named(Symbol),
    /// A variable that an input binds to a function's name.
    Var(Var),
}

/// One branch of a rule.
#[derive(Clone, Debug)]
pub struct RuleBranch {
    /// The rule's name.
    pub name: Symbol,
    /// Head variables that must be bound at a call: `(name [?a] ?b)`.
    pub required: Vec<Var>,
    /// The other head variables.
    pub free: Vec<Var>,
    /// The body.
    pub clauses: Vec<Clause>,
    /// As written.
    pub form: Value,
}

impl RuleBranch {
    /// All head variables in order.
    pub fn head(&self) -> impl Iterator<Item = &Var> {
        self.required.iter().chain(&self.free)
    }
}

impl fmt::Display for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
