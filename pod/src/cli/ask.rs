//! Queries: `q` and `explain`.

use std::io::{self, Write};
use std::time::Instant;

use datalith_engine::conn::Conn;
use datalith_engine::exec::{self, Answer, Input, QueryOptions};
use datalith_engine::query::ast::{self, Query};
use datalith_engine::{Value, edn, query};

use super::arguments::{Explain, PlanFormat, Q, Question};
use super::database;
use super::fault::Fault;
use super::input::Text;
use super::json;
use super::listing::Listing;
use super::output::{self, Format};
use super::paint::Paint;

/// Answers a query.
pub(crate) fn q(arguments: &Q) -> Result<(), Fault> {
    let asked = Asked::of(&arguments.question)?;
    let started = Instant::now();
    let answer = asked.answer()?;
    let took = started.elapsed();
    let listing = Listing::of_answer(&answer, &asked.parsed);
    output::show(&listing, Format::chosen(arguments.printing.format), took)
}

/// Shows the plan of a query, and on request what each of its steps did.
pub(crate) fn explain(arguments: &Explain) -> Result<(), Fault> {
    let asked = Asked::of(&arguments.question)?;
    let mut options = asked.options.clone();
    if arguments.analyze {
        let analyze = (Value::keyword("analyze"), Value::Bool(true));
        let given = options.modifiers.as_map().into_iter().flatten();
        let given = given.map(|(key, value)| (key.clone(), value.clone()));
        options.modifiers = Value::map(given.chain([analyze]));
    }
    let explained = exec::explain(&asked.form(), &asked.inputs, &options);
    let explained = explained.map_err(|error| Fault::refused_in(error, &asked.text))?;
    let mut out = output::stdout();
    match arguments.format {
        PlanFormat::Text => {
            let paint = Paint::of(&io::stdout());
            write!(
                out,
                "{}",
                explained.to_text(&|tone, text| paint.tone(tone, text))
            )?;
        }
        PlanFormat::Edn => writeln!(out, "{}", explained.to_value())?,
        PlanFormat::Json => {
            json::write(&mut out, &explained.to_value())?;
            writeln!(out)?;
        }
    }
    Ok(out.flush()?)
}

/// A question in the engine's terms.
pub(super) struct Asked {
    text: Text,
    parsed: Query,
    inputs: Vec<Input>,
    options: QueryOptions,
    /// Kept open while the query runs.
    _connections: Vec<Conn>,
}

impl Asked {
    /// Opens what the question is asked of.
    pub(super) fn of(question: &Question) -> Result<Asked, Fault> {
        let text = Text::of(&question.query, "query")?;
        let refused = |error| Fault::refused_in(error, &text);
        let (form, spans) = edn::read_spanned(&text.body).map_err(refused)?;
        let parsed = query::parse(&form, Some(&spans)).map_err(refused)?;
        let mut connections = Vec::new();
        let mut inputs = Vec::new();
        let mut places = question.db.iter().enumerate();
        let mut values = question.inputs.iter().enumerate();
        for input in &parsed.inputs {
            let place = match input {
                ast::Input::Source(_) => places.next(),
                _ => None,
            };
            if let Some((at, place)) = place {
                // One branch is that of every place.
                let branches = &question.branch;
                let branch = branches
                    .get(at)
                    .or(branches.first().filter(|_| branches.len() == 1));
                let conn = database::connect_to(place, branch.map(String::as_str))?;
                inputs.push(Input::Db(database::at(&conn, &question.moment)?));
                connections.push(conn);
            } else if let Some((at, value)) = values.next() {
                let value = Text::of(value, &format!("input {}", at + 1))?.form()?;
                inputs.push(Input::Value(value));
            } else {
                let message = match input {
                    ast::Input::Source(name) => format!("the query asks {name}; give it with --db"),
                    other => format!("the query has no input for {other}; give it after the query"),
                };
                return Err(Fault::Usage(message));
            }
        }
        if let Some((_, value)) = values.next() {
            return Err(Fault::Usage(format!(
                "the query's :in has no place for the input {value}"
            )));
        }
        if let Some((_, place)) = places.next() {
            return Err(Fault::Usage(format!(
                "the query's :in has no place for --db {place}"
            )));
        }
        let options = options(question);
        Ok(Asked {
            text,
            parsed,
            inputs,
            options,
            _connections: connections,
        })
    }

    /// Its answer.
    pub(super) fn answer(&self) -> Result<Answer, Fault> {
        let answer = exec::q(&self.form(), &self.inputs, &self.options);
        answer.map_err(|error| Fault::refused_in(error, &self.text))
    }

    /// What the columns of its answer are called.
    pub(super) fn headings(&self, answer: &Answer) -> Vec<String> {
        Listing::of_answer(answer, &self.parsed).headings
    }

    /// The query as text: errors then know where in it they are.
    fn form(&self) -> Value {
        Value::str(&self.text.body)
    }
}

fn options(question: &Question) -> QueryOptions {
    let given = [
        ("limit", question.limit),
        ("offset", question.offset),
        ("timeout", question.timeout),
    ];
    let given = given
        .iter()
        .filter_map(|(key, n)| Some((Value::keyword(key), Value::Long((*n)?))));
    let modifiers: Vec<(Value, Value)> = given.collect();
    let modifiers = if modifiers.is_empty() {
        Value::Nil
    } else {
        Value::map(modifiers)
    };
    QueryOptions {
        modifiers,
        ..QueryOptions::default()
    }
}
