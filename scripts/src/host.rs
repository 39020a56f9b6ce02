//! One session of scripts: an engine of rhai with the doors of the database, its variables and functions.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datalith_engine::conn::Conn;
use rhai::{AST, Array, Dynamic, Engine, Module, Scope, Shared};

use crate::database::{self, Connections, ScriptConn, ScriptDb};
use crate::fault::{Done, Exit, Fault, FaultKind, ended, refused};
use crate::files::Grants;
use crate::meter::Meter;
use crate::shown::{self, Shown};
use crate::{chart, function, limits, sandbox, source, table};

/// Bytes of the stack that a script runs on: deep enough for [`limits::CALL_LEVELS`].
const STACK_BYTES: usize = 256 << 20;

/// Where a script says things.
pub trait Sink: Send + Sync {
    /// What it prints, with the end of the line.
    fn print(&self, text: &str);
    /// A value that it shows.
    fn show(&self, shown: &Shown);
}

/// What a session may do.
#[derive(Clone, Default)]
pub struct Settings {
    /// Files it may touch.
    pub grants: Grants,
    /// Most time of one script.
    pub timeout: Option<Duration>,
    /// How much the process may grow while a script runs, in bytes.
    pub memory_bytes: Option<usize>,
    /// Most bytes that one script prints and shows.
    pub print_bytes: Option<usize>,
    /// `args` of the script.
    pub arguments: Vec<String>,
}

/// A session.
pub struct Host {
    engine: Engine,
    scope: Scope<'static>,
    functions: AST,
    meter: Meter,
    timeout: Option<Duration>,
    connections: Connections,
    printed: Arc<AtomicUsize>,
}

impl Host {
    /// A session that says things to a sink.
    pub fn new(settings: &Settings, sink: Arc<dyn Sink>) -> Host {
        let meter = Meter::default();
        meter.set_memory_bytes(settings.memory_bytes.unwrap_or(limits::MEMORY_BYTES));
        let connections = Connections::default();
        let mut engine = sandbox::engine(&meter);
        database::register(&mut engine, &meter, &settings.grants, &connections);
        table::register(&mut engine, &meter, &settings.grants);
        chart::register(&mut engine, &settings.grants);
        function::register(&mut engine);
        let printed = Arc::new(AtomicUsize::new(0));
        let print_bytes = settings.print_bytes.unwrap_or(limits::PRINT_BYTES);
        let budget = Budget {
            meter: meter.clone(),
            printed: Arc::clone(&printed),
            limit_bytes: print_bytes,
        };
        printing(&mut engine, sink, budget);
        if settings.grants.readable().next().is_some() {
            engine.set_max_modules(limits::MODULES);
            engine.set_module_resolver(Modules {
                grants: settings.grants.clone(),
                within: Mutex::default(),
            });
        }
        texts(&mut engine, &meter, &settings.grants);
        exits(&mut engine);
        let mut scope = Scope::new();
        let arguments: Array = settings
            .arguments
            .iter()
            .map(|text| Dynamic::from(text.clone()))
            .collect();
        scope.push_constant("args", arguments);
        Host {
            engine,
            scope,
            functions: AST::empty(),
            meter,
            timeout: settings.timeout,
            connections,
            printed,
        }
    }

    /// Makes a connection a variable of the session.
    pub fn set_connection(&mut self, name: &str, conn: &Conn) {
        self.connections.add(conn);
        self.scope
            .set_value(name.to_owned(), ScriptConn(conn.clone()));
    }

    /// Gives scripts `eprint`, which says a line beside their output.
    pub fn on_error_line(&mut self, say: impl Fn(&str) + Send + Sync + 'static) {
        self.engine.register_fn("eprint", move |value: Dynamic| {
            say(&shown::text(&value, 0));
        });
    }

    /// Runs a script, or a piece of one: variables and functions stay for the next.
    pub fn eval(&mut self, script: &str) -> Result<Dynamic, Fault> {
        let ast = self.compile(script)?;
        self.meter.begin(self.timeout);
        self.printed.store(0, Ordering::Relaxed);
        let whole = self.functions.merge(&ast);
        let (engine, scope) = (&self.engine, &mut self.scope);
        let ran = on_deep_stack(|| engine.eval_ast_with_scope::<Dynamic>(scope, &whole));
        self.functions = whole.clone_functions_only();
        ran.map_err(|error| Fault::of_run(*error))
    }

