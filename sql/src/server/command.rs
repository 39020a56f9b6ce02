//! What kind of thing a statement asks for.

use datafusion::sql::parser::{ResetStatement, Statement as Parsed};
use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Reset, Set, Statement, TransactionIsolationLevel, TransactionMode, Value,
};

use super::refusal::{Refusal, UNSUPPORTED};

/// A statement by what is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Rows to answer, and the first word of what is said at their end.
    Rows(&'static str),
    /// A transaction, and what is said at its end before the count of rows.
    Change(&'static str),
    /// A block begins.
    Begin,
    /// A block ends.
    Commit,
    /// A block ends, and what it did is undone; it did nothing.
    Rollback,
    /// A setting gets a value; none for what is so anyway.
    Set(Option<(String, String)>),
    /// All settings are what they were at first.
    Reset,
    /// The value of a setting.
    Show(String),
    /// Everything that the connection keeps is forgotten.
    Discard,
    /// A prepared statement is forgotten, or all.
    Deallocate(Option<String>),
}

impl Command {
    /// Errors: 0A000 for what would be a promise not kept.
    pub(super) fn of(parsed: &Parsed) -> Result<Command, Refusal> {
        let statement = match parsed {
            Parsed::Statement(statement) => &**statement,
            Parsed::Reset(ResetStatement::Variable(name)) => return Ok(back(name)),
            Parsed::Explain(_) => return Ok(Command::Rows("EXPLAIN")),
            Parsed::CopyTo(_) => return Ok(Command::Rows("COPY")),
            _ => return Ok(Command::Rows("SELECT")),
        };
        Ok(match statement {
            Statement::Insert(_) => Command::Change("INSERT 0"),
            Statement::Update(_) => Command::Change("UPDATE"),
            Statement::Delete(_) => Command::Change("DELETE"),
            Statement::Truncate(_) | Statement::Merge(_) => Command::Change("MERGE"),
            Statement::StartTransaction { modes, .. } => isolated(modes, Command::Begin)?,
            Statement::Commit { .. } => Command::Commit,
            Statement::Rollback {
                savepoint: None, ..
            } => Command::Rollback,
            Statement::Rollback { .. }
            | Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. } => return Err(undoing()),
            Statement::Set(set) => setting(set)?,
            Statement::Reset(statement) => match &statement.reset {
                Reset::ALL => Command::Reset,
                Reset::ConfigurationParameter(name) => back(name),
            },
            Statement::ShowVariable { variable } => {
                let words: Vec<&str> = variable.iter().map(|word| word.value.as_str()).collect();
                Command::Show(shown(&words.join(" ").to_ascii_lowercase()).to_owned())
            }
            Statement::ShowTables { .. }
            | Statement::ShowColumns { .. }
            | Statement::ShowFunctions { .. } => Command::Rows("SHOW"),
            Statement::Explain { .. } | Statement::ExplainTable { .. } => Command::Rows("EXPLAIN"),
            Statement::Discard { .. } => Command::Discard,
            Statement::Deallocate { name, .. } => {
                let is_all = name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all");
                Command::Deallocate((!is_all).then(|| name.value.clone()))
            }
            _ => Command::Rows("SELECT"),
        })
    }

    /// Whether it answers rows, if only one.
    pub(super) fn is_rows(&self) -> bool {
        matches!(self, Command::Rows(_) | Command::Show(_))
    }
}

/// A setting is what it was at first.
fn back(name: &ObjectName) -> Command {
    match name.to_string() {
        all if all.eq_ignore_ascii_case("all") => Command::Reset,
        name => Command::Set(Some((name, "default".to_owned()))),
    }
}

/// There are blocks, but no transactions of several statements.
pub(super) fn undoing() -> Refusal {
    let message =
        "a statement is a transaction by itself and cannot be undone: there are no savepoints";
    Refusal::new(UNSUPPORTED, message)
}

/// A command that is fine as long as nobody relies on seeing one state for long.
fn isolated(modes: &[TransactionMode], command: Command) -> Result<Command, Refusal> {
    let is_weak = |mode: &TransactionMode| {
        !matches!(
            mode,
            TransactionMode::IsolationLevel(
                TransactionIsolationLevel::RepeatableRead
                    | TransactionIsolationLevel::Serializable
                    | TransactionIsolationLevel::Snapshot
            )
        )
    };
    if modes.iter().all(is_weak) {
        return Ok(command);
    }
    let message = "every statement sees the newest database value: READ COMMITTED is the only isolation level";
    let hint = "read one state with FOR SYSTEM_TIME AS OF";
    Err(Refusal::new(UNSUPPORTED, message).with_hint(hint))
}

fn setting(set: &Set) -> Result<Command, Refusal> {
    let plain = |value: &Expr| match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        Expr::Identifier(word) => word.value.clone(),
        other => other.to_string(),
    };
    Ok(match set {
        Set::SingleAssignment {
            variable, values, ..
        } => {
            let values: Vec<String> = values.iter().map(plain).collect();
            Command::Set(Some((variable.to_string(), values.join(", "))))
        }
        Set::SetTimeZone { value, .. } => Command::Set(Some(("timezone".to_owned(), plain(value)))),
        Set::SetNames { charset_name, .. } => Command::Set(Some((
            "client_encoding".to_owned(),
            charset_name.value.clone(),
        ))),
        Set::SetTransaction { modes, .. } => isolated(modes, Command::Set(None))?,
        other => {
            return Err(Refusal::new(
                UNSUPPORTED,
                format!("SET {other} is not known"),
            ));
        }
    })
}

/// The setting that words after `SHOW` name.
fn shown(words: &str) -> &str {
    match words {
        "transaction isolation level" => "transaction_isolation",
        "time zone" => "timezone",
        "names" => "client_encoding",
        other => other,
    }
}
