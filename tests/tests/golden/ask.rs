//! Queries of a script: their inputs put together, their answers printed.

use datalith_engine::db::Db;
use datalith_engine::exec::{Input, QueryOptions, explain, q, query_stats};
use datalith_engine::query::ast;
use datalith_engine::{Map, Result, Symbol, Value, edn, query};

use super::forms::Forms;
use super::script::Command;
use super::show;

/// What a `$name` stands for.
#[derive(Clone)]
pub(super) enum Source {
    Db(Db),
    Value(Value),
}

/// What a query may refer to without its being written.
struct Known<'a> {
    db: &'a Db,
    rules: &'a Value,
    named: &'a [(Symbol, Source)],
}

/// The lines of a `q` command.
///
/// Where the inputs name sources or `%`, they are all of the inputs; otherwise the sources and
/// rules of `:in` come of themselves and the inputs fill the rest in order.
pub(super) fn answer(
    command: &Command,
    forms: &Forms<'_>,
    db: &Db,
    rules: &Value,
    named: &[(Symbol, Source)],
) -> Result<Vec<String>> {
    let known = Known { db, rules, named };
    let (form, options) = modified(&forms.value(0));
    // As text the query keeps the places of its forms.
    let as_text = options.modifiers.is_nil() && form.as_str().is_none();
    let text = if as_text {
        Value::str(forms.first_text())
    } else {
        form.clone()
    };
    let inputs = known.inputs(&form, forms.values_from(1));
    let in_place = |error| forms.error_of_first(&error);
    let mut lines = Vec::new();
    if command.has("plan") {
        let plan = explain(&text, &inputs, &options).map_err(in_place)?;
        lines.extend(steady(&plan.to_string()));
    }
    if command.has("stats") {
        let stats = query_stats(&text, &inputs, &options).map_err(in_place)?;
        lines.push(show::edn(&without_times(&stats)));
    }
    lines.extend(show::answer(
        &q(&text, &inputs, &options).map_err(in_place)?.to_value(),
    ));
    Ok(lines)
}

/// The lines of a plan without what differs from run to run: what stands below `time` and `share`.
fn steady(plan: &str) -> Vec<String> {
    let titles = plan.lines().next().unwrap_or_default();
    let end_of = |title: &str| Some(titles.find(title)? + title.len());
    let masked: Vec<usize> = match (end_of("time"), end_of("share")) {
        (Some(time), Some(share)) => (time - "1.23 ms".len()..time)
            .chain(share - "100%".len()..share)
            .collect(),
        _ => Vec::new(),
    };
    let shown = |line: &str| {
        let line = line.split(" · planned in").next().unwrap_or_default();
        let chars = line.chars().enumerate();
        let chars = chars.map(|(at, c)| if masked.contains(&at) { ' ' } else { c });
        chars.collect::<String>().trim_end().to_owned()
    };
    let rest = plan.lines().skip(1).map(shown);
    std::iter::once(titles.to_owned()).chain(rest).collect()
}

/// Statistics without what differs from run to run.
fn without_times(stats: &Value) -> Value {
    match stats {
        Value::Map(map) => {
            let kept = map.iter().filter(|(key, _)| **key != Value::keyword("t"));
            kept.map(|(key, value)| (key.clone(), without_times(value)))
                .collect::<Map>()
                .into()
        }
        Value::Vector(items) => Value::vector(items.iter().map(without_times)),
        other => other.clone(),
    }
}

/// The query of `{:query … :limit …}` and the modifiers around it; any other form by itself.
fn modified(form: &Value) -> (Value, QueryOptions) {
    match form.get("query") {
        Some(query) => (
            query.clone(),
            QueryOptions {
                modifiers: form.clone(),
                ..QueryOptions::default()
            },
        ),
        None => (form.clone(), QueryOptions::default()),
    }
}

impl Known<'_> {
    fn inputs(&self, form: &Value, written: Vec<Value>) -> Vec<Input> {
        let names = |value: &Value| {
            value
                .as_symbol()
                .is_some_and(|s| s.is_source() || s.as_str() == "%")
        };
        if written.iter().any(names) {
            return written.into_iter().map(|value| self.input(value)).collect();
        }
        // A query that cannot be read is refused later, with its place.
        let form = match form {
            Value::Str(text) => edn::read(text).unwrap_or_default(),
            other => other.clone(),
        };
        let Ok(query) = query::parse(&form, None) else {
            return vec![Input::Db(self.db.clone())];
        };
        let mut written = written.into_iter();
        let mut inputs = Vec::new();
        for input in &query.inputs {
            inputs.extend(match input {
                ast::Input::Source(name) => self
                    .source(&name.0)
                    .or_else(|| written.next().map(Input::Value)),
                ast::Input::Rules => Some(Input::Value(self.rules.clone())),
                ast::Input::Binding(_) | ast::Input::Pattern(_) => written.next().map(Input::Value),
            });
        }
        inputs.extend(written.map(Input::Value));
        inputs
    }

    fn input(&self, value: Value) -> Input {
        match value.as_symbol() {
            Some(symbol) if symbol.as_str() == "%" => Input::Value(self.rules.clone()),
            Some(symbol) => self
                .source(symbol)
                .unwrap_or_else(|| Input::Value(value.clone())),
            None => Input::Value(value),
        }
    }

    fn source(&self, name: &Symbol) -> Option<Input> {
        let named = self
            .named
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, source)| source);
        match named {
            Some(Source::Db(db)) => Some(Input::Db(db.clone())),
            Some(Source::Value(value)) => Some(Input::Value(value.clone())),
            None => (name.as_str() == "$").then(|| Input::Db(self.db.clone())),
        }
    }
}
