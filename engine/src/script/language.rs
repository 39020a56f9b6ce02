//! What the engine asks of a language, the one that is installed, and what it has compiled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Allowance;
use super::failure::named;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::limits::{FUNCTION_SOURCE_BYTES, FUNCTIONS_COMPILED};
use crate::value::Value;

/// A language in which users write functions.
pub trait Language: Send + Sync {
    /// The function that a source says. Nothing of it runs.
    ///
    /// - `name`: what it is called by, `my/score`.
    /// - Errors: as [`syntax_error`](super::syntax_error) makes them.
    fn compile(&self, name: &str, source: &str) -> Result<Arc<dyn Script>>;
}

/// A function that users wrote. It gives the same for the same arguments: the engine may call it
/// once for rows that look alike, in any order, from several threads.
///
/// Errors of calls: as [`failure`](super::failure) makes them, and those of [`Allowance::check`].
pub trait Script: Send + Sync {
    /// How many parameters it has; the database is one where it is given one.
    fn arity(&self) -> usize;

    /// Its value for as many arguments as it has parameters.
    fn call(&self, args: &[Value], allowance: &Allowance) -> Result<Value>;

    /// As [`Script::call`], with a database as first argument.
    fn call_with_db(&self, db: &Db, args: &[Value], allowance: &Allowance) -> Result<Value>;

    /// Its values for many rows of numbers at once, each what [`Script::call`] gives for the row.
    /// None if it must be called row by row: it is more than arithmetic, or a row overflows.
    ///
    /// - `args`: for each parameter the numbers of all rows, or one that all rows share.
    /// - `rows`: a few thousand at most, so that nothing need be checked on the way.
    fn columns(&self, args: &[ScriptColumn<'_>], rows: usize) -> Option<ScriptResult> {
        let _ = (args, rows);
        None
    }
}

/// The numbers that one parameter takes.
#[derive(Clone, Copy, Debug)]
pub enum ScriptColumn<'a> {
    /// An integer for each row.
    Longs(&'a [i64]),
    /// A float for each row.
    Doubles(&'a [f64]),
    /// An integer for all rows.
    Long(i64),
    /// A float for all rows.
    Double(f64),
}

/// A value for each row.
#[derive(Clone, Debug, PartialEq)]
pub enum ScriptResult {
    /// Integers.
    Longs(Vec<i64>),
    /// Floats.
    Doubles(Vec<f64>),
    /// Truths.
    Bools(Vec<bool>),
}

impl ScriptResult {
    /// Rows.
    pub fn len(&self) -> usize {
        match self {
            ScriptResult::Longs(longs) => longs.len(),
            ScriptResult::Doubles(doubles) => doubles.len(),
            ScriptResult::Bools(bools) => bools.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

struct Installed {
    language: Arc<dyn Language>,
    /// By name and source.
    compiled: HashMap<(String, Arc<str>), Arc<dyn Script>>,
}

static INSTALLED: Mutex<Option<Installed>> = Mutex::new(None);

fn installed() -> MutexGuard<'static, Option<Installed>> {
    // What it guards is changed in one step, so a panic elsewhere leaves it whole.
    INSTALLED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets all databases of this process run functions; takes the place of what was installed before.
pub fn install(language: Arc<dyn Language>) {
    *installed() = Some(Installed {
        language,
        compiled: HashMap::new(),
    });
}

/// Whether there is a language.
pub fn is_installed() -> bool {
    installed().is_some()
}

/// Refuses a source that cannot be compiled; passes any where no language is installed.
///
/// Errors: as [`Language::compile`], and [`Code::Limit`].
pub(crate) fn check_source(name: &str, source: &Arc<str>) -> Result<()> {
    match is_installed() {
        true => compiled(name, source).map(|_| ()),
        false => check_length(source),
    }
}

/// The function of a source, compiled when it is first asked for.
///
/// Fails with [`Code::FunctionLanguage`] where no language is installed, and as the language does.
pub(super) fn compiled(name: &str, source: &Arc<str>) -> Result<Arc<dyn Script>> {
    let key = (name.to_owned(), Arc::clone(source));
    let language = {
        let installed = installed();
        let Some(installed) = installed.as_ref() else {
            return Err(uninstalled(name));
        };
        if let Some(script) = installed.compiled.get(&key) {
            return Ok(Arc::clone(script));
        }
        Arc::clone(&installed.language)
    };
    check_length(source)?;
    let script = language
        .compile(name, source)
        .map_err(|error| named(error, name))?;
    if let Some(installed) = installed().as_mut() {
        if installed.compiled.len() >= FUNCTIONS_COMPILED {
            installed.compiled.clear();
        }
        installed.compiled.insert(key, Arc::clone(&script));
    }
    Ok(script)
}

fn check_length(source: &str) -> Result<()> {
    if source.len() <= FUNCTION_SOURCE_BYTES {
        return Ok(());
    }
    let message = format!("the source of a function has at most {FUNCTION_SOURCE_BYTES} bytes");
    Err(Error::new(Code::Limit, message).with("limit", FUNCTION_SOURCE_BYTES))
}

fn uninstalled(name: &str) -> Error {
    let message = format!(
        "{name} is a function of the database, and this process has no language to run it in: \
         the binary `datalith` has one, a program that embeds the engine installs it"
    );
    named(Error::new(Code::FunctionLanguage, message), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_language_a_call_says_who_has_one() {
        let error = uninstalled("my/score");
        assert_eq!(error.code(), Code::FunctionLanguage);
        assert!(error.message().contains("`datalith`"), "{error}");
    }

    #[test]
    fn a_source_has_a_length() {
        let source = "x".repeat(FUNCTION_SOURCE_BYTES + 1);
        assert_eq!(check_length(&source).unwrap_err().code(), Code::Limit);
    }
}
