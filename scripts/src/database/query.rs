//! Queries: `datalog { … }`, and asking them of a database value.

use std::sync::Arc;

use datalith_engine::exec::{self, Answer, Input, QueryOptions, Shape};
use datalith_engine::query::ast;
use datalith_engine::{Error, Value, edn, query};
use rhai::{Dynamic, Engine, EvalAltResult, Position};

use super::input;
use super::value::ScriptDb;
use crate::fault::{Done, Thrown, done, refused, thrown};
use crate::meter::Meter;
use crate::table::{Column, Table};
use crate::value::{Edn, to_dynamic};

/// A query as it stands in a script.
#[derive(Clone, Debug)]
pub struct Query {
    text: Arc<str>,
    /// Where its text begins in the script.
    position: Position,
}

impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text.trim())
    }
}

impl Query {
    /// A query by its text: a vector, a map, or what stands between the brackets of a vector.
    fn new(text: &str, position: Position) -> Query {
        let is_bare = text.trim_start().starts_with(':');
        let text = if is_bare {
            format!("[{text}]")
        } else {
            text.to_owned()
        };
        Query {
            text: text.into(),
            position,
        }
    }

    /// What a script passes as a query: a block, text, or a form.
    pub(super) fn of(given: &Dynamic) -> Done<Query> {
        if let Some(query) = given.read_lock::<Query>() {
            return Ok(query.clone());
        }
        if let Ok(text) = given.as_immutable_string_ref() {
            return Ok(Query::new(&text, Position::NONE));
        }
        Ok(Query::new(
            &crate::value::to_value(given)?.to_string(),
            Position::NONE,
        ))
    }

    /// An error about the query, at its place in the script where that is known.
    pub(super) fn fault(&self, error: Error) -> Box<EvalAltResult> {
        let position = match (error.span(), self.position.line(), self.position.position()) {
            (Some(span), Some(line), Some(column)) => {
                let end = span.start.min(self.text.len());
                let before = self.text.get(..end).unwrap_or_default();
                let lines = before.matches('\n').count();
                let last = before
                    .rsplit('\n')
                    .next()
                    .unwrap_or_default()
                    .chars()
                    .count();
                // The text begins one past the brace.
                let column = if lines == 0 {
                    column + 1 + last
                } else {
                    last + 1
                };
                let number = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
                Position::new(number(line + lines), number(column))
            }
            _ => self.position,
        };
        Box::new(EvalAltResult::ErrorRuntime(
            Dynamic::from(Thrown(error)),
            position,
        ))
    }

    /// Its headings and its inputs.
    pub(super) fn parsed(&self) -> Done<ast::Query> {
        let (form, spans) = edn::read_spanned(&self.text).map_err(|error| self.fault(error))?;
        query::parse(&form, Some(&spans)).map_err(|error| self.fault(error))
    }

    /// Its text as the engine takes it: errors then know where in it they are.
    pub(super) fn form(&self) -> Value {
        Value::str(&self.text)
    }
}

/// What a query of this script may spend.
pub(super) fn options(meter: &Meter) -> QueryOptions {
    let timeout = meter.left_ms().map(|ms| {
        let ms = i64::try_from(ms).unwrap_or(i64::MAX).max(1);
        Value::map([(Value::keyword("timeout"), Value::Long(ms))])
    });
    QueryOptions {
        modifiers: timeout.unwrap_or_default(),
        cancelled: Some(meter.cancel_flag()),
        memory_bytes: Some(meter.memory_bytes()),
        ..QueryOptions::default()
    }
}

/// Asks a query of a database value.
pub(super) fn ask(
    meter: &Meter,
    db: &ScriptDb,
    query: &Dynamic,
    args: &[Dynamic],
) -> Done<Dynamic> {
    let query = Query::of(query)?;
    let parsed = query.parsed()?;
    let inputs = input::inputs(&parsed, Some(db), args)?;
    answer(meter, &query, &parsed, &inputs)
}

