//! An engine of rhai with every bound set: what runs in it ends in time, within memory, and touches
//! nothing of this system but through functions that the host gives it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rhai::module_resolvers::DummyModuleResolver;
use rhai::{Dynamic, Engine, ImmutableString};

use crate::fault::{Done, Thrown, ended, refused};
use crate::limits;
use crate::meter::Meter;

/// Most milliseconds of a sleep between two looks at the meter.
const SLEEP_STEP: Duration = Duration::from_millis(20);

/// An engine with the packages of rhai, all limits of [`limits`], and a meter that ends what it runs.
pub fn engine(meter: &Meter) -> Engine {
    let mut engine = Engine::new();
    engine
        .set_module_resolver(DummyModuleResolver::new())
        .set_max_operations(limits::OPERATIONS)
        .set_max_call_levels(limits::CALL_LEVELS)
        .set_max_expr_depths(limits::EXPRESSION_DEPTH, limits::FUNCTION_EXPRESSION_DEPTH)
        .set_max_variables(limits::VARIABLES)
        .set_max_functions(limits::FUNCTIONS)
        .set_max_modules(0)
        .set_max_string_size(limits::STRING_BYTES)
        .set_max_array_size(limits::ARRAY_ITEMS)
        .set_max_map_size(limits::MAP_ENTRIES)
        // Texts that scripts make are rarely the same: looking for them costs microseconds each.
        .set_max_strings_interned(0)
        .disable_symbol("eval");
    let watch = meter.clone();
    engine.on_progress(move |count| watch.after_operation(count).map(Dynamic::from));
    bound_functions(&mut engine, meter);
    errors(&mut engine);
    engine
}

/// Functions of rhai's own that would make much of little, or wait where nothing can wake them.
fn bound_functions(engine: &mut Engine, meter: &Meter) {
    let replaced = |text: &mut ImmutableString, what: &str, by: &str| -> Done<()> {
        let found = if what.is_empty() {
            text.chars().count() + 1
        } else {
            text.matches(what).count()
        };
        let bytes = text.len().saturating_add(found.saturating_mul(by.len()));
        if bytes > limits::STRING_BYTES {
            let limit = limits::STRING_BYTES;
            return Err(refused(format!(
                "replace would make a string over the limit of {limit} bytes"
            )));
        }
        *text = text.replace(what, by).into();
        Ok(())
    };
    engine.register_fn("replace", replaced);
    engine.register_fn(
        "replace",
        move |text: &mut ImmutableString, what: char, by: &str| {
            replaced(text, what.encode_utf8(&mut [0; 4]), by)
        },
    );
    let naps = meter.clone();
    engine.register_fn("sleep", move |seconds: f64| nap(&naps, seconds));
    let naps = meter.clone();
    engine.register_fn("sleep", move |seconds: i64| nap(&naps, seconds as f64));
}

fn nap(meter: &Meter, seconds: f64) -> Done<()> {
    let length = Duration::try_from_secs_f64(seconds.max(0.0));
    let length = length.map_err(|_| refused("that is too long to sleep"))?;
    let began = Instant::now();
    while let Some(left) = length.checked_sub(began.elapsed()) {
        meter.check(0).map_err(ended)?;
        std::thread::sleep(left.min(SLEEP_STEP));
    }
    Ok(())
}

/// Errors of the engine as scripts catch them.
fn errors(engine: &mut Engine) {
    engine
        .register_type_with_name::<Thrown>("Error")
        .register_fn("to_string", |thrown: &mut Thrown| thrown.to_string())
        .register_fn("to_debug", |thrown: &mut Thrown| thrown.to_string())
        .register_get("message", |thrown: &mut Thrown| {
            thrown.0.message().to_owned()
        })
        .register_get("error", |thrown: &mut Thrown| {
            let code = thrown.0.code();
            code.keyword()
                .or(code.type_keyword())
                .unwrap_or_default()
                .to_owned()
        })
        .register_get("data", |thrown: &mut Thrown| {
            let data = datalith_engine::Value::Map(Arc::new(thrown.0.ex_data()));
            crate::value::to_dynamic(&data)
        });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Spent;
    use rhai::EvalAltResult;

    fn run(script: &str) -> Box<EvalAltResult> {
        let meter = Meter::default();
        let engine = engine(&meter);
        meter.begin(Some(Duration::from_secs(60)));
        meter.set_memory_bytes(128 << 20);
        engine.run(script).expect_err(script)
    }

    #[test]
    fn bombs_are_defused() {
        let limited = [
            "let s = \"x\"; loop { s += s; }",
            "let a = [1]; loop { a += a; }",
            "let m = #{}; let i = 0; loop { m[`${i}`] = \"x\".pad(100000) ; i += 1; }",
            "let s = \"x\"; s.pad(1000000000, \"y\");",
            "let s = \"x\"; s.pad(1000000, \"x\"); let t = s; s.replace(\"x\", t);",
            "let b = blob(100000000000);",
            "fn f(n) { f(n + 1) } f(0)",
            "let f = |g| g.call(g); f.call(f)",
            "eval(\"1\")",
            "import \"x\" as y;",
        ];
        for script in limited {
            let error = run(script);
            assert!(
                !matches!(*error, EvalAltResult::ErrorTerminated(..)),
                "{script}: {error}"
            );
        }
    }

    #[test]
    fn what_would_not_end_is_ended() {
        let ended = |script: &str| match *run(script) {
            EvalAltResult::ErrorTerminated(why, _) => why.try_cast::<Spent>(),
            other => panic!("{script}: {other}"),
        };
        let meter_of = |script: &str, seconds| {
            let meter = Meter::default();
            let engine = engine(&meter);
            meter.begin(Some(Duration::from_millis(seconds)));
            matches!(
                *engine.run(script).expect_err(script),
                EvalAltResult::ErrorTerminated(..)
            )
        };
        assert!(meter_of("loop { }", 50));
        assert!(meter_of("sleep(1000000)", 50));
        assert!(meter_of(
            "let x = 0; while true { try { loop { x += 1; } } catch { } }",
            50
        ));
        let many: String = (0..200)
            .map(|n| format!("let a{n} = \"x\"; a{n}.pad(2000000, \"y\");"))
            .collect();
        assert_eq!(ended(&many), Some(Spent::Memory(128 << 20)));
    }
}