    fn compile(&self, script: &str) -> Result<AST, Fault> {
        if script.len() > limits::SCRIPT_BYTES {
            return Err(Fault {
                message: format!("the script is longer than {} bytes", limits::SCRIPT_BYTES),
                place: None,
                calls: Vec::new(),
                kind: FaultKind::Limit,
                error: None,
            });
        }
        let prepared = source::prepare(script).map_err(|bad| Fault::of_block(&bad, script))?;
        let (engine, scope) = (&self.engine, &self.scope);
        let compiled = on_deep_stack(|| engine.compile_with_scope(scope, &prepared));
        compiled.map_err(|error| Fault::of_parse(&error, script))
    }

    /// Whether a text is a script, may become one, or never will.
    pub fn check(&self, script: &str) -> Result<(), Fault> {
        self.compile(script).map(drop)
    }

    /// Ends the running script soon after it is set; the next script unsets it.
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        self.meter.cancel_flag()
    }

    /// The names of the session's variables.
    pub fn variables(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .scope
            .iter()
            .map(|(name, ..)| name.to_owned())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// A variable of the session.
    pub fn variable(&self, name: &str) -> Option<Dynamic> {
        self.scope.get_value::<Dynamic>(name)
    }

    /// Sets a variable of the session.
    pub fn set_variable(&mut self, name: &str, value: Dynamic) {
        self.scope.set_value(name.to_owned(), value);
    }

    /// The functions that scripts of the session defined, as they are called.
    pub fn functions(&self) -> Vec<String> {
        let named = self
            .functions
            .iter_functions()
            .filter(|function| !function.name.starts_with("anon$"));
        let mut forms: Vec<String> = named
            .map(|function| format!("{}({})", function.name, function.params.join(", ")))
            .collect();
        forms.sort();
        forms
    }

    /// The attributes of the databases that the session's variables hold, in order.
    pub fn attributes(&self) -> Vec<(String, datalith_engine::Value)> {
        let mut found = Vec::new();
        for (_, _, value) in self.scope.iter() {
            let db = match (
                value.read_lock::<ScriptConn>(),
                value.read_lock::<ScriptDb>(),
            ) {
                (Some(conn), _) => conn.0.db().ok(),
                (_, Some(db)) => Some(db.0.clone()),
                _ => None,
            };
            found.extend(db.into_iter().flat_map(|db| database::attributes(&db)));
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found.dedup_by(|a, b| a.0 == b.0);
        found
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.connections.release();
    }
}

/// Runs something on a stack that deep calls do not overflow.
pub(crate) fn on_deep_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, run);
        let thread = thread.unwrap_or_else(|cause| panic!("the system gives no thread: {cause}"));
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// How much a script may still print.
#[derive(Clone)]
struct Budget {
    meter: Meter,
    printed: Arc<AtomicUsize>,
    limit_bytes: usize,
}

impl Budget {
    /// Whether so many bytes more may go out.
    fn spend(&self, bytes: usize) -> bool {
        let spent = self.printed.fetch_add(bytes, Ordering::Relaxed);
        let is_left = spent <= self.limit_bytes;
        if !is_left {
            // rhai's print cannot fail: the next operation ends the script.
            self.meter.end_printing(self.limit_bytes);
        }
        is_left
    }
}

/// `print`, `debug` and `show`.
fn printing(engine: &mut Engine, sink: Arc<dyn Sink>, budget: Budget) {
    let (out, budget_of_texts) = (Arc::clone(&sink), budget.clone());
    let counted = move |text: &str| {
        if budget_of_texts.spend(text.len() + 1) {
            out.print(&format!("{text}\n"));
        }
    };
    engine.on_print(counted.clone());
    engine.on_debug(move |text, _, position| match position.line() {
        Some(line) => counted(&format!("[{line}] {text}")),
        None => counted(text),
    });
    engine.register_fn("show", move |value: Dynamic| {
        if let Some(shown) = shown::show(&value, None)
            && budget.spend(shown.size_bytes())
        {
            sink.show(&shown);
        }
    });
}