/// Asks a query of what is passed with it.
fn ask_of_inputs(meter: &Meter, query: &Dynamic, args: &[Dynamic]) -> Done<Dynamic> {
    let query = Query::of(query)?;
    let parsed = query.parsed()?;
    let inputs = input::inputs(&parsed, None, args)?;
    answer(meter, &query, &parsed, &inputs)
}

fn answer(meter: &Meter, query: &Query, parsed: &ast::Query, inputs: &[Input]) -> Done<Dynamic> {
    meter.check(0).map_err(crate::fault::ended)?;
    let answer = match crate::function::allowance() {
        Some(allowance) => exec::q_within(&query.form(), inputs, &allowance),
        None => exec::q(&query.form(), inputs, &options(meter)),
    };
    let answer = answer.map_err(|error| query.fault(error))?;
    Ok(shaped(&answer, parsed))
}

/// An answer as scripts like it: a table, a column, an array or a value.
fn shaped(answer: &Answer, parsed: &ast::Query) -> Dynamic {
    let names = || match answer.keys() {
        Some(keys) => keys
            .iter()
            .map(|key| edn::display_str(key).replacen(':', "", 1))
            .collect(),
        None => parsed
            .find
            .elements()
            .iter()
            .map(ToString::to_string)
            .collect(),
    };
    match answer.shape() {
        Shape::Scalar | Shape::Tuple => to_dynamic(&answer.to_value()),
        Shape::Collection => Dynamic::from(Column::from_answer(answer, 0)),
        Shape::Set | Shape::Rows => Dynamic::from(Table::from_answer(answer, names())),
    }
}

pub(super) fn register(engine: &mut Engine, meter: &Meter) {
    engine
        .register_type_with_name::<Query>("Query")
        .register_fn("to_string", |query: &mut Query| query.to_string())
        .register_fn("to_debug", |query: &mut Query| query.to_string());
    block(engine, "datalog", |text, position| {
        let query = Query::new(text, position);
        query.parsed()?;
        Ok(Dynamic::from(query))
    });
    block(engine, "edn", |text, position| {
        let query = Query {
            text: text.into(),
            position,
        };
        let value = edn::read(text).map_err(|error| query.fault(error))?;
        Ok(to_dynamic(&value))
    });
    engine.register_fn("read_edn", |text: &str| {
        edn::read(text)
            .map(|value| to_dynamic(&value))
            .map_err(thrown)
    });
    engine.register_fn("query", |text: &str| Query::new(text, Position::NONE));
    values(engine);
    asking(engine, meter);
}

/// `word { … }`, of which [`crate::source`] has made a literal.
fn block(engine: &mut Engine, word: &str, read: fn(&str, Position) -> Done<Dynamic>) {
    let registered = engine.register_custom_syntax([word, "$string$"], false, move |_, inputs| {
        let text = inputs[0].get_string_value().unwrap_or_default();
        read(&crate::source::restored(text), inputs[0].position())
    });
    assert!(
        registered.is_ok(),
        "the word and one literal are a syntax that rhai takes"
    );
}

/// `q(db, query, inputs…)`, `q(query, inputs…)` and `explain`.
fn asking(engine: &mut Engine, meter: &Meter) {
    macro_rules! asked {
        ($($input:ident),*) => {{
            let spent = meter.clone();
            engine.register_fn("q", move |db: &mut ScriptDb, query: Dynamic $(, $input: Dynamic)*| {
                ask(&spent, db, &query, &[$($input),*])
            });
            let spent = meter.clone();
            engine.register_fn("q", move |query: Query $(, $input: Dynamic)*| {
                ask_of_inputs(&spent, &Dynamic::from(query), &[$($input),*])
            });
            let spent = meter.clone();
            engine.register_fn("explain", move |db: &mut ScriptDb, query: Dynamic $(, $input: Dynamic)*| {
                explain(&spent, db, &query, &[$($input),*])
            });
        }};
    }
    asked!();
    asked!(a);
    asked!(a, b);
    asked!(a, b, c);
    asked!(a, b, c, d);
    asked!(a, b, c, d, e);
}

