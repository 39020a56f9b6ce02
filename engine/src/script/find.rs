//! How a name finds its function: those registered in this process, then those of a database.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::failure::{failure, named};
use super::language::compiled;
use super::{Allowance, Script, ScriptColumn, ScriptResult};
use crate::datom::{Datom, Op};
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::function;
use crate::value::{Symbol, Value};

type Registered = HashMap<String, Arc<dyn Script>>;

static REGISTERED: RwLock<Option<Registered>> = RwLock::new(None);

/// Lets all queries and transactions of this process call a function by a name, `my/score`; takes
/// the place of what had the name before. Names of built-in functions keep their meaning.
pub fn register(name: &str, script: Arc<dyn Script>) {
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    registered
        .get_or_insert_default()
        .insert(name.to_owned(), script);
}

/// Takes a registered name away; false if nothing had it.
pub fn unregister(name: &str) -> bool {
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    let removed = registered.as_mut().and_then(|names| names.remove(name));
    removed.is_some()
}

fn registered(name: &str) -> Option<Arc<dyn Script>> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    registered.as_ref()?.get(name).cloned()
}

/// A function as it was found under its name.
#[derive(Clone)]
pub struct Callee {
    name: Symbol,
    script: Arc<dyn Script>,
}

impl Callee {
    /// What it was found under.
    pub fn name(&self) -> &Symbol {
        &self.name
    }

    /// How many parameters it has, the database included where it takes one.
    pub fn arity(&self) -> usize {
        self.script.arity()
    }

    /// Whether both are one function under one name.
    pub fn is_same(&self, other: &Callee) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.script, &other.script)
    }

    /// Its value for arguments. Errors name the function.
    pub fn call(&self, args: &[Value], allowance: &Allowance) -> Result<Value> {
        self.check_arity(args.len())?;
        self.checked(self.script.call(args, allowance))
    }

    /// Its value for a database and arguments. Errors name the function.
    pub fn call_with_db(&self, db: &Db, args: &[Value], allowance: &Allowance) -> Result<Value> {
        self.check_arity(args.len() + 1)?;
        self.checked(self.script.call_with_db(db, args, allowance))
    }

    /// Its values for many rows at once, if it can; as [`Script::columns`].
    ///
    /// Panics if it answers another number of rows: a language that does so gives wrong answers.
    pub fn columns(&self, args: &[ScriptColumn<'_>], rows: usize) -> Option<ScriptResult> {
        if args.len() != self.arity() {
            return None;
        }
        let result = self.script.columns(args, rows)?;
        assert!(result.len() == rows, "a value for each row");
        Some(result)
    }

    fn checked(&self, result: Result<Value>) -> Result<Value> {
        let checked = result.and_then(|value| function::check_result(&value).map(|()| value));
        checked.map_err(|error| named(own(error), self.name.as_str()))
    }

    fn check_arity(&self, args: usize) -> Result<()> {
        let arity = self.arity();
        if args == arity {
            return Ok(());
        }
        let name = self.name.as_str();
        let message =
            format!("Wrong number of args ({args}) passed to {name}, which takes {arity}");
        Err(named(failure(message, None), name))
    }
}

/// The error of a function of the table that a function called as its own: a query takes the former
/// for `false` where types are wrong, and never what users wrote.
fn own(error: Error) -> Error {
    if error.code() != Code::QueryFunction {
        return error;
    }
    let data = error.data().iter().cloned();
    data.fold(failure(error.message(), None), |own, (key, value)| {
        own.with(key, value)
    })
}

impl fmt::Debug for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_str())
    }
}

/// The function that a name stands for: a registered one, else that of a database as it sees it.
///
/// Errors: those of compiling it.
pub fn find(name: &Symbol, db: Option<&Db>) -> Result<Option<Callee>> {
    let callee = |script| Callee {
        name: name.clone(),
        script,
    };
    if let Some(script) = registered(name.as_str()) {
        return Ok(Some(callee(script)));
    }
    match db.and_then(|db| source_in(db, name)) {
        Some(source) => Ok(Some(callee(compiled(name.as_str(), &source)?))),
        None => Ok(None),
    }
}

/// What an entity says in `:db/fn`, by its ident.
fn source_in(db: &Db, name: &Symbol) -> Option<Arc<str>> {
    let a = db.attribute_named("db/fn")?;
    let e = db.entid(&Value::keyword(name.as_str())).ok()??;
    let rows = db.rows_of(e, a).into_iter();
    // A history has all there ever were.
    let sources = rows.map(|row| db.datom(a, row));
    let asserted = sources.filter(|datom| datom.op == Op::Assert);
    match asserted.max_by_key(|datom: &Datom| datom.tx)?.v {
        Value::Str(source) => Some(source),
        _ => None,
    }
}

/// Finds functions of one database value, each once.
pub struct Finder {
    db: Option<Db>,
    found: Mutex<HashMap<Symbol, Callee>>,
}

impl Finder {
    /// - `db`: where to look beside the registered functions.
    pub fn new(db: Option<Db>) -> Finder {
        Finder {
            db,
            found: Mutex::default(),
        }
    }

    /// As [`find`].
    pub fn find(&self, name: &Symbol) -> Result<Option<Callee>> {
        if let Some(callee) = self.found().get(name) {
            return Ok(Some(callee.clone()));
        }
        let found = find(name, self.db.as_ref())?;
        if let Some(callee) = &found {
            self.found().insert(name.clone(), callee.clone());
        }
        Ok(found)
    }

    /// Whether every one of these would be found again as it is.
    pub fn finds_all(&self, callees: &[Callee]) -> bool {
        let is_found = |callee: &Callee| {
            let found = self.find(&callee.name).ok().flatten();
            found.is_some_and(|found| found.is_same(callee))
        };
        callees.iter().all(is_found)
    }

    fn found(&self) -> MutexGuard<'_, HashMap<Symbol, Callee>> {
        // What it guards is changed in one step, so a panic elsewhere leaves it whole.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that was found, in no order.
    pub fn found_so_far(&self) -> Vec<Callee> {
        self.found().values().cloned().collect()
    }
}
