//! Vectors: `search` and `index`.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use datalith_engine::nearest::{self, Reach, Space};
use datalith_engine::{Db, Value, entity};
use indicatif::{ProgressBar, ProgressStyle};

use super::arguments::{Look, Search};
use super::database;
use super::fault::Fault;
use super::input::Text;
use super::listing::Listing;
use super::output::{self, Format};

/// Shows the entities whose vectors are nearest to one, with some of their attributes.
pub(crate) fn search(arguments: &Search) -> Result<(), Fault> {
    let conn = database::connect(&arguments.place)?;
    let db = database::at(&conn, &arguments.moment)?;
    let index = Text::of(&arguments.index, "index")?.form()?;
    let (vector, like) = vector(arguments, &db, &index)?;
    let mut options = vec![(Value::keyword("exact"), Value::Bool(arguments.exact))];
    if let Some(ef) = arguments.ef {
        options.push((Value::keyword("ef"), Value::Long(i64::from(ef))));
    }
    let reach = match arguments.within {
        Some(radius) => Reach::Radius(radius),
        // What it is to be like is always nearest to itself.
        None => Reach::Count(arguments.count + usize::from(like.is_some())),
    };
    let started = Instant::now();
    let mut hits = nearest::search(&db, &index, &vector, reach, &Value::map(options))?;
    let took = started.elapsed();
    hits.retain(|hit| Some(hit.entity.0) != like);
    hits.truncate(match arguments.within {
        Some(_) => usize::MAX,
        None => arguments.count,
    });
    let show: Vec<Value> = arguments
        .show
        .iter()
        .map(|name| Text::of(name, "attribute")?.form())
        .collect::<Result<_, Fault>>()?;
    let mut rows = Vec::with_capacity(hits.len());
    for hit in &hits {
        let mut row = vec![
            Value::Double(f64::from(hit.distance)),
            Value::Long(hit.entity.0),
        ];
        let seen = match show.is_empty() {
            true => None,
            false => entity(&db, &Value::Long(hit.entity.0))?,
        };
        row.extend(show.iter().map(|name| {
            let value = seen.as_ref().and_then(Value::as_map);
            value
                .and_then(|map| map.get(name))
                .cloned()
                .unwrap_or_default()
        }));
        rows.push(row);
    }
    let shown: Vec<String> = show
        .iter()
        .map(|name| name.to_string().replace(':', ""))
        .collect();
    let mut headings = vec!["distance", "entity"];
    headings.extend(shown.iter().map(String::as_str));
    let listing = Listing::of_maps(&headings, rows);
    output::show(&listing, Format::chosen(arguments.printing.format), took)
}

/// The vector to be near to, and the entity whose it is, if it is an entity's.
fn vector(arguments: &Search, db: &Db, index: &Value) -> Result<(Value, Option<i64>), Fault> {
    match (&arguments.vector, &arguments.like, &arguments.text) {
        (Some(text), None, None) => Ok((Text::of(text, "vector")?.form()?, None)),
        (None, None, Some(text)) => Ok((Value::str(text), None)),
        (None, Some(name), None) => {
            let name = Text::of(name, "entity")?.form()?;
            let e = db.entid_strict(&name)?;
            let space = Space::of(db, index, None)?;
            let mut rows = space.attributes.iter().flat_map(|&a| db.rows_of(e, a));
            let row = rows.next();
            let row =
                row.ok_or_else(|| Fault::Failed(format!("{name} has no vector in {index}")))?;
            Ok((db.value(row.v), Some(e.0)))
        }
        _ => Err(Fault::Usage(
            "give the vector to be near to, or what to be like with --like or --text".to_owned(),
        )),
    }
}

/// Makes the vectors that texts lack.
pub(crate) fn embed(arguments: &Look) -> Result<(), Fault> {
    let conn = database::connect(&arguments.place)?;
    let bar = bar("{msg} {wide_bar} {human_pos}/{human_len} {eta}");
    let started = Instant::now();
    let made = conn.embed(&|progress| {
        bar.set_message(progress.attribute.to_string());
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let value = Value::map([(Value::keyword("texts"), Value::from(made?))]);
    output::show_value(&value, Format::chosen(arguments.printing.format))?;
    output::remark(&output::duration_text(started.elapsed()));
    Ok(())
}

/// Builds what indexes of vectors lack.
pub(crate) fn index(arguments: &Look) -> Result<(), Fault> {
    let conn = database::connect(&arguments.place)?;
    let bar = bar("{spinner} linking {msg} {human_pos} vectors {per_sec}");
    let started = Instant::now();
    let built = conn.build_graphs(&|progress| {
        bar.set_message(progress.index.to_string());
        bar.set_position(progress.done as u64);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let value = Value::map([(Value::keyword("graphs"), Value::from(built?))]);
    output::show_value(&value, Format::chosen(arguments.printing.format))?;
    output::remark(&output::duration_text(started.elapsed()));
    Ok(())
}

/// A bar that only a person at a terminal sees.
fn bar(form: &str) -> ProgressBar {
    let bar = match io::stderr().is_terminal() {
        true => ProgressBar::new(0),
        false => ProgressBar::hidden(),
    };
    let style = ProgressStyle::with_template(form);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
