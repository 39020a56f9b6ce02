//! What a script passes to a query, in the order in which the query asks for it.

use datalith_engine::exec::Input;
use datalith_engine::query::ast::{self, Query};
use rhai::{Dynamic, Map};

use super::value::ScriptDb;
use crate::fault::{Done, refused};
use crate::value::to_value;

/// The inputs of a query: the database value is its first source; what else `:in` asks for comes from
/// the arguments, in order, or by name where one map names what the query asks for.
pub(super) fn inputs(query: &Query, db: Option<&ScriptDb>, args: &[Dynamic]) -> Done<Vec<Input>> {
    let mut db = db.cloned();
    let mut inputs = Vec::with_capacity(query.inputs.len());
    let by_name = named(query, args, db.is_some());
    let mut rest = args.iter();
    for input in &query.inputs {
        if matches!(input, ast::Input::Source(_))
            && let Some(db) = db.take()
        {
            inputs.push(Input::Db(db.0));
            continue;
        }
        let given = match &by_name {
            Some(map) => name(input).and_then(|name| map.get(name.as_str())),
            None => rest.next(),
        };
        let given = given.ok_or_else(|| {
            refused(format!(
                "the query asks for {input}: pass it after the query"
            ))
        })?;
        inputs.push(as_input(given)?);
    }
    match (by_name, rest.next()) {
        (None, Some(extra)) => Err(refused(format!(
            "the query's :in has no place for another input ({}); add it to :in",
            extra.type_name()
        ))),
        _ => Ok(inputs),
    }
}

fn as_input(given: &Dynamic) -> Done<Input> {
    match given.read_lock::<ScriptDb>() {
        Some(db) => Ok(Input::Db(db.0.clone())),
        None => to_value(given).map(Input::Value),
    }
}

/// The one map that names everything the query asks for, if that is what was passed.
fn named(query: &Query, args: &[Dynamic], has_db: bool) -> Option<Map> {
    let [only] = args else { return None };
    let map = only.read_lock::<Map>()?.clone();
    let asked = query.inputs.iter().skip(usize::from(has_db));
    let mut asked: Vec<String> = asked.map(name).collect::<Option<_>>()?;
    let mut given: Vec<String> = map.keys().map(ToString::to_string).collect();
    asked.sort_unstable();
    given.sort_unstable();
    (asked == given && !asked.is_empty()).then_some(map)
}

/// What an input is called: `?code` and `[?code ...]` are `code`, `%` is `rules`.
fn name(input: &ast::Input) -> Option<String> {
    let text = input.to_string();
    if text == "%" {
        return Some("rules".to_owned());
    }
    let bare = text
        .trim_start_matches('[')
        .trim_end_matches(']')
        .trim_end_matches("...")
        .trim();
    let is_one = !bare.is_empty() && !bare.contains([' ', '[']);
    is_one.then(|| bare.trim_start_matches(['?', '$']).to_owned())
}
