//! Expressions with the meaning that Clojure gives them.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions::regex::expr_fn::regexp_like;
use datafusion::functions::string::expr_fn::{concat, contains, split_part};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, cast, lit, when};
use datalith_engine::{Result, Value};

use super::kind::{Kind, Type, column, literal};
use super::relation::{Field, planned, unsupported};

/// An argument of a function.
#[derive(Clone)]
pub(super) struct Operand {
    pub(super) of: Type,
    /// As many as its type has columns.
    pub(super) columns: Vec<Expr>,
    pub(super) is_named: bool,
    /// Whether it is a text whose bytes order as Java orders it, whatever it is compared with.
    is_ascii: bool,
}

impl Operand {
    pub(super) fn of(field: &Field) -> Operand {
        let columns = field.columns().into_iter();
        Operand {
            of: field.of,
            columns: columns.map(|(name, _)| column(name)).collect(),
            is_named: field.is_named,
            is_ascii: false,
        }
    }

    pub(super) fn of_kind(kind: Kind, expr: Expr) -> Operand {
        Operand {
            of: Type::Of(kind),
            columns: vec![expr],
            is_named: false,
            is_ascii: false,
        }
    }

    pub(super) fn constant(value: &Value) -> Result<Operand> {
        let Some((kind, expr)) = literal(value) else {
            return Err(unsupported(format!("The value {value} does not lower")));
        };
        let is_ascii = matches!(value, Value::Str(text) if text.is_ascii());
        Ok(Operand {
            is_ascii,
            ..Operand::of_kind(kind, expr)
        })
    }

    fn lifted(&self) -> Vec<Expr> {
        match self.of {
            Type::Mixed => self.columns.clone(),
            Type::Of(kind) => (0..Type::Mixed.columns().len())
                .map(|at| kind.lifted(self.columns[0].clone(), at))
                .collect(),
        }
    }

    /// What it is sorted by, where one expression can say it.
    pub(super) fn sort_key(&self) -> Result<Expr> {
        let one = self.columns[0].clone();
        match self.of {
            Type::Of(Kind::Bool | Kind::Long | Kind::Double | Kind::Instant) => Ok(one),
            Type::Of(Kind::Str) => plain(one),
            Type::Of(Kind::Keyword | Kind::Symbol) => {
                Err(unsupported("The least or greatest of names does not lower"))
            }
            _ => Err(unsupported("The order of such values does not lower")),
        }
    }

    /// What it is sorted by.
    pub(super) fn sort_keys(&self) -> Result<Vec<Expr>> {
        match self.of {
            Type::Of(kind) if kind.is_name() => {
                let text = plain(self.columns[0].clone())?;
                Ok(vec![namespace(text.clone())?, text])
            }
            _ => Ok(vec![self.sort_key()?]),
        }
    }
}

/// The condition that two are equal; none if they never are.
pub(super) fn equal(a: &Operand, b: &Operand) -> Option<Expr> {
    match (a.of, b.of) {
        (Type::Of(x), Type::Of(y)) if x != y => None,
        (Type::Of(_), Type::Of(_)) => Some(a.columns[0].clone().eq(b.columns[0].clone())),
        _ => {
            let pairs = a.lifted().into_iter().zip(b.lifted());
            pairs.map(|(x, y)| x.eq(y)).reduce(Expr::and)
        }
    }
}

/// The condition that one comes before another.
pub(super) fn in_order(a: &Operand, operator: Operator, b: &Operand) -> Result<Expr> {
    let binary =
        |a: Expr, b: Expr| Expr::BinaryExpr(BinaryExpr::new(Box::new(a), operator, Box::new(b)));
    let kind = match (a.of, b.of) {
        (Type::Of(x), Type::Of(y)) if x == y => x,
        _ => {
            return Err(unsupported(
                "The order of values of several kinds does not lower",
            ));
        }
    };
    let (x, y) = (a.columns[0].clone(), b.columns[0].clone());
    Ok(match kind {
        Kind::Bool | Kind::Long | Kind::Instant => binary(x, y),
        // Arrow sorts NaN last; to Clojure it is in no order.
        Kind::Double => {
            let ordered = x.clone().lt_eq(lit(f64::INFINITY));
            let ordered = ordered.and(y.clone().lt_eq(lit(f64::INFINITY)));
            binary(x, y).and(ordered)
        }
        Kind::Str if a.is_ascii || b.is_ascii => binary(x, y),
        Kind::Str => binary(plain(x)?, plain(y)?),
        Kind::Keyword | Kind::Symbol => {
            let (x, y) = (plain(x)?, plain(y)?);
            let (n, m) = (namespace(x.clone())?, namespace(y.clone())?);
            let within = n.clone().eq(m.clone()).and(binary(x, y));
            match operator {
                Operator::Lt | Operator::LtEq => n.lt(m).or(within),
                _ => n.gt(m).or(within),
            }
        }
        Kind::Uuid => return Err(unsupported("The order of UUIDs does not lower")),
    })
}