/// How a query is answered, with the rows and the time of each step.
fn explain(meter: &Meter, db: &ScriptDb, query: &Dynamic, args: &[Dynamic]) -> Done<String> {
    let query = Query::of(query)?;
    let parsed = query.parsed()?;
    let inputs = input::inputs(&parsed, Some(db), args)?;
    let mut options = options(meter);
    let analyze = (Value::keyword("analyze"), Value::Bool(true));
    let given = options.modifiers.as_map().into_iter().flatten();
    let given = given.map(|(key, value)| (key.clone(), value.clone()));
    options.modifiers = Value::map(given.chain([analyze]));
    let explained = exec::explain(&query.form(), &inputs, &options);
    let explained = explained.map_err(|error| query.fault(error))?;
    Ok(explained.to_text(&|_, text| text.to_owned()))
}

/// Values that rhai has no literals for.
fn values(engine: &mut Engine) {
    engine
        .register_type_with_name::<Edn>("Edn")
        .register_fn("to_string", |value: &mut Edn| edn::display_str(&value.0))
        .register_fn("to_debug", |value: &mut Edn| value.to_string())
        .register_fn("==", |a: Edn, b: Edn| a == b)
        .register_fn("!=", |a: Edn, b: Edn| a != b)
        .register_fn("==", |a: Edn, b: &str| a.0.to_string() == b)
        .register_fn("==", |a: &str, b: Edn| b.0.to_string() == a)
        .register_fn("!=", |a: Edn, b: &str| a.0.to_string() != b)
        .register_fn("<", |a: Edn, b: Edn| {
            datalith_engine::value::compare(&a.0, &b.0).is_lt()
        })
        .register_fn(">", |a: Edn, b: Edn| {
            datalith_engine::value::compare(&a.0, &b.0).is_gt()
        })
        .register_get("kind", |value: &mut Edn| kind(&value.0).to_owned())
        .register_fn("kw", |name: &str| Edn(crate::value::key_of(name)))
        .register_fn("sym", |name: &str| Edn(Value::symbol(name)))
        .register_fn("floats", floats)
        .register_fn("inst", |text: &str| {
            let bad = |_| {
                refused(format!(
                    "{text} is no instant: write 2026-01-31 or 2026-01-31T12:00:00Z"
                ))
            };
            edn::parse_instant(text)
                .map(|ms| Edn(Value::Instant(ms)))
                .map_err(bad)
        })
        .register_fn("uuid", |text: &str| match uuid::Uuid::parse_str(text) {
            Ok(uuid) => Ok(Edn(Value::Uuid(uuid))),
            Err(_) => Err(refused(format!("{text} is no uuid"))),
        })
        .register_fn("to_edn", |value: Dynamic| {
            crate::value::to_value(&value).map(|value| value.to_string())
        });
    engine.register_get("millis", |value: &mut Edn| match value.0 {
        Value::Instant(ms) => Ok(ms),
        _ => Err(refused(format!("{value} is no instant"))),
    });
    engine.register_fn("set", |items: rhai::Array| {
        let items: Vec<Value> = items
            .iter()
            .map(crate::value::to_value)
            .collect::<Done<_>>()?;
        done(Edn(Value::set(items)))
    });
    engine.register_fn("to_array", |value: &mut Edn| match &value.0 {
        Value::Set(items) => Ok(items.iter().map(to_dynamic).collect::<rhai::Array>()),
        _ => Err(refused(format!("{value} has no items"))),
    });
}

/// An array of numbers as one vector of 32-bit floats.
fn floats(items: rhai::Array) -> Done<Edn> {
    let number = |item: &Dynamic| {
        let number = crate::value::number(item).ok_or_else(|| refused("floats takes numbers"));
        number.map(|x| x as f32)
    };
    let items: Vec<f32> = items.iter().map(number).collect::<Done<_>>()?;
    Ok(Edn(Value::FloatArray(items.into())))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Keyword(_) => "keyword",
        Value::Symbol(_) => "symbol",
        Value::Instant(_) => "instant",
        Value::Uuid(_) => "uuid",
        Value::Set(_) => "set",
        Value::Map(_) => "map",
        Value::BigInt(_) | Value::BigDec(_) | Value::Ratio(_) => "number",
        _ => "value",
    }
}
