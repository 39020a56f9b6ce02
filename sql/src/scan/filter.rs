//! Conditions that an index can answer.

use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// What a condition says of one column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    /// The column's name.
    pub(crate) column: String,
    /// What its values must be.
    pub(crate) values: Wanted,
}

/// What the values of a column must be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    /// One of these.
    Among(Vec<ScalarValue>),
    /// At least the first and at most the second, as far as given; an end that is not to be reached
    /// counts as reached, so this may say too little.
    Between(Option<ScalarValue>, Option<ScalarValue>),
}

/// What an expression says of one column by constants; none if it is not that simple.
pub(crate) fn condition(expr: &Expr) -> Option<Condition> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (column, op, value) = match (&**left, &**right) {
                (Expr::Column(column), Expr::Literal(value, _)) => (column, *op, value),
                (Expr::Literal(value, _), Expr::Column(column)) => (column, op.swap()?, value),
                _ => return None,
            };
            let values = match op {
                Operator::Eq => Wanted::Among(vec![value.clone()]),
                Operator::Gt | Operator::GtEq => Wanted::Between(Some(value.clone()), None),
                Operator::Lt | Operator::LtEq => Wanted::Between(None, Some(value.clone())),
                _ => return None,
            };
            (!value.is_null()).then(|| of(column, values))
        }
        Expr::Between(Between {
            expr,
            negated: false,
            low,
            high,
        }) => match (&**expr, &**low, &**high) {
            (Expr::Column(column), Expr::Literal(low, _), Expr::Literal(high, _))
                if !low.is_null() && !high.is_null() =>
            {
                let values = Wanted::Between(Some(low.clone()), Some(high.clone()));
                Some(of(column, values))
            }
            _ => None,
        },
        Expr::InList(InList {
            expr,
            list,
            negated: false,
        }) => {
            let Expr::Column(column) = &**expr else {
                return None;
            };
            let literal = |item: &Expr| match item {
                Expr::Literal(value, _) => Some(value.clone()),
                _ => None,
            };
            let values = list.iter().map(literal).collect::<Option<Vec<_>>>()?;
            Some(of(column, Wanted::Among(values)))
        }
        _ => None,
    }
}

fn of(column: &Column, values: Wanted) -> Condition {
    Condition {
        column: column.name.clone(),
        values,
    }
}

/// Which whole numbers some conditions leave.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Longs {
    /// The least and the greatest.
    pub(crate) between: (i64, i64),
    /// The only ones, ascending.
    pub(crate) among: Option<Vec<i64>>,
}

impl Default for Longs {
    fn default() -> Longs {
        Longs {
            between: (i64::MIN, i64::MAX),
            among: None,
        }
    }
}

impl Longs {
    /// What all of some conditions leave; none if one of them does not compare with whole numbers.
    pub(crate) fn of<'w>(conditions: impl IntoIterator<Item = &'w Wanted>) -> Option<Longs> {
        let mut left = Longs::default();
        for condition in conditions {
            left.narrow(condition)?;
        }
        if let Some(among) = &mut left.among {
            let (least, most) = left.between;
            among.retain(|n| (least..=most).contains(n));
        }
        Some(left)
    }

    fn narrow(&mut self, wanted: &Wanted) -> Option<()> {
        match wanted {
            Wanted::Between(least, most) => {
                if let Some(least) = least {
                    self.between.0 = self.between.0.max(long(least)?);
                }
                if let Some(most) = most {
                    self.between.1 = self.between.1.min(long(most)?);
                }
            }
            Wanted::Among(values) => {
                let values = values.iter().filter(|value| !value.is_null());
                let mut values = values.map(long).collect::<Option<Vec<i64>>>()?;
                values.sort_unstable();
                values.dedup();
                if let Some(among) = &self.among {
                    values.retain(|n| among.binary_search(n).is_ok());
                }
                self.among = Some(values);
            }
        }
        Some(())
    }

    /// Whether every number is left.
    pub(crate) fn is_all(&self) -> bool {
        *self == Longs::default()
    }
}

/// A whole number, or an instant in milliseconds.
pub(crate) fn long(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::Int64(Some(n)) | ScalarValue::TimestampMillisecond(Some(n), _) => Some(*n),
        _ => None,
    }
}

/// A text.
pub(crate) fn text(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8View(Some(text))
        | ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text)) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    fn wanted(expr: Expr) -> Option<Longs> {
        Longs::of([&condition(&expr)?.values])
    }

    #[test]
    fn comparisons_with_constants_narrow() {
        let between = |least, most| {
            Some(Longs {
                between: (least, most),
                among: None,
            })
        };
        assert_eq!(wanted(col("a").gt(lit(7i64))), between(7, i64::MAX));
        assert_eq!(wanted(lit(7i64).gt(col("a"))), between(i64::MIN, 7));
        assert_eq!(
            wanted(col("a").between(lit(1i64), lit(2i64))),
            between(1, 2)
        );
        assert_eq!(wanted(col("a").gt(lit(7.5))), None);
        assert_eq!(wanted(col("a").not_eq(lit(7i64))), None);
        assert_eq!(wanted(col("a").gt(col("b"))), None);
        let two = col("a").in_list(vec![lit(3i64), lit(1i64)], false);
        assert_eq!(wanted(two).unwrap().among, Some(vec![1, 3]));
    }

    #[test]
    fn conditions_narrow_one_another() {
        let conditions = [
            condition(&col("a").in_list(vec![lit(3i64), lit(1i64), lit(9i64)], false)),
            condition(&col("a").gt(lit(2i64))),
            condition(&col("a").in_list(vec![lit(1i64), lit(3i64)], false)),
        ];
        let conditions = conditions.map(|condition| condition.unwrap().values);
        assert_eq!(Longs::of(&conditions).unwrap().among, Some(vec![3]));
    }
}
