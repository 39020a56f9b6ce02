//! Plans as indented trees, as `explain` prints them.

use std::fmt;

use super::{Block, Closure, Op, Predicate, Program, Slot, Step, Vars};

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan")?;
        write_block(f, &self.block, "", self)?;
        for (at, predicate) in self.predicates.iter().enumerate() {
            if let Some(closure) = &predicate.closure {
                write_closure(f, &signature(at, predicate), closure, self)?;
            } else if !predicate.branches.is_empty() {
                write_predicate(f, at, predicate, self)?;
            }
        }
        Ok(())
    }
}

fn write_block(
    f: &mut fmt::Formatter<'_>,
    block: &Block,
    indent: &str,
    program: &Program,
) -> fmt::Result {
    for (at, step) in block.steps.iter().enumerate() {
        let is_last = at + 1 == block.steps.len();
        write_step(f, step, indent, is_last, program)?;
    }
    Ok(())
}

fn write_step(
    f: &mut fmt::Formatter<'_>,
    step: &Step,
    indent: &str,
    is_last: bool,
    program: &Program,
) -> fmt::Result {
    let (branch, below) = if is_last {
        ("└─", "   ")
    } else {
        ("├─", "│  ")
    };
    let name = step.op.name();
    write!(f, "{indent}{branch} {name} {}", step.form)?;
    if let Op::Rule { predicate, .. } = &step.op {
        write!(
            f,
            " by {}",
            signature(*predicate, &program.predicates[*predicate])
        )?;
    }
    writeln!(f, "  ~{} rows", rows(step.estimate))?;
    let indent = format!("{indent}{below}");
    match &step.op {
        Op::Union { branches, .. } => {
            for (at, block) in branches.iter().enumerate() {
                let last = at + 1 == branches.len();
                writeln!(f, "{indent}{} branch", if last { "└─" } else { "├─" })?;
                let inner = format!("{indent}{}", if last { "   " } else { "│  " });
                write_block(f, block, &inner, program)?;
            }
            Ok(())
        }
        Op::AntiJoin { block, .. } => write_block(f, block, &indent, program),
        _ => Ok(()),
    }
}

/// The rule's name and which arguments are bound, as in the literature: `reach^bf`.
fn signature(at: usize, predicate: &Predicate) -> String {
    let bound: String = predicate
        .bound
        .iter()
        .map(|b| if *b { 'b' } else { 'f' })
        .collect();
    format!("{}^{bound} #{at}", predicate.name)
}

fn write_closure(
    f: &mut fmt::Formatter<'_>,
    signature: &str,
    closure: &Closure,
    program: &Program,
) -> fmt::Result {
    let direction = if closure.backward {
        "backward"
    } else {
        "forward"
    };
    writeln!(f, "closure {signature}, {direction}")?;
    let hops = ("hop", &closure.hops);
    let steps = closure.steps.as_ref().map(|steps| ("any steps", steps));
    let parts = match (closure.hop_first, steps) {
        (_, None) => vec![("one or more steps", &closure.hops)],
        (true, Some(steps)) => vec![hops, steps],
        (false, Some(steps)) => vec![steps, hops],
    };
    for (name, links) in parts {
        for link in links {
            let [from, to] = [link.from, link.to].map(|var| program.vars.name(var));
            writeln!(f, "└─ {name} {from} -> {to}")?;
            write_block(f, &link.near, "   ", program)?;
        }
    }
    Ok(())
}

fn write_predicate(
    f: &mut fmt::Formatter<'_>,
    at: usize,
    predicate: &Predicate,
    program: &Program,
) -> fmt::Result {
    writeln!(f, "fixpoint {}", signature(at, predicate))?;
    for branch in &predicate.branches {
        let head: Vec<String> = branch
            .head
            .iter()
            .map(|var| program.vars.name(*var).to_string())
            .collect();
        writeln!(f, "└─ ({} {})", predicate.name, head.join(" "))?;
        for (k, segment) in branch.segments.iter().enumerate() {
            write_block(f, segment, "   ", program)?;
            if let Some(call) = branch.calls.get(k) {
                let kind = if branch.tail.is_some() {
                    "tail call"
                } else {
                    "call"
                };
                let args: Vec<String> = call
                    .args
                    .iter()
                    .map(|slot| slot_text(slot, &program.vars))
                    .collect();
                let callee = signature(call.predicate, &program.predicates[call.predicate]);
                writeln!(f, "   └─ {kind} ({}) by {callee}", args.join(" "))?;
            }
        }
    }
    Ok(())
}

fn slot_text(slot: &Slot, vars: &Vars) -> String {
    match slot {
        Slot::Blank => "_".to_owned(),
        Slot::Var(var) => vars.name(*var).to_string(),
        Slot::Const(value) => value.to_string(),
    }
}

fn rows(estimate: f64) -> String {
    if estimate >= 1e15 {
        format!("{estimate:.0e}")
    } else {
        format!("{:.0}", estimate.ceil())
    }
}
