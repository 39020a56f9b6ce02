//! Patterns that bind a variable together: where several give its values from what is bound, what
//! they agree on is found at once, and what only one of them says is never a row.
//!
//! Source: the generic join of Ngo, Ré & Rudra, "Skew strikes back", SIGMOD Record 42(4), 2013, among
//! joins of two, as in Mhedhbi & Salihoglu, "Optimizing subgraph queries by combining binary and
//! worst-case optimal joins", VLDB 2019.

use std::collections::{HashSet, VecDeque};

use super::estimate::Statistics;
use super::order::op_vars;
use super::physical::{Block, Op, Step, StepId};
use super::{Pattern, Slot, VarId};
use crate::schema::ValueType;
use crate::value::Value;

/// Makes one step of each pattern that multiplies rows and those after it that only ask whether
/// what it bound is right.
///
/// - `bound`, `rows`: variables bound before the steps, and rows expected.
pub(super) fn intersections(
    steps: Vec<Step>,
    bound: &HashSet<VarId>,
    mut rows: f64,
    statistics: &dyn Statistics,
) -> Vec<Step> {
    let mut bound = bound.clone();
    let mut left = VecDeque::from(steps);
    let mut out = Vec::with_capacity(left.len());
    while let Some(mut step) = left.pop_front() {
        if step.estimate > rows
            && let Some((var, places)) = lists_after(&step, &left, &bound, statistics)
        {
            step = intersection(var, step, &places, &mut left);
        }
        rows = step.estimate;
        if !matches!(step.op, Op::AntiJoin { .. }) {
            let mut vars = Vec::new();
            op_vars(&step.op, &mut vars);
            bound.extend(vars);
        }
        out.push(step);
    }
    out
}

/// The one variable that a step binds by a list, and where among the steps left those are that ask
/// whether it is on others.
fn lists_after(
    step: &Step,
    left: &VecDeque<Step>,
    bound: &HashSet<VarId>,
    statistics: &dyn Statistics,
) -> Option<(VarId, Vec<usize>)> {
    let Op::Scan(first) = &step.op else {
        return None;
    };
    let mut vars = first.slots.iter().filter_map(Slot::var);
    let var = vars.find(|var| !bound.contains(var))?;
    let key = |pattern| {
        let key: &Slot = list_key(pattern, var, statistics)?;
        key.var()
            .is_none_or(|var| bound.contains(&var))
            .then_some(key)
    };
    // Lists that are the same for all rows are better intersected once.
    let mut differs = key(first)?.var().is_some();
    let mut places = Vec::new();
    for (at, step) in left.iter().enumerate() {
        match &step.op {
            Op::Scan(pattern) => {
                let Some(key) = key(pattern) else { break };
                differs |= key.var().is_some();
                places.push(at);
            }
            // What only takes rows away can do so later.
            Op::Filter(_) | Op::AntiJoin { .. } => {}
            _ => break,
        }
    }
    (differs && !places.is_empty()).then_some((var, places))
}

/// One step of a pattern and the checks at some places among the steps left; what stands between
/// them stays, and meets fewer rows.
fn intersection(var: VarId, first: Step, places: &[usize], left: &mut VecDeque<Step>) -> Step {
    let span = first.span;
    let (mut estimate, mut steps) = (first.estimate, vec![first]);
    for (taken, at) in places.iter().enumerate() {
        let at = at - taken;
        let before = at.checked_sub(1).map_or(estimate, |at| left[at].estimate);
        let Some(check) = left.remove(at) else { break };
        let share = if before > 0.0 {
            check.estimate / before
        } else {
            1.0
        };
        left.iter_mut()
            .take(at)
            .for_each(|step| step.estimate *= share);
        estimate = if at == 0 {
            check.estimate
        } else {
            estimate * share
        };
        steps.push(check);
    }
    let forms = steps.iter().map(|step| step.form.clone());
    Step {
        id: StepId::default(),
        form: Value::list(std::iter::once(Value::symbol("and")).chain(forms)),
        op: Op::Intersect {
            var,
            block: Block { steps },
        },
        keep: Vec::new(),
        distinct: false,
        estimate,
        span,
    }
}

/// The other end of a pattern, if an index has the values of a variable in order for each value of
/// that: the values of an entity, or the entities that have a value.
pub(super) fn list_key<'p>(
    pattern: &'p Pattern,
    var: VarId,
    statistics: &dyn Statistics,
) -> Option<&'p Slot> {
    let [e, Slot::Const(a), v] = &pattern.slots[..] else {
        return None;
    };
    let db = statistics.db(pattern.source)?;
    let a = db.attribute_id(a)?;
    let (key, is_kept) = if v.var() == Some(var) {
        // What is not declared may be integers: who reads it will see.
        let value_type = db.attribute(a).and_then(|attribute| attribute.value_type);
        let are_integers = matches!(value_type, None | Some(ValueType::Ref | ValueType::Long));
        (e, are_integers)
    } else if e.var() == Some(var) {
        (v, db.index(a)?.current_by_value().is_some())
    } else {
        return None;
    };
    (is_kept && *key != Slot::Blank && key.var() != Some(var)).then_some(key)
}