/// A text that bytes order as Java does. One with signs beyond the basic plane is not: reading it is
/// a division by zero, which [`super::answer`] makes an error of ours.
fn plain(text: Expr) -> Result<Expr> {
    let beyond = lit("[\u{10000}-\u{10FFFF}]");
    let is_beyond = regexp_like(text.clone(), beyond, None);
    let divisor = planned(when(is_beyond, lit(0i64)).otherwise(lit(1i64)))?;
    let is_plain = (lit(1i64) / divisor).eq(lit(1i64));
    let none = Expr::Literal(ScalarValue::Utf8View(Some(String::new())), None);
    planned(when(is_plain, text).otherwise(none))
}

/// The namespace of a name; the empty text, which comes first, for none.
fn namespace(text: Expr) -> Result<Expr> {
    let slash = || lit("/");
    let part = split_part(text.clone(), slash(), lit(1i64));
    // `/` alone, `/a` and `a/` are names without one.
    let is_cut = contains(text.clone(), slash()).and(part.clone().not_eq(lit("")));
    let is_cut = is_cut.and(concat(vec![part.clone(), slash()]).not_eq(text));
    let text = |expr| cast(expr, DataType::Utf8View);
    planned(when(is_cut, text(part)).otherwise(text(lit(""))))
}

/// `+ - * inc dec` of longs, which is an error where it overflows, and of doubles.
pub(super) fn arithmetic(name: &str, operands: &[Operand]) -> Result<Option<Operand>> {
    let one = Operand::constant(&Value::Long(1))?;
    let (operator, operands) = match (name, operands) {
        ("inc", [x]) => (Operator::Plus, vec![x.clone(), one]),
        ("dec", [x]) => (Operator::Minus, vec![x.clone(), one]),
        ("+", [_, _, ..]) => (Operator::Plus, operands.to_vec()),
        ("-", [_, _, ..]) => (Operator::Minus, operands.to_vec()),
        ("*", [_, _, ..]) => (Operator::Multiply, operands.to_vec()),
        _ => return Ok(None),
    };
    let all = |kind| operands.iter().all(|operand| operand.of == Type::Of(kind));
    let kind = match () {
        () if all(Kind::Long) => Kind::Long,
        () if all(Kind::Double) => Kind::Double,
        () => return Ok(None),
    };
    let mut total: Option<Expr> = None;
    for operand in operands {
        let next = operand.columns[0].clone();
        total = Some(match (total, kind) {
            (None, _) => next,
            (Some(total), Kind::Long) => exact(total, operator, next),
            (Some(total), _) => {
                let sum = BinaryExpr::new(Box::new(total), operator, Box::new(next));
                canonical(Expr::BinaryExpr(sum))?
            }
        });
    }
    Ok(total.map(|total| Operand::of_kind(kind, total)))
}

/// Longs worked out as decimals, so that what does not fit is seen when it is made a long again.
fn exact(a: Expr, operator: Operator, b: Expr) -> Expr {
    let wide = |x: Expr| cast(x, DataType::Decimal128(19, 0));
    let sum = BinaryExpr::new(Box::new(wide(a)), operator, Box::new(wide(b)));
    cast(Expr::BinaryExpr(sum), DataType::Int64)
}

/// A double whose bits are equal exactly if it is: one NaN, no `-0.0`.
pub(super) fn canonical(x: Expr) -> Result<Expr> {
    let is_number = x
        .clone()
        .between(lit(f64::NEG_INFINITY), lit(f64::INFINITY));
    planned(when(is_number, x + lit(0f64)).otherwise(lit(f64::NAN)))
}
