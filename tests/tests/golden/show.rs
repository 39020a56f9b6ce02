//! Values and errors as lines that come out the same on every run.

use std::time::{SystemTime, UNIX_EPOCH};

use datalith_engine::datom::{Datom, Op};
use datalith_engine::value::compare;
use datalith_engine::{Code, Error, Value};
use uuid::Uuid;

/// Longest line that holds several rows.
const WIDTH: usize = 100;
/// An instant this close is the moment of the run.
const NOW_MS: i64 = 86_400_000;

/// A result: the rows of a set in order, on one line where they fit; anything else as EDN.
pub(super) fn answer(value: &Value) -> Vec<String> {
    match value {
        Value::Set(set) if !set.is_empty() => {
            let rows: Vec<String> = sorted(set.iter()).into_iter().map(edn).collect();
            let line = rows.join(" ");
            if line.chars().count() <= WIDTH {
                vec![line]
            } else {
                rows
            }
        }
        other => vec![edn(other)],
    }
}

/// EDN with sets and maps in order, instants of this run as `#inst "now"`, ids drawn in it as `any`.
pub(super) fn edn(value: &Value) -> String {
    let joined = |items: &[Value]| items.iter().map(edn).collect::<Vec<_>>().join(" ");
    match value {
        Value::Vector(items) => format!("[{}]", joined(items)),
        Value::List(items) => format!("({})", joined(items)),
        Value::Set(set) => {
            let items: Vec<String> = sorted(set.iter()).into_iter().map(edn).collect();
            format!("#{{{}}}", items.join(" "))
        }
        Value::Map(map) => {
            let entry = |key: &Value| format!("{} {}", edn(key), edn(&map[key]));
            format!(
                "{{{}}}",
                sorted(map.keys())
                    .into_iter()
                    .map(entry)
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
        Value::Uuid(id) if is_random(*id) => "#uuid \"any\"".to_owned(),
        Value::Str(text) if Uuid::try_parse(text).is_ok_and(is_random) => "\"any\"".to_owned(),
        Value::Instant(ms) if (ms - now_ms()).abs() < NOW_MS => "#inst \"now\"".to_owned(),
        other => other.to_string(),
    }
}

/// `[e a v tx added]`
pub(super) fn datom(datom: &Datom) -> String {
    let parts = [
        Value::Long(datom.e.0),
        datom.a.clone(),
        datom.v.clone(),
        Value::Long(datom.tx.0),
        Value::Bool(datom.op == Op::Assert),
    ];
    edn(&Value::vector(parts))
}

/// `error :key message`, and the line it points at with carets below.
pub(super) fn error(error: &Error, text: &str) -> Vec<String> {
    let code = error.code();
    let key = code.keyword().or(code.type_keyword()).unwrap_or("none");
    let mut lines = vec![format!(
        "error :{key} {}",
        error.message().replace('\n', " ")
    )];
    // Where time runs out differs from run to run.
    let place = error.span().filter(|_| code != Code::QueryTimeout);
    let Some((before, marked)) =
        place.and_then(|span| Some((text.get(..span.start)?, text.get(span.start..span.end)?)))
    else {
        return lines;
    };
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let column = text[line_start..before.len()].chars().count();
    let width = marked
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        .max(1);
    lines.push(format!("  {line}"));
    lines.push(format!("  {}{}", " ".repeat(column), "^".repeat(width)));
    lines
}

/// Whether an id is another one in every run: it was drawn, or it is that of a commit, which holds
/// the time. The store in memory that has no id of its own always has the same.
fn is_random(id: Uuid) -> bool {
    const UNNAMED: Uuid = Uuid::from_u128(0x1fcd_d913_83a5_8b5f_87bf_ee2a_07c0_aa34);
    matches!(id.get_version_num(), 4 | 8) && id != UNNAMED
}

fn sorted<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<&'a Value> {
    let mut values: Vec<&Value> = values.collect();
    values.sort_by(|a, b| compare(a, b));
    values
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock stands after 1970");
    i64::try_from(since.as_millis()).expect("a moment of this age fits")
}
