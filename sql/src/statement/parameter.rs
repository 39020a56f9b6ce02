//! Values for the placeholders of a statement.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Array, CastKind, DataType, ExactNumberInfo, Expr, TimezoneInfo, TypedString, Value as Literal,
    VisitorMut,
};
use datalith_engine::{Code, Error, Map, Result, Value, edn};

use crate::column::DECIMAL_DIGITS;

/// What `$1`, `?` and `$name` stand for.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    /// In order: the first is `$1`, and what the first `?` stands for.
    pub positional: Vec<Value>,
    /// By name, without the `$`.
    pub named: Vec<(String, Value)>,
}

impl Parameters {
    /// Of what a caller passes: a sequence for positions, a map for names, nothing.
    ///
    /// Errors: [`Code::SqlStatement`] for anything else.
    pub fn from_value(value: &Value) -> Result<Parameters> {
        match value {
            Value::Nil => Ok(Parameters::default()),
            Value::List(items) | Value::Vector(items) => Ok(Parameters {
                positional: items.to_vec(),
                named: Vec::new(),
            }),
            Value::Map(map) => Ok(Parameters {
                positional: Vec::new(),
                named: named(map)?,
            }),
            other => Err(refused(format!(
                "parameters are a sequence of values, or a map of names to values, not {other}"
            ))),
        }
    }

    fn value(&self, placeholder: &str, asked: &mut usize) -> Result<&Value> {
        let missing = || {
            let message = format!("no value is given for the parameter {placeholder}");
            refused(message).with("parameter", placeholder)
        };
        if placeholder == "?" {
            *asked += 1;
            return self.positional.get(*asked - 1).ok_or_else(missing);
        }
        let name = placeholder.trim_start_matches(['$', '?', ':']);
        match name.parse::<usize>() {
            Ok(0) => Err(missing()),
            Ok(at) => self.positional.get(at - 1).ok_or_else(missing),
            Err(_) => {
                let named = self.named.iter().find(|(other, _)| other == name);
                named.map(|(_, value)| value).ok_or_else(missing)
            }
        }
    }
}

fn named(map: &Map) -> Result<Vec<(String, Value)>> {
    let entry = |(key, value): (&Value, &Value)| {
        let name = match key {
            Value::Keyword(keyword) => keyword.as_str().to_owned(),
            Value::Str(text) => text.to_string(),
            other => return Err(refused(format!("{other} is no name of a parameter"))),
        };
        Ok((name, value.clone()))
    };
    map.iter().map(entry).collect()
}

fn refused(message: String) -> Error {
    Error::new(Code::SqlStatement, message)
}

/// Puts values in the place of placeholders.
pub(super) struct Filling<'p> {
    parameters: &'p Parameters,
    /// How many `?` were seen.
    asked: usize,
}

impl<'p> Filling<'p> {
    pub(super) fn new(parameters: &'p Parameters) -> Filling<'p> {
        Filling {
            parameters,
            asked: 0,
        }
    }
}

impl VisitorMut for Filling<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let Expr::Value(value) = expr else {
            return ControlFlow::Continue(());
        };
        let Literal::Placeholder(placeholder) = &value.value else {
            return ControlFlow::Continue(());
        };
        let value = self.parameters.value(placeholder, &mut self.asked);
        match value.and_then(literal) {
            Ok(literal) => {
                *expr = literal;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// A value as a statement would write it.
fn literal(value: &Value) -> Result<Expr> {
    let plain = |literal: Literal| Expr::Value(literal.into());
    let text = |text: String| plain(Literal::SingleQuotedString(text));
    Ok(match value {
        Value::Nil => plain(Literal::Null),
        Value::Bool(b) => plain(Literal::Boolean(*b)),
        Value::Long(n) => cast(text(n.to_string()), DataType::BigInt(None)),
        Value::Double(x) => cast(text(x.to_string()), DataType::DoublePrecision),
        Value::Float(x) => cast(text(x.to_string()), DataType::Real),
        Value::BigInt(n) => decimal(n.to_string(), 0),
        Value::BigDec(n) => decimal(n.to_plain_string(), n.fractional_digit_count().max(0)),
        Value::Bytes(bytes) => {
            let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            plain(Literal::HexStringLiteral(hex))
        }
        Value::Str(s) => text(s.to_string()),
        Value::Keyword(keyword) => text(keyword.as_str().to_owned()),
        Value::Symbol(symbol) => text(symbol.as_str().to_owned()),
        Value::Uuid(uuid) => text(uuid.to_string()),
        Value::Char(c) => text(c.to_string()),
        Value::Instant(ms) => {
            let shown = edn::instant_text(*ms).ok_or_else(|| {
                refused(format!(
                    "an instant of {ms} ms lies beyond what can be written"
                ))
            })?;
            Expr::TypedString(TypedString {
                data_type: DataType::Timestamp(None, TimezoneInfo::WithTimeZone),
                value: Literal::SingleQuotedString(shown).into(),
                uses_odbc_syntax: false,
            })
        }
        Value::FloatArray(floats) => array(floats.iter().map(|x| literal(&Value::Float(*x))))?,
        Value::DoubleArray(doubles) => array(doubles.iter().map(|x| literal(&Value::Double(*x))))?,
        Value::List(items) | Value::Vector(items) => array(items.iter().map(literal))?,
        Value::Set(items) => array(items.iter().map(literal))?,
        other => return Err(refused(format!("SQL cannot take {other} as a parameter"))),
    })
}

/// A decimal, exactly; one with more digits than columns have is as near as a double is.
fn decimal(text: String, scale: i64) -> Expr {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let most = u64::from(DECIMAL_DIGITS);
    if digits as u64 > most {
        return Expr::Value(Literal::Number(text, false).into());
    }
    let text = Expr::Value(Literal::SingleQuotedString(text).into());
    let digits = ExactNumberInfo::PrecisionAndScale(most, scale);
    cast(text, DataType::Decimal(digits))
}

fn array(items: impl Iterator<Item = Result<Expr>>) -> Result<Expr> {
    Ok(Expr::Array(Array {
        elem: items.collect::<Result<_>>()?,
        named: true,
    }))
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}
