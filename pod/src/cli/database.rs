//! Arguments to connections and database values.

use datalith_engine::conn::{self, Config, Conn};
use datalith_engine::db::TimePoint;
use datalith_engine::{Code, Db, Keyword, Value, edn};

use super::arguments::{Creation, Moment, Place};
use super::fault::Fault;
use super::input::Text;

/// Connects to a branch of a database that exists.
pub(crate) fn connect(place: &Place) -> Result<Conn, Fault> {
    connect_to(&place.db, place.branch.as_deref())
}

/// As [`connect`]; without the name of a branch to the one that the place names, else to `:db`.
pub(crate) fn connect_to(place: &str, branch: Option<&str>) -> Result<Conn, Fault> {
    let mut config = config(place, &[])?;
    if let Some(branch) = branch {
        config = config.with("branch", Value::Keyword(branch_name(branch)?))?;
    }
    Ok(Conn::connect(&config)?)
}

/// Connects to a database for somebody who explores: made first where there is none.
pub(crate) fn connect_for_console(place: &str, branch: Option<&str>) -> Result<Conn, Fault> {
    create_if_missing(&config(place, &[])?)?;
    connect_to(place, branch)
}

/// The name of a branch as an argument gives it, with or without its colon.
pub(crate) fn branch_name(text: &str) -> Result<Keyword, Fault> {
    let name = text.strip_prefix(':').unwrap_or(text);
    match edn::read(&format!(":{name}")) {
        Ok(Value::Keyword(keyword)) if keyword.as_str() == name => Ok(keyword),
        _ => Err(Fault::Usage(format!(
            "{text}: a branch is named as keywords are, such as draft or team/draft"
        ))),
    }
}

/// Connects to a database, made first where that was asked for and there is none.
pub(crate) fn connect_or_create(place: &Place, creation: &Creation) -> Result<Conn, Fault> {
    if creation.create {
        let flexibility = if creation.schema_on_read {
            "read"
        } else {
            "write"
        };
        let options = [
            ("schema-flexibility", Value::keyword(flexibility)),
            ("keep-history?", Value::Bool(!creation.no_history)),
        ];
        create_if_missing(&config(&place.db, &options)?)?;
    }
    connect(place)
}

/// Creates a database unless another process was faster.
fn create_if_missing(config: &Config) -> Result<(), Fault> {
    if conn::database_exists(config)? {
        return Ok(());
    }
    match conn::create_database(config) {
        Err(error) if error.code() != Code::DbAlreadyExists => Err(error.into()),
        _ => Ok(()),
    }
}

/// The configuration of a place: a directory, or a map as text. Whatever else the database was
/// created with is taken as it is.
pub(crate) fn config(place: &str, options: &[(&str, Value)]) -> Result<Config, Fault> {
    let given = if place.trim_start().starts_with('{') {
        Text {
            name: "--db".to_owned(),
            body: place.to_owned(),
        }
        .form()?
    } else {
        let store = Value::map([
            (Value::keyword("backend"), Value::keyword("file")),
            (Value::keyword("path"), Value::str(place)),
        ]);
        Value::map([(Value::keyword("store"), store)])
    };
    let mut entries = given.as_map().cloned().unwrap_or_default();
    entries.insert(Value::keyword("allow-unsafe-config"), Value::Bool(true));
    for (key, value) in options {
        entries
            .entry(Value::keyword(key))
            .or_insert_with(|| value.clone());
    }
    Ok(Config::from_value(&Value::from(entries))?)
}

/// The newest database value as of a moment.
pub(crate) fn at(conn: &Conn, moment: &Moment) -> Result<Db, Fault> {
    let mut db = conn.db()?;
    if let Some(point) = &moment.as_of {
        db = db.as_of(time_point(point, "--as-of")?)?;
    }
    if let Some(point) = &moment.since {
        db = db.since(time_point(point, "--since")?)?;
    }
    if moment.history {
        db = db.history()?;
    }
    Ok(db)
}

/// A transaction by its entity or by its number, or an instant as `#inst` takes it.
pub(crate) fn time_point(text: &str, option: &str) -> Result<TimePoint, Fault> {
    TimePoint::from_text(text)
        .map_err(|error| Fault::Usage(format!("{option}: {}", error.message())))
}
