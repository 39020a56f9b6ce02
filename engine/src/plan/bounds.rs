//! Bounds of a pattern's values, from the comparisons with constants that follow it: where rows are
//! kept by value, only those between need be read.
//!
//! Bounds include their ends and the comparisons stay, so nothing hangs on how values of different
//! types compare: bounds may only be too wide.

use super::physical::{Block, Op, Program, Step};
use super::{Among, ArgSlot, CallGoal, Callable, Slot, VarId};
use crate::value::Value;

/// The least and the greatest value that rows of a pattern can have, both included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// Nothing is less.
    pub low: Option<Value>,
    /// Nothing is greater.
    pub high: Option<Value>,
}

/// Notes the bounds of all patterns of a program.
pub(super) fn note_bounds(program: &mut Program) {
    note_in(&mut program.block);
    for predicate in &mut program.predicates {
        for branch in &mut predicate.branches {
            branch.segments.iter_mut().for_each(note_in);
        }
        if let Some(closure) = &mut predicate.closure {
            let links = closure.hops.iter_mut();
            for link in links.chain(closure.steps.iter_mut().flatten()) {
                note_in(&mut link.near);
                if let Some((all, _)) = &mut link.all {
                    note_in(all);
                }
            }
        }
    }
}

fn note_in(block: &mut Block) {
    for at in 0..block.steps.len() {
        let (step, after) = match block.steps[at..].split_first_mut() {
            Some((step, after)) => (step, after),
            None => return,
        };
        match &mut step.op {
            Op::Scan(pattern) => {
                if let Some(Slot::Var(var)) = pattern.slots.get(2) {
                    pattern.bounds = bounds(*var, after);
                }
            }
            Op::Union { branches, .. } => branches.iter_mut().for_each(note_in),
            Op::AntiJoin { block, .. } => note_in(block),
            Op::Nearest {
                among: Among::Passing { block, instead, .. },
                ..
            } => {
                note_in(block);
                instead
                    .iter_mut()
                    .for_each(|instead| note_in(&mut instead.0));
            }
            _ => {}
        }
    }
}

/// What the filters right after a pattern say of its value; none if nothing.
fn bounds(var: VarId, after: &[Step]) -> Option<Bounds> {
    let mut bounds = Bounds::default();
    let filters = after.iter().map_while(|step| match &step.op {
        Op::Filter(call) => Some(call),
        _ => None,
    });
    filters.for_each(|call| narrow(&mut bounds, var, call));
    (bounds != Bounds::default()).then_some(bounds)
}

/// The first of several bounds on one side is kept: the others hold all the same.
fn narrow(bounds: &mut Bounds, var: VarId, call: &CallGoal) {
    let Callable::Builtin(function) = call.callable else {
        return;
    };
    for pair in call.args.windows(2) {
        let (constant, is_below) = match pair {
            [ArgSlot::Var(v), ArgSlot::Const(constant)] if *v == var => (constant, true),
            [ArgSlot::Const(constant), ArgSlot::Var(v)] if *v == var => (constant, false),
            _ => continue,
        };
        // NaN compares with nothing, yet has its place among the values.
        let is_ordered = match constant {
            Value::Long(_) | Value::Instant(_) => true,
            Value::Double(x) => !x.is_nan(),
            _ => false,
        };
        let (low, high) = match function.name() {
            "<" | "<=" => (!is_below, is_below),
            ">" | ">=" => (is_below, !is_below),
            _ => continue,
        };
        if is_ordered && low {
            bounds.low.get_or_insert_with(|| constant.clone());
        }
        if is_ordered && high {
            bounds.high.get_or_insert_with(|| constant.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::lookup;

    fn call(name: &str, args: Vec<ArgSlot>) -> CallGoal {
        let callable = Callable::Builtin(lookup(name).unwrap());
        CallGoal { callable, args }
    }

    #[test]
    fn comparisons_bound_either_side() {
        let x = || ArgSlot::Var(VarId(7));
        let constant = |n: i64| ArgSlot::Const(Value::Long(n));
        let cases = [
            (call("<", vec![x(), constant(3)]), (None, Some(3))),
            (call("<", vec![constant(3), x()]), (Some(3), None)),
            (call(">=", vec![x(), constant(3)]), (Some(3), None)),
            (
                call(">", vec![constant(9), x(), constant(3)]),
                (Some(3), Some(9)),
            ),
            (call("not=", vec![x(), constant(3)]), (None, None)),
            (
                call("<", vec![x(), ArgSlot::Const(Value::Double(f64::NAN))]),
                (None, None),
            ),
            (
                call("<", vec![ArgSlot::Var(VarId(8)), constant(3)]),
                (None, None),
            ),
        ];
        for (call, (low, high)) in cases {
            let mut bounds = Bounds::default();
            narrow(&mut bounds, VarId(7), &call);
            let expected = Bounds {
                low: low.map(Value::Long),
                high: high.map(Value::Long),
            };
            assert_eq!(bounds, expected, "{call:?}");
        }
    }
}
