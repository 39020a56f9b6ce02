//! Values as JSON: what JSON has as itself, all else as the text a person would write.
//!
//! Keywords lose their colon, sets become arrays, instants RFC 3339 text; integers keep all their
//! digits. What has no end in JSON (`##NaN`, `##Inf`) becomes text.

use std::io::{self, Write};

use datalith_engine::{Value, edn};

use super::listing::plain;

/// Writes one value.
pub(crate) fn write(out: &mut impl Write, value: &Value) -> io::Result<()> {
    match value {
        Value::Nil => out.write_all(b"null"),
        Value::Bool(_) | Value::Long(_) => write!(out, "{value}"),
        Value::Double(x) if x.is_finite() => write!(out, "{}", edn::double_text(*x)),
        Value::Float(x) if x.is_finite() => write!(out, "{}", edn::double_text(f64::from(*x))),
        Value::BigInt(n) => write!(out, "{n}"),
        Value::BigDec(_) => out.write_all(edn::display_str(value).as_bytes()),
        Value::Keyword(keyword) => text(out, keyword.as_str()),
        Value::FloatArray(items) => array(out, items.iter().map(|x| Value::Double(f64::from(*x)))),
        Value::DoubleArray(items) => array(out, items.iter().map(|x| Value::Double(*x))),
        Value::Bytes(bytes) => text(out, &edn::base64::encode(bytes)),
        Value::List(items) | Value::Vector(items) => array(out, items.iter()),
        Value::Set(items) => array(out, items.iter()),
        Value::Map(map) => {
            out.write_all(b"{")?;
            for (at, (key, value)) in map.iter().enumerate() {
                out.write_all(if at == 0 { b"" } else { b"," })?;
                match key {
                    Value::Keyword(keyword) => text(out, keyword.as_str())?,
                    key => text(out, &plain(key))?,
                }
                out.write_all(b":")?;
                write(out, value)?;
            }
            out.write_all(b"}")
        }
        other => text(out, &plain(other)),
    }
}

fn array<V: std::borrow::Borrow<Value>>(
    out: &mut impl Write,
    items: impl Iterator<Item = V>,
) -> io::Result<()> {
    out.write_all(b"[")?;
    for (at, item) in items.enumerate() {
        out.write_all(if at == 0 { b"" } else { b"," })?;
        write(out, item.borrow())?;
    }
    out.write_all(b"]")
}

fn text(out: &mut impl Write, text: &str) -> io::Result<()> {
    serde_json::to_writer(out, text).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_form() {
        let check = |given: &str, expected: &str| {
            let mut out = Vec::new();
            write(&mut out, &edn::read(given).unwrap()).unwrap();
            let written = String::from_utf8(out).unwrap();
            assert_eq!(written, expected);
            serde_json::from_str::<serde_json::Value>(&written).unwrap();
        };
        check(
            "{:a/b [1 2.0 nil true], \"c\" #{:x}}",
            r#"{"a/b":[1,2.0,null,true],"c":["x"]}"#,
        );
        check(
            "[1e300 123456789012345678901234567890 1.50M 1/3]",
            "[1.0E300,123456789012345678901234567890,1.50,\"1/3\"]",
        );
        check(
            "[##NaN #inst \"2026-01-31\" \\a sym]",
            r#"["NaN","2026-01-31T00:00:00.000-00:00","a","sym"]"#,
        );
        check("{[1 2] \"a\\n\"}", r#"{"[1 2]":"a\n"}"#);
    }
}
