//! Errors are data: callers branch on [`Code`], people read the message, tools read the data.

use std::fmt;

use crate::value::{Keyword, Map, Value};

/// Bytes `start..end` of the caller's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What went wrong, where, and what was expected.
#[derive(Clone, Debug)]
pub struct Error(Box<Details>);

/// The parts of an [`Error`].
#[derive(Clone, Debug)]
pub struct Details {
    /// What to branch on.
    pub code: Code,
    /// One sentence: what failed, what was expected.
    pub message: String,
    /// Bytes of the caller's text.
    pub span: Option<Span>,
    /// What `ex-data` returns beside `:error`; keys without their colon.
    pub data: Vec<(&'static str, Value)>,
}

/// The result of everything fallible in this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with a code and one sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error(Box::new(Details {
            code,
            message: message.into(),
            span: None,
            data: Vec::new(),
        }))
    }

    /// The same error, pointing at bytes of the caller's text. The first (innermost) span wins.
    #[must_use]
    pub fn at(mut self, span: impl Into<Option<Span>>) -> Error {
        self.0.span = self.0.span.or(span.into());
        self
    }

    /// The same error with one more entry of `ex-data`; `key` has no colon.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Error {
        self.0.data.push((key, value.into()));
        self
    }

    /// What to branch on.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// One sentence for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Bytes of the caller's text, where known.
    pub fn span(&self) -> Option<Span> {
        self.0.span
    }

    /// Extra entries of `ex-data`; keys without their colon.
    pub fn data(&self) -> &[(&'static str, Value)] {
        &self.0.data
    }

    /// The map a Clojure caller gets from `ex-data`: `:error`, the category, then the data.
    pub fn ex_data(&self) -> Map {
        let mut map = Map::default();
        if let Some(keyword) = self.code().keyword() {
            map.insert(Value::keyword("error"), Value::keyword(keyword));
        }
        if let Some(kind) = self.code().type_keyword() {
            map.insert(Value::keyword("type"), Value::keyword(kind));
        }
        for (key, value) in self.data() {
            map.insert(Value::Keyword(Keyword::new(key)), value.clone());
        }
        map.insert(
            Value::keyword("cognitect.anomalies/category"),
            Value::keyword(self.code().category()),
        );
        map
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Error {}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $key:literal $category:ident;)*) => {
        /// What an error is; its keyword is Datahike's where Datahike has one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The keyword without its colon, as the table writes it; a `type ` prefix says that
            /// Datahike files it under `:type` instead of `:error`.
            fn text(self) -> &'static str {
                match self { $(Code::$name => $key,)* }
            }

            /// `cognitect.anomalies/…`: who must act.
            pub fn category(self) -> &'static str {
                match self { $(Code::$name => codes!(@category $category),)* }
            }
        }
    };
    (@category incorrect) => { "cognitect.anomalies/incorrect" };
    (@category not_found) => { "cognitect.anomalies/not-found" };
    (@category conflict) => { "cognitect.anomalies/conflict" };
    (@category busy) => { "cognitect.anomalies/busy" };
    (@category interrupted) => { "cognitect.anomalies/interrupted" };
    (@category unsupported) => { "cognitect.anomalies/unsupported" };
    (@category unavailable) => { "cognitect.anomalies/unavailable" };
    (@category fault) => { "cognitect.anomalies/fault" };
}

impl Code {
    /// What `:error` holds in `ex-data` (no colon); none for the codes Datahike files under `:type`.
    pub fn keyword(self) -> Option<&'static str> {
        let text = self.text();
        (!text.starts_with("type ")).then_some(text)
    }

    /// What `:type` holds in `ex-data` (no colon), for the codes Datahike files there.
    pub fn type_keyword(self) -> Option<&'static str> {
        self.text().strip_prefix("type ")
    }
}

