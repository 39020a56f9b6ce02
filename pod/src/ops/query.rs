//! Queries: the forms in which a client asks, and the databases its handles stand for.

use datalith_engine::exec::{self, Answer, Input, QueryOptions};
use datalith_engine::{Result, Value, edn, query};

use crate::ops::call::Call;
use crate::server::Outcome;
use crate::wire::Wrapping;

/// `q`
pub(crate) fn q(call: &Call<'_>) -> Result<Outcome> {
    Ok(Outcome::Done(
        call.reply
            .format
            .encode_answer(&answer(call)?, Wrapping::Bare),
    ))
}

/// `q-boxed`
pub(crate) fn q_boxed(call: &Call<'_>) -> Result<Outcome> {
    Ok(Outcome::Done(
        call.reply
            .format
            .encode_answer(&answer(call)?, Wrapping::Boxed),
    ))
}

/// `prepare`
pub(crate) fn prepare(call: &Call<'_>) -> Result<Value> {
    read(call.arg(0))?;
    call.session.handles.add_query(call.arg(0).clone())
}

/// `release-query`
pub(crate) fn release_query(call: &Call<'_>) -> Result<Value> {
    call.session.handles.remove_query(call.arg(0))?;
    Ok(Value::Nil)
}

/// `explain`
pub(crate) fn explain(call: &Call<'_>) -> Result<Value> {
    let Asked {
        query,
        inputs,
        options,
    } = asked(call)?;
    let format = options.modifiers.get("format").cloned();
    let explained = exec::explain(&query, &inputs, &options)?;
    match format.as_ref() {
        None | Some(Value::Nil) => Ok(explained.to_string().into()),
        Some(format) if *format == Value::keyword("text") => Ok(explained.to_string().into()),
        Some(format) if *format == Value::keyword("data") => Ok(explained.to_value()),
        Some(other) => Err(call.bad_argument(":format :text or :data", other)),
    }
}

/// `query-stats`
pub(crate) fn query_stats(call: &Call<'_>) -> Result<Value> {
    let Asked {
        query,
        inputs,
        options,
    } = asked(call)?;
    exec::query_stats(&query, &inputs, &options)
}

/// What a client asks, in the engine's terms.
struct Asked {
    query: Value,
    inputs: Vec<Input>,
    options: QueryOptions,
}

fn answer(call: &Call<'_>) -> Result<Answer> {
    let Asked {
        query,
        inputs,
        options,
    } = asked(call)?;
    call.session
        .queries
        .prepared(&query)?
        .answer(&inputs, &options)
}

/// Understands both forms: `[query & inputs]`, and `[{:query … :args …}]`. A map without `:query` is
/// itself the query; one without `:args` takes its inputs from the arguments after it.
fn asked(call: &Call<'_>) -> Result<Asked> {
    let first = call.session.handles.query(call.arg(0))?;
    let args = match first
        .as_map()
        .and_then(|map| map.get(&Value::keyword("args")))
    {
        Some(Value::Nil) => &[][..],
        Some(args) => args
            .as_sequential()
            .ok_or_else(|| call.bad_argument(":args to be a list of inputs", args))?,
        None => call.args_from(1),
    };
    let inputs = args
        .iter()
        .map(|arg| input(call, arg))
        .collect::<Result<_>>()?;
    let mut options = QueryOptions::default();
    let query = match first.get("query") {
        Some(query) => {
            options.modifiers = first.clone();
            call.session.handles.query(query)?
        }
        None => first.clone(),
    };
    Ok(Asked {
        query,
        inputs,
        options,
    })
}

fn input(call: &Call<'_>, arg: &Value) -> Result<Input> {
    Ok(match call.session.handles.database_input(arg)? {
        Some(db) => Input::Db(db),
        None => Input::Value(arg.clone()),
    })
}

/// Reads a query only to see that it can be read.
fn read(form: &Value) -> Result<()> {
    match form {
        Value::Str(text) => {
            let (form, spans) = edn::read_spanned(text)?;
            query::parse(&form, Some(&spans)).map(drop)
        }
        form => query::parse(form, None).map(drop),
    }
}
