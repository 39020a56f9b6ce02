//! What scripts may do with a column.

use rhai::{Array, Dynamic, Engine, INT, ImmutableString};

use super::arithmetic::{Comparison, Operand, Operation};
use super::arithmetic::{both, calculated, compared, either, inverse, nulls, result_bytes};
use super::column::Column;
use super::measure::{self, Measure, numbers};
use super::{calendar, cells, group, order, room, verbs};
use crate::fault::{Done, refused};
use crate::meter::Meter;
use crate::value::{number, to_dynamic};

/// Gives scripts columns, their operators and functions.
pub(super) fn register(engine: &mut Engine, meter: &Meter) {
    engine
        .register_type_with_name::<Column>("Column")
        .register_iterator::<Column>()
        .register_get("len", |column: &mut Column| column.len() as INT)
        .register_fn("len", |column: &mut Column| column.len() as INT)
        .register_get("kind", |column: &mut Column| column.kind().to_string())
        .register_fn("to_string", |column: &mut Column| column.to_string())
        .register_fn("to_debug", |column: &mut Column| column.to_string())
        .register_indexer_get(|column: &mut Column, at: INT| -> Done<Dynamic> {
            Ok(column.dynamic(verbs::place(at, column.len(), "cells")?))
        });
    let spent = meter.clone();
    engine.register_fn("to_array", move |column: &mut Column| -> Done<Array> {
        room(&spent, column.len() * size_of::<Dynamic>())?;
        Ok(column.clone().into_iter().collect())
    });
    let operations = [
        ("+", Operation::Add),
        ("-", Operation::Subtract),
        ("*", Operation::Multiply),
        ("/", Operation::Divide),
        ("%", Operation::Remainder),
    ];
    for (name, operation) in operations {
        let spent = meter.clone();
        register_operator(engine, name, move |left, right| {
            room(&spent, result_bytes(left, right))?;
            calculated(operation, left, right)
        });
    }
    let comparisons = [
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<", Comparison::Less),
        ("<=", Comparison::LessOrEqual),
        (">", Comparison::Greater),
        (">=", Comparison::GreaterOrEqual),
    ];
    for (name, comparison) in comparisons {
        let spent = meter.clone();
        register_operator(engine, name, move |left, right| {
            room(&spent, result_bytes(left, right))?;
            compared(comparison, left, right)
        });
    }
    register_masks(engine);
    register_measures(engine);
    register_orders(engine, meter);
    register_changes(engine, meter);
    register_calendar(engine, meter);
}

fn register_calendar(engine: &mut Engine, meter: &Meter) {
    for (name, part) in calendar::PARTS {
        let spent = meter.clone();
        engine.register_fn(name, move |column: &mut Column| {
            room(&spent, 2 * column.bytes())?;
            calendar::part(column, part)
        });
    }
    let spent = meter.clone();
    engine.register_fn(
        "start_of",
        move |column: &mut Column, what: ImmutableString| {
            room(&spent, column.bytes())?;
            calendar::start_of(column, &what)
        },
    );
}

/// An operator between two columns, and between a column and a constant on either side.
fn register_operator(
    engine: &mut Engine,
    name: &str,
    operator: impl Fn(&Operand, &Operand) -> Done<Column> + Clone + Send + Sync + 'static,
) {
    let between = operator.clone();
    engine.register_fn(name, move |left: Column, right: Column| {
        between(&Operand::Column(left), &Operand::Column(right))
    });
    let before = operator.clone();
    engine.register_fn(name, move |left: Column, right: Dynamic| {
        before(&Operand::Column(left), &Operand::of(&right)?)
    });
    engine.register_fn(name, move |left: Dynamic, right: Column| {
        operator(&Operand::of(&left)?, &Operand::Column(right))
    });
}

