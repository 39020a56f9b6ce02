//! Queries: the forms in which a client asks, and the databases its handles stand for.

use std::sync::Arc;

use datalith_engine::exec::{self, Answer, Input, QueryOptions};
use datalith_engine::{Result, Value};

use crate::ops::call::Call;
use crate::ops::handles;
use crate::ops::known::Known;
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
    call.session.handles.add_query(Known::new(call.arg(0))?)
}

/// `execute`
pub(crate) fn execute(call: &Call<'_>) -> Result<Outcome> {
    Ok(Outcome::Done(
        call.reply
            .format
            .encode_answer(&executed(call)?, Wrapping::Bare),
    ))
}

/// `execute-boxed`
pub(crate) fn execute_boxed(call: &Call<'_>) -> Result<Outcome> {
    Ok(Outcome::Done(
        call.reply
            .format
            .encode_answer(&executed(call)?, Wrapping::Boxed),
    ))
}

fn executed(call: &Call<'_>) -> Result<Answer> {
    let query = call.session.handles.query(call.arg(0))?;
    let inputs = inputs(call, call.args_from(1))?;
    query.prepared.answer(&inputs, &QueryOptions::default())
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
    let explained = exec::explain(query.form(), &inputs, &options)?;
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
    exec::query_stats(query.form(), &inputs, &options)
}

/// What a client asks, in the engine's terms.
struct Asked {
    query: Question,
    inputs: Vec<Input>,
    options: QueryOptions,
}

/// A query, or one that was prepared.
enum Question {
    Form(Value),
    Prepared(Arc<Known>),
}

impl Question {
    fn of(call: &Call<'_>, value: &Value) -> Result<Question> {
        if handles::is_query(value) {
            return call.session.handles.query(value).map(Question::Prepared);
        }
        Ok(Question::Form(value.clone()))
    }

    fn form(&self) -> &Value {
        match self {
            Question::Form(form) => form,
            Question::Prepared(known) => &known.form,
        }
    }
}

fn answer(call: &Call<'_>) -> Result<Answer> {
    let Asked {
        query,
        inputs,
        options,
    } = asked(call)?;
    let known = match query {
        Question::Prepared(known) => known,
        Question::Form(form) => call.session.queries.of(&form)?,
    };
    known.prepared.answer(&inputs, &options)
}

/// Understands both forms: `[query & inputs]`, and `[{:query … :args …}]`. A map without `:query` is
/// itself the query; one without `:args` takes its inputs from the arguments after it.
fn asked(call: &Call<'_>) -> Result<Asked> {
    let query = Question::of(call, call.arg(0))?;
    let first = query.form();
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
    let inputs = inputs(call, args)?;
    let mut options = QueryOptions::default();
    let inner = match first.get("query") {
        Some(inner) => {
            options.modifiers = first.clone();
            Some(Question::of(call, inner)?)
        }
        None => None,
    };
    let query = inner.unwrap_or(query);
    Ok(Asked {
        query,
        inputs,
        options,
    })
}

fn inputs(call: &Call<'_>, args: &[Value]) -> Result<Vec<Input>> {
    args.iter().map(|arg| input(call, arg)).collect()
}

fn input(call: &Call<'_>, arg: &Value) -> Result<Input> {
    Ok(match call.session.handles.database_input(arg)? {
        Some(db) => Input::Db(db),
        None => Input::Value(arg.clone()),
    })
}
