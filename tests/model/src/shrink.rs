//! Makes a case that fails smaller while it still fails.

use super::world::{Given, Program, World};

/// Drops forms, clauses, rules and views one by one for as long as `fails` stays true.
pub fn shrink(
    world: &mut World,
    program: &mut Option<Program>,
    fails: impl Fn(&World, Option<&Program>) -> bool,
) {
    loop {
        let before = size(world, program.as_ref());
        for transaction in (0..world.transactions.len()).rev() {
            for form in (0..world.transactions[transaction].len()).rev() {
                let removed = world.transactions[transaction].remove(form);
                if !fails(world, program.as_ref()) {
                    world.transactions[transaction].insert(form, removed);
                }
            }
        }
        while world.transactions.last().is_some_and(Vec::is_empty) {
            let removed = world.transactions.pop();
            if !fails(world, program.as_ref()) {
                world.transactions.extend(removed);
                break;
            }
        }
        if let Some(program) = program {
            shrink_program(world, program, &fails);
        }
        if size(world, program.as_ref()) == before {
            return;
        }
    }
}

fn shrink_program(
    world: &World,
    program: &mut Program,
    fails: &impl Fn(&World, Option<&Program>) -> bool,
) {
    let parts: [fn(&mut Program) -> &mut Vec<String>; 2] = [|p| &mut p.clauses, |p| &mut p.rules];
    for part in parts {
        for at in (0..part(program).len()).rev() {
            let removed = part(program).remove(at);
            if !fails(world, Some(program)) {
                part(program).insert(at, removed);
            }
        }
    }
    for at in (0..program.inputs.len()).rev() {
        let removed = program.inputs.remove(at);
        // Without `$` it would be another case.
        if removed.0 == "$" || !fails(world, Some(program)) {
            program.inputs.insert(at, removed);
            let before = program.inputs[at].clone();
            if let Given::Db(steps) = &mut program.inputs[at].1 {
                steps.pop();
            }
            if !fails(world, Some(program)) {
                program.inputs[at] = before;
            }
        }
    }
    let parts: [fn(&mut Program) -> &mut String; 2] = [|p| &mut p.beside, |p| &mut p.modifiers];
    for part in parts {
        let removed = std::mem::take(part(program));
        if !fails(world, Some(program)) {
            *part(program) = removed;
        }
    }
}

fn size(world: &World, program: Option<&Program>) -> usize {
    let steps = |(_, given): &(String, Given)| {
        if let Given::Db(steps) = given {
            steps.len()
        } else {
            0
        }
    };
    let program = program.map_or(0, |p| {
        let texts = p.clauses.len() + p.rules.len() + p.beside.len() + p.modifiers.len();
        texts + p.inputs.len() + p.inputs.iter().map(steps).sum::<usize>()
    });
    program + world.transactions.len() + world.transactions.iter().map(Vec::len).sum::<usize>()
}
