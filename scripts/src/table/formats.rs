//! What scripts may do with tables and files.

use rhai::{Engine, ImmutableString, Map};

use super::read::{self, Csv};
use super::room;
use super::rows::Table;
use super::verbs::check_options;
use super::write::{self, Format};
use crate::fault::{Done, refused};
use crate::files::Grants;
use crate::meter::Meter;

/// How many times the bytes of its cells a table takes as text.
const TEXT_GROWTH: usize = 4;

/// Gives scripts what turns tables into text and files, and back.
pub(super) fn register(engine: &mut Engine, meter: &Meter, files: &Grants) {
    register_texts(engine, meter);
    register_writers(engine, meter, files);
    register_readers(engine, meter, files);
}

/// Formats that are text: a string, or a file.
const TEXTS: [(&str, Format); 5] = [
    ("to_csv", Format::Csv),
    ("to_json", Format::Json),
    ("to_jsonl", Format::JsonLines),
    ("to_markdown", Format::Markdown),
    ("to_html", Format::Html),
];
/// Formats that are only files.
const BINARIES: [(&str, Format); 2] =
    [("to_arrow", Format::Arrow), ("to_parquet", Format::Parquet)];

fn register_texts(engine: &mut Engine, meter: &Meter) {
    for (name, format) in TEXTS {
        let spent = meter.clone();
        engine.register_fn(name, move |table: &mut Table| {
            room(&spent, table.bytes().saturating_mul(TEXT_GROWTH))?;
            write::text(table, format)
        });
    }
    engine
        .register_fn("parse_csv", |text: ImmutableString| {
            read::csv(text.as_bytes(), &Csv::default())
        })
        .register_fn("parse_csv", |text: ImmutableString, options: Map| {
            read::csv(text.as_bytes(), &csv_of(&options)?)
        });
}

fn register_writers(engine: &mut Engine, meter: &Meter, files: &Grants) {
    for (name, format) in TEXTS.into_iter().chain(BINARIES) {
        let (spent, files) = (meter.clone(), files.clone());
        engine.register_fn(name, move |table: &mut Table, path: ImmutableString| {
            let path = files.writing(&path)?;
            room(&spent, table.bytes())?;
            write::file(table, format, &path)
        });
    }
}

fn register_readers(engine: &mut Engine, meter: &Meter, files: &Grants) {
    let (spent, granted) = (meter.clone(), files.clone());
    let csv = move |path: &str, csv: &Csv| -> Done<Table> {
        let bytes = read::bytes(&granted.reading(path)?, &spent)?;
        read::csv(&bytes, csv)
    };
    let plain = csv.clone();
    engine
        .register_fn("read_csv", move |path: ImmutableString| {
            plain(&path, &Csv::default())
        })
        .register_fn("read_csv", move |path: ImmutableString, options: Map| {
            csv(&path, &csv_of(&options)?)
        });
    let (spent, granted) = (meter.clone(), files.clone());
    engine.register_fn("read_json", move |path: ImmutableString| {
        read::json(&read::bytes(&granted.reading(&path)?, &spent)?)
    });
    let (spent, granted) = (meter.clone(), files.clone());
    engine.register_fn("read_parquet", move |path: ImmutableString| {
        read::parquet(&granted.reading(&path)?, &spent)
    });
    let (spent, granted) = (meter.clone(), files.clone());
    engine.register_fn("read_arrow", move |path: ImmutableString| {
        read::arrow(&granted.reading(&path)?, &spent)
    });
}

fn csv_of(options: &Map) -> Done<Csv> {
    check_options(options, "read_csv", &["delimiter", "header"])?;
    let mut csv = Csv::default();
    if let Some(delimiter) = options.get("delimiter") {
        let text = delimiter.to_string();
        let [byte] = text.as_bytes() else {
            return Err(refused(format!("delimiter is one character, not {text:?}")));
        };
        csv.delimiter = *byte;
    }
    if let Some(header) = options.get("header") {
        let has_header = header.as_bool();
        csv.has_header =
            has_header.map_err(|kind| refused(format!("header is true or false, not {kind}")))?;
    }
    Ok(csv)
}
