//! Instants: `#inst` texts and milliseconds since 1970 UTC.
//!
//! The calendar is Java's: Julian before 15 October 1582, so that the text of an old date means
//! the same instant as in Clojure.

use super::reader::wrong;
use crate::error::Result;

const DAY_MS: i64 = 86_400_000;
/// 15 October 1582, in days since 1970.
const GREGORIAN_DAY_MIN: i64 = -141_427;

/// Reads `2020`, `2020-01-02`, `2020-01-02T03:04:05.678+01:00` and what lies between: the
/// milliseconds since 1970. Without an offset it is UTC; beyond milliseconds digits are dropped.
///
/// Errors: `EdnSyntax` for another form or a part out of its range.
pub fn parse_instant(text: &str) -> Result<i64> {
    let fail = || wrong(format!("Unrecognized date/time syntax: {text}"));
    let mut rest = text;
    let year = number(&mut rest, 4).ok_or_else(fail)?;
    let mut parts = [1, 1, 0, 0, 0];
    for (part, lead) in parts.iter_mut().zip(["-", "-", "T", ":", ":"]) {
        let Some(mut after) = rest.strip_prefix(lead) else {
            break;
        };
        // `2020-01:00` is a year with an offset.
        match number(&mut after, 2) {
            Some(_) if lead == "-" && after.starts_with(':') => break,
            Some(n) => (*part, rest) = (n, after),
            None => return Err(fail()),
        }
    }
    let [month, day, hour, minute, second] = parts;
    let mut ms = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let is_second = text.matches(':').count() - rest.matches(':').count() == 2;
        let width = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if width == 0 || !is_second {
            return Err(fail());
        }
        let digits = format!("{:0<3}", &fraction[..width.min(3)]);
        ms = digits.parse().map_err(|_| fail())?;
        rest = &fraction[width..];
    }
    let offset_minutes = offset(rest).ok_or_else(fail)?;
    let in_range = (1..=12).contains(&month)
        && (1..=month_days(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < if minute == 59 { 61 } else { 60 };
    if !in_range {
        return Err(wrong(format!(
            "A part of the date or time is out of range: {text}"
        )));
    }
    let minutes = (days(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
    Ok((minutes * 60 + second) * 1000 + ms)
}

/// The first `width` characters as a number, if they are digits.
fn number(rest: &mut &str, width: usize) -> Option<i64> {
    let digits = rest
        .get(..width)
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    *rest = &rest[width..];
    digits.parse().ok()
}

/// Minutes east of UTC: nothing, `Z`, `+hh:mm` or `-hh:mm`.
fn offset(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.as_bytes().first() {
        None => return Some(0),
        Some(b'Z') if text.len() == 1 => return Some(0),
        Some(b'+') => (1, &text[1..]),
        Some(b'-') => (-1, &text[1..]),
        _ => return None,
    };
    let hours = number(&mut rest, 2).filter(|hours| *hours < 24)?;
    rest = rest.strip_prefix(':')?;
    let minutes = number(&mut rest, 2).filter(|minutes| *minutes < 60)?;
    rest.is_empty().then_some(sign * (hours * 60 + minutes))
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970. Years are counted from March, so that the leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let year_day = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let julian = 365 * year + year.div_euclid(4) + year_day - 719_470;
    let gregorian = julian + 2 - year.div_euclid(100) + year.div_euclid(400);
    if gregorian >= GREGORIAN_DAY_MIN {
        gregorian
    } else {
        julian
    }
}

/// Year, month and day of a day since 1970.
fn date(day: i64) -> (i64, i64, i64) {
    let (year, year_day) = if day >= GREGORIAN_DAY_MIN {
        let day = day + 719_468;
        let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        (era * 400 + year, day - (365 * year + year / 4 - year / 100))
    } else {
        let day = day + 719_470;
        let (era, day) = (day.div_euclid(1_461), day.rem_euclid(1_461));
        let year = (day - day / 1_460) / 365;
        (era * 4 + year, day - 365 * year)
    };
    let shifted = (5 * year_day + 2) / 153;
    let month = (shifted + 2) % 12 + 1;
    (
        if month <= 2 { year + 1 } else { year },
        month,
        year_day - (153 * shifted + 2) / 5 + 1,
    )
}

/// The text of an instant, `2020-01-02T03:04:05.678-00:00`; none outside the years 1 to 9999.
pub fn instant_text(ms: i64) -> Option<String> {
    let (year, month, day) = date(ms.div_euclid(DAY_MS));
    let [hour, minute, second, ms] = time(ms);
    (1..=9999).contains(&year).then(|| {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}-00:00")
    })
}

/// An instant as Java's `Date.toString` in UTC: `Wed Jan 01 00:00:00 UTC 2020`.
pub(super) fn date_text(ms: i64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let days = ms.div_euclid(DAY_MS);
    let (year, month, day) = date(days);
    let [hour, minute, second, _] = time(ms);
    let weekday = WEEKDAYS[days.rem_euclid(7) as usize];
    let month = MONTHS[month as usize - 1];
    format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}")
}

/// Hour, minute, second and millisecond of an instant.
fn time(ms: i64) -> [i64; 4] {
    let ms = ms.rem_euclid(DAY_MS);
    [ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_dates_offsets_and_the_old_calendar() {
        for (text, ms) in [
            ("1970", 0),
            ("2020-01", 1_577_836_800_000),
            ("2020-01-01T10", 1_577_872_800_000),
            ("2020-01-01T10:00:00.1239Z", 1_577_872_800_123),
            ("2020-01-01T00:00:00.000+01:30", 1_577_831_400_000),
            ("2020-01:30", 1_577_842_200_000),
            ("2016-12-31T23:59:60", 1_483_228_800_000),
            ("1582-10-15", -12_219_292_800_000),
            ("1582-10-10", -12_218_860_800_000),
            ("1582-10-04", -12_219_379_200_000),
            ("1500-03-01", -14_825_808_000_000),
            ("0000-01-01", -62_167_392_000_000),
        ] {
            assert_eq!(parse_instant(text).ok(), Some(ms), "{text}");
        }
        for text in [
            "",
            "99999-01-01",
            "2020-13",
            "2020-02-30",
            "2021-02-29",
            "2020-1-1",
            "2020-01-01T24",
            "2020-01-01T10:60",
            "2020-01-01T10:00:60",
            "2020-01-01T10.5",
            "2020-01-01 10",
            "2020z",
            "2020+24:00",
            "2020-01-01T10:00:00.",
            "２０２０",
        ] {
            assert!(parse_instant(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_read_back() {
        for ms in [
            0,
            -1,
            951_782_400_000,
            -12_219_292_800_000,
            -12_219_292_800_001,
            -62_135_769_600_000,
            253_402_300_799_999,
        ] {
            let text = instant_text(ms).unwrap();
            assert_eq!(parse_instant(&text).ok(), Some(ms), "{text}");
        }
        assert_eq!(
            instant_text(0).as_deref(),
            Some("1970-01-01T00:00:00.000-00:00")
        );
        assert_eq!(instant_text(253_402_300_800_000), None);
        assert_eq!(instant_text(i64::MIN), None);
        assert_eq!(date_text(1_577_836_800_000), "Wed Jan 01 00:00:00 UTC 2020");
    }
}
