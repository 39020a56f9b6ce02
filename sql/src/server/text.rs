//! Values as PostgreSQL writes them for people.

use std::io::Write;

use super::refusal::Refusal;
use super::scalar::{Scalar, Zone};

const DAY_US: i64 = 86_400_000_000;

/// Appends a value; nothing for NULL.
///
/// Errors: those of the items of a list.
pub(super) fn write(scalar: &Scalar<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    // Writing into memory never fails.
    let _ = match scalar {
        Scalar::Null => Ok(()),
        Scalar::Bool(b) => out.write_all(if *b { b"t" } else { b"f" }),
        Scalar::Int2(n) => write!(out, "{n}"),
        Scalar::Int4(n) => write!(out, "{n}"),
        Scalar::Int8(n) => write!(out, "{n}"),
        Scalar::Float4(x) => float(out, f64::from(*x), &format!("{x}"), &format!("{x:e}")),
        Scalar::Float8(x) => float(out, *x, &format!("{x}"), &format!("{x:e}")),
        Scalar::Text(text) => out.write_all(text.as_bytes()),
        Scalar::Bytes(bytes) => {
            out.extend(b"\\x");
            bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
        }
        Scalar::Numeric(digits) => out.write_all(digits.as_bytes()),
        Scalar::Date(days) => {
            let era = date(out, *days);
            out.write_all(era)
        }
        Scalar::Timestamp { us, zone } => {
            let era = date(out, us.div_euclid(DAY_US));
            out.push(b' ');
            clock(out, us.rem_euclid(DAY_US));
            if *zone == Zone::Utc {
                out.extend(b"+00");
            }
            out.write_all(era)
        }
        Scalar::Time(us) => {
            clock(out, *us);
            Ok(())
        }
        Scalar::Interval { months, days, us } => {
            let sign = if *us < 0 { "-" } else { "" };
            let written = write!(out, "{months} mons {days} days {sign}");
            clock(out, us.saturating_abs());
            written
        }
        Scalar::List(items) => return list(items.as_ref(), out),
    };
    Ok(())
}

/// A floating point number, with an exponent where it would be long without.
fn float(out: &mut Vec<u8>, x: f64, plain: &str, short: &str) -> std::io::Result<()> {
    let text = match x {
        _ if x.is_nan() => "NaN",
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ if x == 0.0 || (1e-5..1e15).contains(&x.abs()) => plain,
        _ => short,
    };
    out.write_all(text.as_bytes())
}

/// Appends a date; what is said of its era belongs at the end.
fn date(out: &mut Vec<u8>, days: i64) -> &'static [u8] {
    let (year, month, day) = civil(days);
    let (year, era): (i64, &[u8]) = match year {
        ..=0 => (1 - year, b" BC"),
        _ => (year, b""),
    };
    let _ = write!(out, "{year:04}-{month:02}-{day:02}");
    era
}

/// Year, month and day of a day since 1970, by the Gregorian calendar.
///
/// Source: Howard Hinnant, chrono-compatible low-level date algorithms, `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Appends hours, minutes, seconds and what is left of one.
fn clock(out: &mut Vec<u8>, us: i64) {
    let (seconds, rest) = (us / 1_000_000, us % 1_000_000);
    let (minutes, second) = (seconds / 60, seconds % 60);
    let _ = write!(out, "{:02}:{:02}:{second:02}", minutes / 60, minutes % 60);
    if rest != 0 {
        let fraction = format!("{rest:06}");
        let _ = write!(out, ".{}", fraction.trim_end_matches('0'));
    }
}

fn list(items: &dyn datafusion::arrow::array::Array, out: &mut Vec<u8>) -> Result<(), Refusal> {
    out.push(b'{');
    for row in 0..items.len() {
        if row > 0 {
            out.push(b',');
        }
        match Scalar::of(items, row)? {
            Scalar::Null => out.extend(b"NULL"),
            item => {
                let mut text = Vec::new();
                write(&item, &mut text)?;
                quoted(&text, out);
            }
        }
    }
    out.push(b'}');
    Ok(())
}

/// An item of a list, in quotes where it would be read otherwise.
fn quoted(text: &[u8], out: &mut Vec<u8>) {
    let is_plain = |byte: &u8| {
        !matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\') && !byte.is_ascii_whitespace()
    };
    if !text.is_empty() && !text.eq_ignore_ascii_case(b"NULL") && text.iter().all(is_plain) {
        return out.extend(text);
    }
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::StringArray;

    use super::*;

    fn shown(scalar: Scalar<'_>) -> String {
        let mut out = Vec::new();
        write(&scalar, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_written_as_postgres_writes_them() {
        let at = |us| Scalar::Timestamp {
            us,
            zone: Zone::Utc,
        };
        assert_eq!(shown(at(0)), "1970-01-01 00:00:00+00");
        assert_eq!(shown(at(-1)), "1969-12-31 23:59:59.999999+00");
        assert_eq!(shown(at(951_782_400_500_000)), "2000-02-29 00:00:00.5+00");
        assert_eq!(shown(Scalar::Date(-719_529)), "0002-12-31 BC");
        assert_eq!(shown(Scalar::Float8(0.1)), "0.1");
        assert_eq!(shown(Scalar::Float4(0.1)), "0.1");
        assert_eq!(shown(Scalar::Float8(1e300)), "1e300");
        assert_eq!(shown(Scalar::Float8(-0.0)), "-0");
        assert_eq!(shown(Scalar::Float8(f64::NEG_INFINITY)), "-Infinity");
        assert_eq!(shown(Scalar::Bytes(&[0, 255])), "\\x00ff");
        let items = [Some("a"), None, Some(""), Some("null"), Some("x\"\\ ,y")];
        let items = Scalar::List(Arc::new(StringArray::from(items.to_vec())));
        assert_eq!(shown(items), r#"{a,NULL,"","null","x\"\\ ,y"}"#);
    }
}
