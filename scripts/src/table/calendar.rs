//! Parts of instants, in UTC: years, months, days, and where each of them starts.

use arrow_arith::temporal::{DatePart, date_part};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Int64Array, TimestampMillisecondArray};
use chrono::{DateTime, Datelike, Months, NaiveDate};

use super::column::Column;
use super::failed;
use crate::fault::{Done, refused};

const DAY_MS: i64 = 86_400_000;
/// Days from a Monday to the first of January 1970.
const THURSDAY: i64 = 3;

/// The parts that scripts can ask for; a week starts on Monday, which is 1.
pub(super) const PARTS: [(&str, DatePart); 6] = [
    ("year", DatePart::Year),
    ("month", DatePart::Month),
    ("day", DatePart::Day),
    ("hour", DatePart::Hour),
    ("minute", DatePart::Minute),
    ("weekday", DatePart::DayOfWeekMonday1),
];

/// One part of each instant, as a long.
pub(super) fn part(column: &Column, what: DatePart) -> Done<Column> {
    let (_, ms, nulls) = instants(column)?.into_parts();
    // Without a zone: Arrow would look for one by its name.
    let plain = TimestampMillisecondArray::new(ms, nulls);
    let parts = date_part(&plain, what).map_err(failed)?;
    let parts = parts.as_primitive::<Int32Type>();
    Ok(Column::Long(parts.unary(i64::from)))
}

/// Each instant moved back to where its minute, hour, day, week, month, quarter or year starts.
pub(super) fn start_of(column: &Column, what: &str) -> Done<Column> {
    let cells = instants(column)?;
    let by = |step: i64, shift: i64| -> Int64Array {
        let start = |ms: i64| {
            ms.saturating_add(shift)
                .div_euclid(step)
                .saturating_mul(step)
        };
        cells.unary(|ms| start(ms).saturating_sub(shift))
    };
    let started: Int64Array = match what {
        "minute" => by(60_000, 0),
        "hour" => by(3_600_000, 0),
        "day" => by(DAY_MS, 0),
        "week" => by(7 * DAY_MS, THURSDAY * DAY_MS),
        "month" => cells.unary(|ms| start_of_months(ms, 1)),
        "quarter" => cells.unary(|ms| start_of_months(ms, 3)),
        "year" => cells.unary(|ms| start_of_months(ms, 12)),
        _ => {
            return Err(refused(format!(
                "start_of takes minute, hour, day, week, month, quarter, year, not {what}"
            )));
        }
    };
    Ok(Column::instants(started))
}

/// Where a stretch of so many months starts, counted from January; instants beyond all years stay.
fn start_of_months(ms: i64, months: u32) -> i64 {
    let start = || {
        let date = DateTime::from_timestamp_millis(ms)?.date_naive();
        let first = NaiveDate::from_ymd_opt(date.year(), 1, 1)?;
        let start = first.checked_add_months(Months::new(date.month0() / months * months))?;
        Some(
            start
                .and_time(chrono::NaiveTime::MIN)
                .and_utc()
                .timestamp_millis(),
        )
    };
    start().unwrap_or(ms)
}

fn instants(column: &Column) -> Done<TimestampMillisecondArray> {
    match column {
        Column::Instant(cells) => Ok(cells.clone()),
        blank if blank.is_blank() => Ok(TimestampMillisecondArray::new_null(blank.len())),
        other => Err(refused(format!(
            "an instant has parts, this column is of kind {}",
            other.kind()
        ))),
    }
}
