//! What clients set and ask of a connection: `SET`, `SHOW`.

use super::refusal::{Refusal, UNSUPPORTED};

/// What a setting may become.
enum Range {
    /// Whatever a client likes: nothing depends on it.
    Any,
    /// Only what is so anyway.
    Only(&'static [&'static str]),
    /// A count of milliseconds.
    Milliseconds,
}

/// The settings: their names, what they are at first, and what they may become.
const SETTINGS: [(&str, &str, Range); 24] = [
    ("application_name", "", Range::Any),
    ("bytea_output", "hex", Range::Only(&["hex"])),
    (
        "client_encoding",
        "UTF8",
        Range::Only(&["utf8", "utf-8", "unicode"]),
    ),
    ("client_min_messages", "notice", Range::Any),
    (
        "datestyle",
        "ISO, MDY",
        Range::Only(&["iso", "iso, mdy", "iso, ymd", "iso, dmy"]),
    ),
    (
        "default_transaction_isolation",
        "read committed",
        Range::Only(READS),
    ),
    ("default_transaction_read_only", "off", Range::Only(OFF)),
    ("extra_float_digits", "3", Range::Any),
    (
        "idle_in_transaction_session_timeout",
        "0",
        Range::Only(&["0"]),
    ),
    ("integer_datetimes", "on", Range::Only(ON)),
    ("intervalstyle", "postgres", Range::Only(&["postgres"])),
    ("is_superuser", "off", Range::Only(OFF)),
    ("lock_timeout", "0", Range::Any),
    ("max_identifier_length", "63", Range::Only(&["63"])),
    ("row_security", "off", Range::Any),
    (
        "search_path",
        "public",
        Range::Only(&["public", "\"$user\", public", "$user, public"]),
    ),
    ("server_encoding", "UTF8", Range::Only(&["utf8"])),
    ("server_version", VERSION, Range::Only(&[])),
    ("server_version_num", "150000", Range::Only(&[])),
    ("session_authorization", "datalith", Range::Only(&[])),
    ("standard_conforming_strings", "on", Range::Only(ON)),
    ("statement_timeout", "0", Range::Milliseconds),
    (
        "timezone",
        "UTC",
        Range::Only(&["utc", "etc/utc", "gmt", "+00:00", "0"]),
    ),
    (
        "transaction_isolation",
        "read committed",
        Range::Only(READS),
    ),
];
const ON: &[&str] = &["on", "true", "yes", "1"];
const OFF: &[&str] = &["off", "false", "no", "0"];
const READS: &[&str] = &["read committed", "read uncommitted"];
/// The version of PostgreSQL whose clients are understood.
const VERSION: &str = concat!("15.0 (Datalith ", env!("CARGO_PKG_VERSION"), ")");
/// What clients are told at once, spelt as they know it.
const TOLD: [&str; 11] = [
    "application_name",
    "client_encoding",
    "DateStyle",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
    "TimeZone",
];

/// The settings of a connection.
pub(super) struct Settings([String; SETTINGS.len()]);

impl Settings {
    pub(super) fn new() -> Settings {
        Settings(SETTINGS.map(|(_, value, _)| value.to_owned()))
    }

    /// What a client is told as it connects.
    pub(super) fn told(&self) -> impl Iterator<Item = (&'static str, &str)> {
        TOLD.into_iter()
            .filter_map(|name| Some((name, self.get(name)?)))
    }

    /// The value of a setting; none if there is no such setting.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        place(name).map(|at| self.0[at].as_str())
    }

    /// Sets what may be set; how clients spell it, if they want to be told.
    ///
    /// Errors: 42704 for a name nobody knows, 22023 for a value that is no value, 0A000 for what would not be done.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<Option<&'static str>, Refusal> {
        let at = place(name).ok_or_else(|| unknown(name))?;
        let (_, initial, range) = &SETTINGS[at];
        let value = match value.to_ascii_lowercase() {
            word if word == "default" => initial,
            _ => value,
        };
        let lower = value.to_ascii_lowercase();
        match range {
            Range::Any => self.0[at] = value.to_owned(),
            Range::Milliseconds => self.0[at] = milliseconds(&lower)?.to_string(),
            Range::Only(values) if values.contains(&lower.as_str()) => {}
            Range::Only(_) if value.eq_ignore_ascii_case(initial) => {}
            Range::Only(_) => {
                let message =
                    format!("{name} is {initial} here and stays so, it cannot be {value}");
                return Err(Refusal::new(UNSUPPORTED, message));
            }
        }
        Ok(TOLD
            .into_iter()
            .find(|told| told.eq_ignore_ascii_case(name)))
    }

    /// Takes what a client would like as it connects, as far as it can be had.
    pub(super) fn wish(&mut self, name: &str, value: &str) {
        // What a client is told afterwards says what it has got.
        let _ = self.set(name, value);
    }

    /// Sets everything back.
    pub(super) fn reset(&mut self) {
        *self = Settings::new();
    }

    /// Most milliseconds of a statement, if that was set.
    pub(super) fn timeout_ms(&self) -> Option<u64> {
        let ms = self.get("statement_timeout")?.parse();
        ms.ok().filter(|ms| *ms > 0)
    }
}

fn place(name: &str) -> Option<usize> {
    SETTINGS
        .iter()
        .position(|(known, ..)| known.eq_ignore_ascii_case(name))
}

/// There is no setting of that name.
pub(super) fn unknown(name: &str) -> Refusal {
    Refusal::new("42704", format!("there is no setting {name}"))
}

/// A time as `SET statement_timeout` takes it: `250`, `'250ms'`, `'2s'`, `'1min'`.
fn milliseconds(text: &str) -> Result<u64, Refusal> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (count, unit) = text.split_at(end);
    let factor = match unit.trim() {
        "" | "ms" => Some(1),
        "s" => Some(1000),
        "min" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let count: Option<u64> = count.parse().ok();
    let ms = count
        .zip(factor)
        .and_then(|(count, factor)| count.checked_mul(factor));
    ms.ok_or_else(|| {
        Refusal::new(
            "22023",
            format!("{text} is no time: say 250, '2s' or '1min'"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_kept_or_refused() {
        let mut settings = Settings::new();
        assert_eq!(settings.timeout_ms(), None);
        settings.set("statement_timeout", "2s").unwrap();
        assert_eq!(settings.timeout_ms(), Some(2000));
        assert_eq!(settings.set("timezone", "utc").unwrap(), Some("TimeZone"));
        let state = |outcome: Result<_, Refusal>| outcome.unwrap_err().state;
        assert_eq!(state(settings.set("TimeZone", "Europe/Berlin")), "0A000");
        assert_eq!(state(settings.set("statement_timeout", "soon")), "22023");
        assert_eq!(state(settings.set("work_mem", "1")), "42704");
        assert_eq!(settings.told().count(), TOLD.len());
    }
}
