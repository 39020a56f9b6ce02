//! Functions of a session: `define("my/score", |x| x * 2)`.

use std::sync::Arc;

use datalith_engine::script;
use rhai::{AST, Engine, FnPtr, NativeCallContext};

use super::language::Function;
use crate::fault::{Done, refused};

/// Gives scripts `define` and `undefine`.
pub(crate) fn register(engine: &mut Engine) {
    engine.register_fn(
        "define",
        |context: NativeCallContext, name: &str, closure: FnPtr| define(&context, name, &closure),
    );
    engine.register_fn("undefine", |name: &str| {
        script::unregister(name.trim_start_matches(':'))
    });
}

fn define(context: &NativeCallContext, name: &str, closure: &FnPtr) -> Done<()> {
    let mut functions = AST::empty();
    for module in context.namespaces() {
        functions = functions.merge(&AST::new_from_module(module.clone()));
    }
    let found = Function::of(functions, closure.fn_name(), 0);
    let function = found.ok_or_else(|| {
        refused(format!(
            "{} is no function of this script",
            closure.fn_name()
        ))
    })?;
    let caught = closure
        .iter_curry()
        .map(rhai::Dynamic::flatten_clone)
        .collect();
    let function = function.with_caught(caught);
    script::register(name.trim_start_matches(':'), Arc::new(function));
    Ok(())
}
