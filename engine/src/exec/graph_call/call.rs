//! Calls of functions over graphs, for all rows of a relation together.

use std::collections::HashMap;

use super::answer::Found;
use super::edges::Reader;
use super::held::Graphs;
use super::solve::Solver;
use super::spec::{self, Options};
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::exec::block::Context;
use crate::exec::budget::Budget;
use crate::exec::call::bound;
use crate::exec::input::TupleBuilder;
use crate::exec::join::{natural_join, semi_join_rows};
use crate::exec::relation::Relation;
use crate::graph::GraphFunction;
use crate::index::{Interner, Kind};
use crate::plan::{ArgSlot, Bind, CallGoal, VarId};
use crate::value::Value;

/// Keeps the rows for which a function is true.
pub(in crate::exec) fn filter(
    context: &mut Context<'_>,
    (function, call): (GraphFunction, &CallGoal),
    relation: &Relation,
    form: &Value,
) -> Result<Relation> {
    let args = arguments(call, relation);
    let mut rows: Vec<u32> = Vec::new();
    ask(context, (function, call, form), &args, |_, row, found| {
        if found.is_truthy() {
            rows.push(row);
        }
        Ok(())
    })?;
    if rows.len() == args.len() {
        return Ok(relation.clone());
    }
    if args.vars().is_empty() {
        return Ok(relation.select(&[]));
    }
    let kept = args.select(&rows);
    Ok(relation.select(&semi_join_rows(relation, &kept, args.vars(), true)))
}

/// Adds what a function gives; rows for which it gives nothing drop.
pub(in crate::exec) fn compute(
    context: &mut Context<'_>,
    (function, call): (GraphFunction, &CallGoal),
    bind: &Bind,
    relation: &Relation,
    form: &Value,
) -> Result<Relation> {
    let args = arguments(call, relation);
    let mut tuples = TupleBuilder::new(bind);
    let columns = args.vars().len() + 2;
    let budget = context.budget;
    let mut held = 0;
    // Whether no two tuples of a row can be alike.
    let mut differ = true;
    ask(
        context,
        (function, call, form),
        &args,
        |interner, row, found| {
            if matches!(found, Found::Nothing) {
                return Ok(());
            }
            match found.columns(bind) {
                Some(columns) => {
                    differ &= binds_nodes(bind);
                    tuples.extend(row, &columns, found.nodes());
                }
                None => {
                    // A value of its own takes as much as several tuples.
                    held += 4 * found.nodes();
                    budget.check_rows(held, 2)?;
                    differ &= matches!(bind, Bind::Scalar(_));
                    tuples.bind(row, bind, &found.value(bind), interner)?;
                }
            }
            budget.check_rows(tuples.left.len(), columns)
        },
    )?;
    let found = bound(&args, tuples).known_set(differ && args.is_set());
    if relation.vars().is_empty() && relation.len() == 1 {
        return Ok(found);
    }
    natural_join(relation, &found, budget)
}

/// Whether a binding that takes what was found apart has a variable for nodes, each of which comes
/// once.
fn binds_nodes(bind: &Bind) -> bool {
    match bind {
        Bind::Collection(item) => match &**item {
            Bind::Tuple(items) => matches!(items[..], [Bind::Scalar(_), ..]),
            item => matches!(item, Bind::Scalar(_)),
        },
        _ => false,
    }
}

/// The different arguments that a relation has for a call.
fn arguments(call: &CallGoal, relation: &Relation) -> Relation {
    let vars: Vec<VarId> = call.vars().collect();
    relation.project(&vars).distinct()
}

/// One row's question: a graph and up to two of its nodes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Question {
    /// Among the subjects.
    pub(super) subject: u32,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) row: u32,
}

/// A graph, and how the function goes about it.
pub(super) struct Subject {
    pub(super) graph: u32,
    pub(super) options: Options,
}

/// Answers a call for each row of its arguments, in any order.
fn ask(
    context: &mut Context<'_>,
    (function, call, form): (GraphFunction, &CallGoal, &Value),
    args: &Relation,
    mut answer: impl FnMut(&mut Interner, u32, &Found) -> Result<()>,
) -> Result<()> {
    if args.is_empty() {
        return Ok(());
    }
    let in_form = |error: Error| error.with("form", form.clone());
    let asked = Asked::new(context, (function, call, form), args).map_err(in_form)?;
    let Context {
        graphs,
        interner,
        budget,
        ..
    } = context;
    let mut solver = Solver::new(function, graphs, budget);
    let same = |a: &Question, b: &Question| (a.subject, a.start) == (b.subject, b.start);
    for questions in asked.questions.chunk_by(same) {
        let subject = &asked.subjects[questions[0].subject as usize];
        solver
            .solve(subject, questions, |row, found| {
                answer(interner, row, found)
            })
            .map_err(in_form)?;
    }
    Ok(())
}