codes! {
    /// Text that is not EDN.
    EdnSyntax "edn/syntax" incorrect;
    /// Text over a limit of the reader.
    EdnLimit "edn/limit" incorrect;
    /// A payload that is not transit+json.
    TransitSyntax "transit/syntax" incorrect;
    /// A payload over a limit of the reader.
    TransitLimit "transit/limit" incorrect;
    /// A query that is neither vector, map nor text, or lacks a part.
    ParserQuery "parser/query" incorrect;
    /// A `:find` that cannot be read.
    ParserFind "parser/find" incorrect;
    /// A `:with` that cannot be read.
    ParserWith "parser/with" incorrect;
    /// An `:in` that cannot be read.
    ParserIn "parser/in" incorrect;
    /// A `:where` that cannot be read.
    ParserWhere "parser/where" incorrect;
    /// A binding form that cannot be read.
    ParserBinding "parser/binding" incorrect;
    /// A rule that cannot be read.
    ParserRule "parser/rule" incorrect;
    /// The variables of a rule head or `or-join` cannot be read.
    ParserRuleVars "parser/rule-vars" incorrect;
    /// A pull pattern that cannot be read.
    ParserPull "parser/pull" incorrect;
    /// A `:limit` that is no count.
    ParserLimit "parser/limit" incorrect;
    /// An `:offset` that is no count.
    ParserOffset "parser/offset" incorrect;
    /// A `:timeout` that is no number of milliseconds.
    ParserTimeout "parser/timeout" incorrect;
    /// An `:order-by` that names no find element.
    ParserOrderBy "parser/order-by" incorrect;
    /// A `:keys`, `:strs` or `:syms` that does not fit the find.
    ParserReturnMaps "parser/return-maps" incorrect;
    /// An input that does not have the shape its binding asks for.
    QueryBinding "query/binding" incorrect;
    /// A clause that cannot be evaluated: unknown function, unbound variable, bad argument.
    QueryWhere "query/where" incorrect;
    /// A query given a wrong set of inputs.
    QueryInputs "query/inputs" incorrect;
    /// Rules that negate themselves through recursion.
    QueryUnstratified "query/unstratified" incorrect;
    /// A query over its time.
    QueryTimeout "query/timeout" busy;
    /// A query that somebody cancelled.
    QueryCanceled "query/canceled" interrupted;
    /// A query over its memory.
    QueryMemory "query/memory" busy;
    /// A function of a query applied to what it does not take.
    QueryFunction "query/function" incorrect;
    /// The source of a function that users write, and that cannot be compiled.
    FunctionSyntax "function/syntax" incorrect;
    /// A function that users wrote failed.
    FunctionFailed "function/failed" incorrect;
    /// A function of a database is called where no language is installed.
    FunctionLanguage "function/language" unsupported;
    /// Transaction data of a wrong form.
    TransactSyntax "transact/syntax" incorrect;
    /// Transaction data that the schema refuses.
    TransactSchema "transact/schema" incorrect;
    /// A value that is taken by another entity.
    TransactUnique "transact/unique" conflict;
    /// A map whose identities belong to different entities.
    TransactUpsert "transact/upsert" conflict;
    /// A compare-and-swap that found another value.
    TransactCas "transact/cas" conflict;
    /// An entity spec that failed.
    TransactEnsure "transact/ensure" incorrect;
    /// An attribute predicate that refused a value.
    TransactAttrPred "transact/attr-pred" incorrect;
    /// An attribute predicate that does not exist.
    TransactAttrPredUnresolved "transact/attr-pred-unresolved" incorrect;
    /// A value over its length limit.
    TransactMaxLength "transact/max-length" incorrect;
    /// A vector of another dimension than an index of its attribute has, or with a number that is not
    /// finite.
    TransactVector "transact/vector" incorrect;
    /// A value of an attribute whose values only an index keeps, and there is none that could.
    TransactSecondaryOnlyUncovered "transact/secondary-only-uncovered" incorrect;
    /// A function that a database cannot keep, or one that answered no transaction data.
    TransactFn "transact/fn" incorrect;
    /// Functions of a transaction that took too long.
    TransactTimeout "transact/timeout" busy;
    /// A purge that cannot be done.
    TransactPurge "transact/purge" incorrect;
    /// A valid-time window that is empty.
    TransactInvalidValidTimes "transact/invalid-valid-times" incorrect;
    /// A valid-time window made empty by a later transaction.
    TransactInvalidValidTimesCrossTx "transact/invalid-valid-times-cross-tx" incorrect;
    /// Retraction of a schema part that does not exist or is in use.
    RetractSchema "retract/schema" incorrect;
    /// A transaction against a view of the past.
    TransactionFiltered "transaction/filtered" incorrect;
    /// A lookup ref that is not `[attribute value]`.
    LookupRefSyntax "lookup-ref/syntax" incorrect;
    /// A lookup ref over an attribute that is not unique.
    LookupRefUnique "lookup-ref/unique" incorrect;
    /// An entity id that is no number, ident or lookup ref.
    EntityIdSyntax "entity-id/syntax" incorrect;
    /// A lookup ref or ident that names nothing.
    EntityIdMissing "entity-id/missing" not_found;
    /// An index lookup that cannot be read.
    IndexAccess "index-access" incorrect;
    /// A view that needs history where none is kept.
    ViewHistory "view/history-required" incorrect;
    /// A time point that is neither a transaction nor an instant.
    ViewTimePoint "view/time-point" incorrect;
    /// A configuration that cannot be used.
    ConfigInvalid "config/invalid" incorrect;
    /// Online garbage collection with buffered index changes.
    OnlineGcIncompatible "type online-gc-incompatible-with-diff-buf" incorrect;
    /// The database exists already.
    DbAlreadyExists "type db-already-exists" conflict;
    /// There is no such database.
    DbDoesNotExist "type db-does-not-exist" not_found;
    /// A store backend nobody knows.
    BackendDoesNotExist "type backend-does-not-exist" incorrect;
    /// The configuration differs from the stored one.
    ConfigDoesNotMatch "type config-does-not-match-stored-db" conflict;
    /// The configuration differs from that of a connection that lives.
    ConfigDoesNotMatchConnections "type config-does-not-match-existing-connections" conflict;
    /// The `:id` of a store is no UUID.
    InvalidIdType "invalid-id-type" incorrect;
    /// The store belongs to another database.
    StoreIdentityMismatch "type store-identity-mismatch" conflict;
    /// The connection was released.
    ConnectionReleased "type connection-has-been-released" incorrect;
    /// The writer of this connection has stopped.
    WriterShutDown "writer-shut-down" fault;
    /// Another process writes.
    Locked "db.error/locked" busy;
    /// Another writer took over.
    Fenced "db.error/fenced" conflict;
    /// The log holds damaged bytes before its end.
    CorruptLog "db.error/corrupt-log" fault;
    /// A segment, root or ref whose bytes are not those that were written.
    CorruptSegment "db.error/corrupt-segment" fault;
    /// A file that the head refers to is not there.
    MissingSegment "db.error/missing-segment" fault;
    /// A database value whose files were collected while it was not pinned.
    SnapshotExpired "db.error/snapshot-expired" not_found;
    /// Data that was purged.
    Purged "db.error/purged" not_found;
    /// A branch of that name exists already.
    BranchAlreadyExists "type branch-already-exists" conflict;
    /// There is no such branch.
    BranchDoesNotExist "type branch-does-not-exist" not_found;
    /// A branch to start from that is neither branch nor commit.
    BranchSource "type from-branch-does-not-point-to-existing-branch-or-commit" not_found;
    /// The main branch cannot be deleted.
    CannotDeleteMainBranch "type cannot-delete-main-db-branch" incorrect;
    /// A branch is named by a keyword.
    BranchMustBeKeyword "type branch-must-be-keyword" incorrect;
    /// A database value is needed.
    DbValueRequired "type db-value-required" incorrect;
    /// A merge or reset names the commits it follows.
    MustProvideParent "type must-provide-at-least-one-parent" incorrect;
    /// A parent is nil.
    ParentCannotBeNil "type parent-cannot-be-nil" incorrect;
    /// A parent that the store does not hold.
    ParentDoesNotExist "type parent-does-not-exist-in-store" not_found;
    /// A commit is named by a UUID.
    CommitIdMustBeUuid "type commit-id-must-be-uuid" incorrect;
    /// Two branches changed the same thing in different ways.
    MergeConflict "merge/conflict" conflict;
    /// A strategy for merging that nobody knows.
    MergeStrategy "merge/strategy" incorrect;
    /// The store's files are of a newer format.
    FormatVersion "db.error/format-version" unsupported;
    /// No space is left on the store.
    StorageFull "db.error/storage-full" busy;
    /// The store failed to read or write.
    Storage "db.error/storage" fault;
    /// A limit with a name was passed.
    Limit "db.error/limit" incorrect;
    /// Something this build does not do.
    Unsupported "db.error/unsupported" unsupported;
    /// A model of texts that there is none of, or that is not the one the database was filled by.
    EmbedModel "embed/model" incorrect;
    /// Text that is not SQL.
    SqlSyntax "sql/syntax" incorrect;
    /// A statement of SQL about what there is not, or that does not fit together.
    SqlStatement "sql/statement" incorrect;
    /// A statement of SQL that failed at its values.
    SqlFailed "sql/failed" incorrect;
    /// A file to import cannot be read.
    Import "import/syntax" incorrect;
    /// A message to the pod that cannot be understood, or names no variable.
    PodMessage "pod/message" incorrect;
    /// An operation of the pod called with arguments it does not take.
    PodArguments "pod/arguments" incorrect;
    /// A handle of a connection that does not exist, or not any more.
    PodConnection "pod/connection-not-found" not_found;
    /// A handle of a database value that does not exist, or not any more.
    PodDatabase "pod/database-not-found" not_found;
    /// A handle of a prepared query that does not exist, or not any more.
    PodQuery "pod/query-not-found" not_found;
    /// A broken promise of our own code.
    Internal "db.error/internal" fault;
}
