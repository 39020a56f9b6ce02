//! rhai as a language of functions: compiling them, and calling them within what the caller allows.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use datalith_engine::script::{
    self, Allowance, Language, Place, Script, ScriptColumn, ScriptResult,
};
use datalith_engine::{Db, Error, Result, Value};
use rhai::{AST, CallFnOptions, Dynamic, Engine, EvalAltResult, Scope};

use super::evaluate::evaluate;
use super::formula::{Formula, formula};
use super::written::written;
use crate::database::{self, ScriptDb};
use crate::fault::{Fault, Thrown};
use crate::files::Grants;
use crate::limits;
use crate::meter::Meter;
use crate::value::{to_dynamic, to_value};
use crate::{sandbox, source, table};

/// Operations between two looks at the allowance.
const LOOK_OPERATIONS: u64 = 1_024;

thread_local! {
    /// What the functions that run on this thread may spend, the innermost last.
    static ALLOWANCES: RefCell<Vec<Allowance>> = const { RefCell::new(Vec::new()) };
}

/// What the function that runs on this thread may spend; none outside of functions.
pub(crate) fn allowance() -> Option<Allowance> {
    ALLOWANCES.with_borrow(|allowances| allowances.last().cloned())
}

/// Lets all databases of this process run functions written in rhai. Costs nothing until one is.
pub fn install() {
    script::install(Arc::new(Rhai));
}

/// Compiles one function, as the engine does for those of databases.
///
/// Errors: as [`Language::compile`].
pub fn compile(name: &str, source: &str) -> Result<Arc<dyn Script>> {
    Rhai.compile(name, source)
}

struct Rhai;

impl Language for Rhai {
    fn compile(&self, name: &str, text: &str) -> Result<Arc<dyn Script>> {
        let written = written(name, text);
        let prepared = source::prepare(&written.script).map_err(|bad| {
            let fault = Fault::of_block(&bad, &written.script);
            script::syntax_error(&fault.message, place_of(fault.place, written.shift))
        })?;
        let ast = on_stack(|| engine().compile(&prepared)).map_err(|error| {
            let position = (error.position().line(), error.position().position());
            let place = position.0.map(|line| (line, position.1.unwrap_or(1)));
            script::syntax_error(error.err_type().to_string(), place_of(place, written.shift))
        })?;
        let ast = ast.clone_functions_only();
        let found = Function::of(ast, &written.name, written.shift);
        let function = found.ok_or_else(|| {
            let message = format!(
                "expected |x| …, fn(x) {{ … }}, or a script with a function {}",
                written.name
            );
            script::syntax_error(message, None)
        })?;
        Ok(Arc::new(function))
    }
}

/// The engine of rhai that all functions share.
fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let meter = Meter::default();
        // Queries and tables within a function draw on its allowance instead.
        meter.set_memory_bytes(usize::MAX);
        let mut engine = sandbox::engine(&meter);
        engine
            .set_max_call_levels(limits::FUNCTION_CALL_LEVELS)
            .set_max_expr_depths(
                limits::FUNCTION_EXPRESSION_DEPTH,
                limits::FUNCTION_EXPRESSION_DEPTH,
            )
            .set_max_variables(limits::FUNCTION_VARIABLES)
            .set_max_string_size(limits::FUNCTION_STRING_BYTES)
            .set_max_array_size(limits::FUNCTION_ITEMS)
            .set_max_map_size(limits::FUNCTION_ITEMS);
        engine.on_progress(|count| {
            if !count.is_multiple_of(LOOK_OPERATIONS) {
                return None;
            }
            let spent = allowance()?.check().err()?;
            Some(Dynamic::from(Thrown(spent)))
        });
        // A function prints nowhere.
        engine.on_print(|_| {}).on_debug(|_, _, _| {});
        database::register_values(&mut engine, &meter);
        table::register(&mut engine, &meter, &Grants::default());
        engine
    })
}

/// A function and how it is called.
pub(super) struct Function {
    ast: AST,
    name: String,
    /// What a closure caught, which comes before its arguments.
    caught: Vec<Dynamic>,
    arity: usize,
    formula: Option<Formula>,
    shift: usize,
}

impl Function {
    /// A function of a script by its name.
    pub(super) fn of(ast: AST, name: &str, shift: usize) -> Option<Function> {
        let mut only = ast.clone_functions_only();
        only.retain_functions(|_, _, found, _| found == name);
        let arity = only.iter_fn_def().next()?.params.len();
        let formula = formula(&only);
        Some(Function {
            ast,
            name: name.to_owned(),
            caught: Vec::new(),
            arity,
            formula,
            shift,
        })
    }

    /// The same with values that take the first parameters.
    pub(super) fn with_caught(mut self, caught: Vec<Dynamic>) -> Function {
        self.arity = self.arity.saturating_sub(caught.len());
        if !caught.is_empty() {
            self.formula = None;
        }
        self.caught = caught;
        self
    }

    fn run(&self, args: impl Iterator<Item = Dynamic>, allowance: &Allowance) -> Result<Value> {
        let args: Vec<Dynamic> = self.caught.iter().cloned().chain(args).collect();
        ALLOWANCES.with_borrow_mut(|allowances| allowances.push(allowance.clone()));
        let options = CallFnOptions::new().eval_ast(false);
        let called = engine().call_fn_with_options::<Dynamic>(
            options,
            &mut Scope::new(),
            &self.ast,
            &self.name,
            args,
        );
        ALLOWANCES.with_borrow_mut(|allowances| drop(allowances.pop()));
        let value = called.and_then(|value| to_value(&value));
        value.map_err(|error| self.fault(*error))
    }

    /// What went wrong as the engine says it.
    fn fault(&self, error: EvalAltResult) -> Error {
        if let EvalAltResult::ErrorTerminated(why, _) = &error
            && let Some(spent) = why.read_lock::<Thrown>()
        {
            return spent.0.clone();
        }
        let fault = Fault::of_run(error);
        if let Some(error) = &fault.error
            && ends_the_work(error)
        {
            return error.clone();
        }
        script::failure(fault.message, place_of(fault.place, self.shift))
    }
}

/// Whether an error is of the query or the transaction around, and not of the function.
fn ends_the_work(error: &Error) -> bool {
    use datalith_engine::Code::{QueryCanceled, QueryTimeout, TransactTimeout};
    matches!(error.code(), QueryCanceled | QueryTimeout | TransactTimeout)
}

impl Script for Function {
    fn arity(&self) -> usize {
        self.arity
    }

    fn call(&self, args: &[Value], allowance: &Allowance) -> Result<Value> {
        self.run(args.iter().map(to_dynamic), allowance)
    }

    fn call_with_db(&self, db: &Db, args: &[Value], allowance: &Allowance) -> Result<Value> {
        let db = std::iter::once(Dynamic::from(ScriptDb(db.clone())));
        let value = self.run(db.chain(args.iter().map(to_dynamic)), allowance)?;
        Ok(match allowance.is_of_transaction() {
            true => database::named(&value),
            false => value,
        })
    }

    fn columns(&self, args: &[ScriptColumn<'_>], rows: usize) -> Option<ScriptResult> {
        evaluate(self.formula.as_ref()?, args, rows)
    }
}

/// A place in the source that a user wrote.
fn place_of(place: Option<(usize, usize)>, shift: usize) -> Option<Place> {
    place.map(|(line, column)| Place {
        line,
        column: if line == 1 {
            column.saturating_sub(shift).max(1)
        } else {
            column
        },
    })
}

/// Parsing goes as deep as the text nests.
fn on_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    crate::host::on_deep_stack(run)
}