/// All questions of a call, those about the same graph and start together.
struct Asked {
    subjects: Vec<Subject>,
    questions: Vec<Question>,
}

impl Asked {
    fn new(
        context: &mut Context<'_>,
        (function, call, form): (GraphFunction, &CallGoal, &Value),
        args: &Relation,
    ) -> Result<Asked> {
        let wrong = || {
            let (name, nodes) = (function.name(), function.nodes());
            let nodes = ["", " and a node", " and two nodes"][nodes];
            let message =
                format!("{name} takes a database, a graph{nodes}, then options; in {form}");
            Error::new(Code::QueryWhere, message)
        };
        let (source, graph, rest) = match &call.args[..] {
            [ArgSlot::Source(at), graph, rest @ ..] | [graph, ArgSlot::Source(at), rest @ ..] => {
                (*at, graph, rest)
            }
            _ => return Err(wrong()),
        };
        if rest.len() < function.nodes() {
            return Err(wrong());
        }
        let (nodes, options) = rest.split_at(function.nodes());
        let db = context.sources.db(source, form)?.db.clone();
        let mut subjects = Subjects {
            known: HashMap::new(),
            subjects: Vec::new(),
            source,
        };
        let mut questions = Vec::with_capacity(args.len());
        for row in 0..args.len() {
            if row % Budget::CHECK_ROWS == 0 {
                context.budget.check()?;
            }
            let value = |arg: &ArgSlot| value(&context.interner, args, arg, row).ok_or_else(wrong);
            let mut said = vec![value(graph)?];
            for option in options {
                said.push(value(option)?);
            }
            let node = |at: usize| match nodes.get(at) {
                Some(arg) => node(&context.interner, &db, args, arg, row),
                None => Ok(Some(0)),
            };
            let (start, end) = (node(0)?, node(1)?);
            let reader = Reader {
                db: &db,
                function,
                budget: context.budget,
            };
            let subject = subjects.number(said, &reader, &mut context.graphs)?;
            if let (Some(start), Some(end)) = (start, end) {
                questions.push(Question {
                    subject,
                    start,
                    end,
                    row: row as u32,
                });
            }
        }
        questions.sort_unstable();
        Ok(Asked {
            subjects: subjects.subjects,
            questions,
        })
    }
}

/// Graphs with options, by how they were said.
struct Subjects {
    known: HashMap<Vec<Value>, u32>,
    subjects: Vec<Subject>,
    source: usize,
}

impl Subjects {
    fn number(
        &mut self,
        said: Vec<Value>,
        reader: &Reader<'_>,
        graphs: &mut Graphs,
    ) -> Result<u32> {
        if let Some(known) = self.known.get(&said) {
            return Ok(*known);
        }
        let (spec, options) = spec::read(reader.db, reader.function, &said[0], &said[1..])?;
        let graph = graphs.number(self.source, spec, reader)?;
        let number = self.subjects.len() as u32;
        self.known.insert(said, number);
        self.subjects.push(Subject { graph, options });
        Ok(number)
    }
}

fn value(interner: &Interner, args: &Relation, arg: &ArgSlot, row: usize) -> Option<Value> {
    match arg {
        ArgSlot::Const(value) => Some(value.clone()),
        ArgSlot::Var(var) => Some(interner.value(args.column(*var)?.cell(row))),
        ArgSlot::Source(_) | ArgSlot::Rules => None,
    }
}

/// The entity that an argument names; none if it names nothing.
fn node(
    interner: &Interner,
    db: &Db,
    args: &Relation,
    arg: &ArgSlot,
    row: usize,
) -> Result<Option<i64>> {
    if let ArgSlot::Var(var) = arg
        && let Some(column) = args.column(*var)
        && column.kind_at(row) == Kind::Long
    {
        return Ok(Some(column.cell(row).bits as i64));
    }
    match value(interner, args, arg, row) {
        Some(Value::Long(e)) => Ok(Some(e)),
        Some(name) => Ok(db.entid(&name)?.map(|e| e.0)),
        None => Err(Error::new(Code::QueryWhere, "A source is no node")),
    }
}