/// `exit`, with a code or without.
fn exits(engine: &mut Engine) {
    fn exit(code: i64) -> Done<()> {
        let code = u8::try_from(code).map_err(|_| refused("an exit code is 0 to 255"))?;
        let why = Dynamic::from(Exit(code));
        Err(Box::new(rhai::EvalAltResult::ErrorTerminated(
            why,
            rhai::Position::NONE,
        )))
    }
    engine.register_fn("exit", exit);
    engine.register_fn("exit", || exit(0));
}

/// `read_text` and `write_text`.
fn texts(engine: &mut Engine, meter: &Meter, grants: &Grants) {
    let files = grants.clone();
    engine.register_fn("read_text", move |path: &str| -> Done<String> {
        let real = files.reading(path)?;
        let bytes = std::fs::metadata(&real).map_or(0, |about| about.len());
        if bytes > limits::STRING_BYTES as u64 {
            return Err(refused(format!(
                "{path} is larger than {} bytes",
                limits::STRING_BYTES
            )));
        }
        std::fs::read_to_string(&real).map_err(|cause| refused(format!("{path}: {cause}")))
    });
    let files = grants.clone();
    engine.register_fn("write_text", move |path: &str, text: &str| -> Done<()> {
        let real = files.writing(path)?;
        std::fs::write(&real, text).map_err(|cause| refused(format!("{path}: {cause}")))
    });
    let files = grants.clone();
    engine.register_fn("file_exists", move |path: &str| files.reading(path).is_ok());
    let (files, meter) = (grants.clone(), meter.clone());
    engine.register_fn("read_lines", move |path: &str| -> Done<table::Column> {
        let real = files.reading(path)?;
        let bytes = std::fs::metadata(&real).map_or(0, |about| about.len());
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        // The text, its lines, and a column of them.
        meter.check(bytes.saturating_mul(3)).map_err(ended)?;
        let text = std::fs::read_to_string(&real);
        let text = text.map_err(|cause| refused(format!("{path}: {cause}")))?;
        let lines = text.lines().map(datalith_engine::Value::str).collect();
        Ok(table::Column::from_values(lines))
    });
}

/// `import`, from folders that may be read.
struct Modules {
    grants: Grants,
    /// Files that are being read, so that none imports itself.
    within: Mutex<Vec<PathBuf>>,
}

impl rhai::ModuleResolver for Modules {
    fn resolve(
        &self,
        engine: &Engine,
        _source: Option<&str>,
        path: &str,
        position: rhai::Position,
    ) -> Done<Shared<Module>> {
        let named = if path.ends_with(".rhai") {
            path.to_owned()
        } else {
            format!("{path}.rhai")
        };
        let found = self.grants.reading(&named).or_else(|refusal| {
            let mut roots = self
                .grants
                .readable()
                .filter(|_| Path::new(&named).is_relative());
            roots
                .find_map(|root| {
                    self.grants
                        .reading(&root.join(&named).to_string_lossy())
                        .ok()
                })
                .ok_or(refusal)
        });
        let real = found.map_err(|mut error| {
            error.set_position(position);
            error
        })?;
        let mut within = self.within.lock().unwrap_or_else(PoisonError::into_inner);
        if within.contains(&real) {
            return Err(refused(format!("{named} imports itself")));
        }
        within.push(real.clone());
        drop(within);
        let module = read_module(engine, &named, &real);
        self.within
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        module.map(Shared::new)
    }
}

fn read_module(engine: &Engine, name: &str, path: &Path) -> Done<Module> {
    let text =
        std::fs::read_to_string(path).map_err(|cause| refused(format!("{name}: {cause}")))?;
    let prepared = source::prepare(&text).map_err(|bad| refused(format!("{name}: {bad}")))?;
    let ast = engine
        .compile(&prepared)
        .map_err(|error| refused(format!("{name}: {error}")))?;
    Module::eval_ast_as_new(Scope::new(), &ast, engine)
}