fn register_masks(engine: &mut Engine) {
    engine
        .register_fn("&", |left: Column, right: Column| both(&left, &right))
        .register_fn("|", |left: Column, right: Column| either(&left, &right))
        .register_fn("!", |mask: Column| inverse(&mask))
        .register_fn("is_null", |column: &mut Column| {
            Column::Bool(nulls(column, true))
        })
        .register_fn(
            "between",
            |column: &mut Column, low: Dynamic, high: Dynamic| {
                let cells = Operand::Column(column.clone());
                let low = compared(Comparison::GreaterOrEqual, &cells, &Operand::of(&low)?)?;
                let high = compared(Comparison::LessOrEqual, &cells, &Operand::of(&high)?)?;
                both(&low, &high)
            },
        )
        .register_fn("is_in", |column: &mut Column, cells: Array| {
            cells::among(column, &verbs::written(&cells)?)
        })
        .register_fn("is_in", |column: &mut Column, other: Column| {
            cells::among(column, &other)
        })
        .register_fn("contains", |column: &mut Column, part: ImmutableString| {
            cells::tested(column, "contains", |text| text.contains(part.as_str()))
        })
        .register_fn(
            "starts_with",
            |column: &mut Column, start: ImmutableString| {
                cells::tested(column, "starts_with", |text| {
                    text.starts_with(start.as_str())
                })
            },
        )
        .register_fn("ends_with", |column: &mut Column, end: ImmutableString| {
            cells::tested(column, "ends_with", |text| text.ends_with(end.as_str()))
        });
}

fn register_measures(engine: &mut Engine) {
    // `first` and `list` are of groups; a column has its cells.
    let of_groups = |measure: &Measure| matches!(measure, Measure::First | Measure::List);
    let measures = Measure::ALL
        .into_iter()
        .filter(|(_, measure)| !of_groups(measure));
    for (name, measure) in measures {
        engine.register_fn(name, move |column: &mut Column| -> Done<Dynamic> {
            Ok(to_dynamic(&measure.of(column)?))
        });
    }
    engine.register_fn(
        "quantile",
        |column: &mut Column, share: Dynamic| -> Done<Dynamic> {
            let Some(share) = number(&share).filter(|share| (0.0..=1.0).contains(share)) else {
                return Err(refused(format!("a quantile is from 0 to 1, not {share}")));
            };
            let found = measure::quantile(&numbers(column, "quantile")?, share);
            Ok(found.map_or(Dynamic::UNIT, Dynamic::from))
        },
    );
}

fn register_orders(engine: &mut Engine, meter: &Meter) {
    let spent = meter.clone();
    engine.register_fn("distinct", move |column: &mut Column| {
        room(&spent, 2 * column.bytes())?;
        group::distinct_cells(column)
    });
    let spent = meter.clone();
    engine.register_fn("sort", move |column: &mut Column| {
        room(&spent, 2 * column.bytes())?;
        order::sorted_cells(column, false)
    });
    let spent = meter.clone();
    engine.register_fn("filter", move |column: &mut Column, mask: Column| {
        room(&spent, column.bytes())?;
        cells::kept(column, &mask)
    });
    engine
        .register_fn("head", |column: &mut Column, rows: INT| {
            let rows = usize::try_from(rows).unwrap_or(0);
            column.slice(0, rows.min(column.len()))
        })
        .register_fn("tail", |column: &mut Column, rows: INT| {
            let rows = usize::try_from(rows).unwrap_or(0).min(column.len());
            column.slice(column.len() - rows, rows)
        });
}

fn register_changes(engine: &mut Engine, meter: &Meter) {
    let spent = meter.clone();
    engine.register_fn("fill", move |column: &mut Column, value: Dynamic| {
        room(&spent, column.bytes())?;
        cells::filled(column, &Operand::of(&value)?)
    });
    let spent = meter.clone();
    engine.register_fn("cast", move |column: &mut Column, kind: ImmutableString| {
        room(&spent, column.bytes())?;
        cells::cast(column, &kind)
    });
    let spent = meter.clone();
    engine.register_fn("lower", move |column: &mut Column| {
        room(&spent, column.bytes())?;
        cells::changed(column, "lower", str::to_lowercase)
    });
    let spent = meter.clone();
    engine.register_fn("upper", move |column: &mut Column| {
        room(&spent, column.bytes())?;
        cells::changed(column, "upper", str::to_uppercase)
    });
    engine
        .register_fn("-", |column: Column| {
            let zero = Operand::Constant(Column::Long(vec![0].into()));
            calculated(Operation::Subtract, &zero, &Operand::Column(column))
        })
        .register_fn("abs", |column: &mut Column| cells::size(column))
        .register_fn("round", |column: &mut Column| cells::rounded(column, 0))
        .register_fn("round", |column: &mut Column, digits: INT| {
            cells::rounded(column, digits)
        });
}
