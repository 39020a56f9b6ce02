//! `format`: the conversions of Java's formatter that make sense for values.

use num_traits::Signed;

use super::failure::{Cause, class_name, over_limit};
use super::number::Number;
use super::print::Text;
use super::regex::text_of;
use crate::error::{Error, Result};
use crate::value::Value;

/// Widest field and longest fraction.
const WIDTH_MAX: usize = 4_096;

/// One `%…` of a format text.
#[derive(Default)]
struct Field {
    argument: Option<usize>,
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    group: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

pub(super) fn format(args: &[Value]) -> Result<Value> {
    let mut rest = text_of(&args[0])?;
    let values = &args[1..];
    let mut next = 0;
    let mut out = Text::default();
    while let Some(at) = rest.find('%') {
        out.push(&rest[..at])?;
        let (field, conversion, tail) = read_field(&rest[at + 1..])?;
        rest = tail;
        match conversion {
            '%' => out.push(&pad("%".into(), &field))?,
            'n' => out.push("\n")?,
            _ => {
                let index = field.argument.unwrap_or_else(|| {
                    next += 1;
                    next
                });
                let value = index
                    .checked_sub(1)
                    .and_then(|n| values.get(n))
                    .ok_or_else(|| {
                        bad(format!("Format specifier '%{conversion}' has no argument"))
                    })?;
                out.push(&pad(convert(&field, conversion, value)?, &field))?;
            }
        }
    }
    out.push(rest)?;
    Ok(out.into_value())
}

fn bad(message: String) -> Error {
    Cause::IllegalArgument.error(message)
}

fn read_field(text: &str) -> Result<(Field, char, &str)> {
    let mut field = Field::default();
    let (number, after) = digits(text);
    let mut rest = text;
    if let (Some(n), Some(tail)) = (number, after.strip_prefix('$')) {
        field.argument = Some(n);
        rest = tail;
    }
    while let Some(flag) = rest.chars().next() {
        match flag {
            '-' => field.left = true,
            '+' => field.plus = true,
            ' ' => field.space = true,
            '0' => field.zero = true,
            ',' => field.group = true,
            '#' => field.alternate = true,
            _ => break,
        }
        rest = &rest[1..];
    }
    let (width, tail) = digits(rest);
    field.width = width.unwrap_or(0);
    rest = tail;
    if let Some(tail) = rest.strip_prefix('.') {
        let (precision, tail) = digits(tail);
        field.precision = Some(precision.ok_or_else(|| bad("precision is missing".into()))?);
        rest = tail;
    }
    if field.width > WIDTH_MAX || field.precision.is_some_and(|p| p > WIDTH_MAX) {
        return Err(over_limit("format-width", WIDTH_MAX));
    }
    let conversion = rest
        .chars()
        .next()
        .ok_or_else(|| bad("conversion is missing".into()))?;
    Ok((field, conversion, &rest[conversion.len_utf8()..]))
}

fn digits(text: &str) -> (Option<usize>, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number = if end == 0 {
        None
    } else {
        Some(text[..end].parse().unwrap_or(usize::MAX))
    };
    (number, &text[end..])
}

fn convert(field: &Field, conversion: char, value: &Value) -> Result<String> {
    let text = match (conversion.to_ascii_lowercase(), value) {
        ('b', Value::Nil) => "false".into(),
        ('b', Value::Bool(b)) => b.to_string(),
        ('b', _) => "true".into(),
        ('s' | 'd' | 'x' | 'o' | 'f' | 'e' | 'g' | 'c', Value::Nil) => cut("null".into(), field),
        ('s', _) => {
            let mut text = Text::default();
            text.push_str_of(value)?;
            cut(text.into_string(), field)
        }
        ('c', Value::Char(c)) => c.to_string(),
        ('d', Value::Long(_) | Value::BigInt(_)) => {
            let number = Number::of(value)?.truncate().unwrap_or_default();
            signed(number.abs().to_string(), number.is_negative(), field)
        }
        ('x', Value::Long(n)) if field.alternate => format!("{n:#x}"),
        ('x', Value::Long(n)) => format!("{n:x}"),
        ('o', Value::Long(n)) if field.alternate => format!("0{n:o}"),
        ('o', Value::Long(n)) => format!("{n:o}"),
        ('f', Value::Double(_) | Value::Float(_) | Value::BigDec(_)) => {
            fixed(&Number::of(value)?, field)
        }
        ('e', Value::Double(_) | Value::Float(_)) => {
            let x = Number::of(value)?.to_double();
            signed(
                scientific(x.abs(), field.precision.unwrap_or(6)),
                x < 0.0,
                field,
            )
        }
        (letter, _) if "sdxofecbg".contains(letter) => {
            return Err(bad(format!("{conversion} != {}", class_name(value))));
        }
        _ => return Err(bad(format!("Unknown format conversion '%{conversion}'"))),
    };
    Ok(if conversion.is_ascii_uppercase() {
        text.to_uppercase()
    } else {
        text
    })
}

fn cut(text: String, field: &Field) -> String {
    match field.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text,
    }
}

/// Rounds half up on the decimal digits that print, as Java does.
fn fixed(number: &Number, field: &Field) -> String {
    let x = number.to_double();
    if !x.is_finite() {
        return if x.is_nan() {
            "NaN".into()
        } else {
            signed("Infinity".into(), x < 0.0, field)
        };
    }
    let precision = field.precision.unwrap_or(6);
    let decimal = super::number::to_decimal(number).unwrap_or_default();
    let rounded = decimal
        .abs()
        .with_scale_round(precision as i64, bigdecimal::RoundingMode::HalfUp)
        .to_plain_string();
    signed(rounded, number.sign() < 0, field)
}

fn scientific(x: f64, precision: usize) -> String {
    let text = format!("{x:.precision$e}");
    match text.split_once('e') {
        Some((digits, power)) => {
            let (sign, power) = match power.strip_prefix('-') {
                Some(power) => ('-', power),
                None => ('+', power),
            };
            format!("{digits}e{sign}{power:0>2}")
        }
        None => text,
    }
}

fn signed(mut digits: String, negative: bool, field: &Field) -> String {
    if field.group {
        digits = grouped(&digits);
    }
    let sign = match negative {
        true => "-",
        false if field.plus => "+",
        false if field.space => " ",
        false => "",
    };
    if field.zero {
        let wanted = field.width.saturating_sub(sign.len());
        return format!("{sign}{digits:0>wanted$}");
    }
    format!("{sign}{digits}")
}

fn grouped(digits: &str) -> String {
    let (whole, fraction) = digits
        .split_once('.')
        .map_or((digits, None), |(w, f)| (w, Some(f)));
    let mut out = String::new();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

fn pad(text: String, field: &Field) -> String {
    let width = field.width;
    if field.left {
        format!("{text:<width$}")
    } else {
        format!("{text:>width$}")
    }
}
