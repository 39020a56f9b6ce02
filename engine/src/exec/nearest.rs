//! Searches for near vectors: entities with their distances, for each argument that a relation has.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::block::{Context, run_block};
use super::call::bound;
use super::input::TupleBuilder;
use super::join::{columns, join_rows, natural_join, semi_join_rows};
use super::relation::Relation;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::index::{Column, Interner, Kind};
use crate::limits::VECTOR_NEIGHBOURS_MAX;
use crate::nearest::{
    Hit, Reach, SearchOptions, Space, Wanted, nearest, refused, text_vector, vector_in,
};
use crate::plan::{
    Among, ArgSlot, Bind, Block, CallGoal, Callable, NearestFunction, Op, Step, VarId,
};
use crate::value::Value;

/// How many times more hits are tried when too few of those before have passed.
const GROWTH: usize = 4;
/// From how many hits that passed is told how many more must be tried.
const PASSED_MIN: usize = 3;

/// Adds what a search finds.
pub(super) fn search(
    context: &mut Context<'_>,
    step: &Step,
    relation: &Relation,
) -> Result<Relation> {
    let Op::Nearest {
        call,
        bind,
        entity,
        inputs,
        among,
    } = &step.op
    else {
        unreachable!("only searches come here");
    };
    let vars: Vec<VarId> = call.vars().collect();
    let args = relation.project(&vars).distinct();
    let mut tuples = TupleBuilder::new(bind);
    let mut passed = Vec::new();
    for row in 0..args.len() {
        let asked = Asked::of(context, call, &args, row, &step.form)
            .map_err(|error| error.with("form", step.form.clone()))?;
        let members = || members(relation, &args, row, context.budget);
        if let Among::Passing {
            block,
            tries,
            instead,
        } = among
        {
            let seed = members()?.project(inputs).distinct();
            let tried = Tried {
                block,
                entity: entity.expect("a block is only given to a search that binds entities"),
                bind,
                tries: *tries,
                instead: instead.as_deref(),
            };
            passed.push(tried.passing(context, &seed, &asked)?);
            continue;
        }
        let bound = match among {
            Among::Bound => Some(entities(&members()?, *entity)),
            _ => None,
        };
        let hits = asked.hits(context, bound.as_deref(), asked.reach)?;
        add(
            &mut tuples,
            row as u32,
            bind,
            &asked,
            &hits,
            &mut context.interner,
        )?;
        context
            .budget
            .check_rows(tuples.left.len(), vars.len() + 2)?;
    }
    let found = match passed.first() {
        Some(first) => {
            let vars = first.vars().to_vec();
            Relation::concat(&vars, &passed).distinct()
        }
        None => bound(&args, tuples),
    };
    natural_join(relation, &found, context.budget)
}

/// The error of a search whose hits nothing takes.
pub(super) fn unbound(function: NearestFunction, form: &Value) -> Error {
    let call = form
        .as_sequential()
        .and_then(<[Value]>::first)
        .unwrap_or(form);
    let message = format!(
        "{} gives entities and distances: bind them, as in [{call} [[?e ?distance]]]",
        function.name()
    );
    Error::new(Code::QueryWhere, message).with("form", form.clone())
}

/// The rows of a relation that have the arguments of a row.
fn members(
    relation: &Relation,
    args: &Relation,
    row: usize,
    budget: &super::budget::Budget,
) -> Result<Relation> {
    if args.vars().is_empty() {
        return Ok(relation.clone());
    }
    let one = args.select(&[row as u32]);
    let (left, right) = (columns(relation, args.vars()), columns(&one, args.vars()));
    let (rows, _) = join_rows((&left, relation.len()), (&right, 1), budget)?;
    Ok(relation.select(&rows))
}

/// The entities that a variable is bound to, ascending.
fn entities(relation: &Relation, entity: Option<VarId>) -> Vec<i64> {
    let column = entity.and_then(|var| relation.column(var));
    let cells = column.into_iter().flat_map(Column::cells);
    let mut entities: Vec<i64> = cells.filter_map(|cell| cell.as_long()).collect();
    entities.sort_unstable();
    entities.dedup();
    entities
}

/// Hits that run through a block.
struct Tried<'p> {
    block: &'p Block,
    entity: VarId,
    bind: &'p Bind,
    /// How many first.
    tries: usize,
    /// What says which entities pass, and how many tries are too many without it.
    instead: Option<&'p (Block, usize)>,
}

impl Tried<'_> {
    /// The nearest hits for which the block finds something, with what it finds.
    fn passing(
        &self,
        context: &mut Context<'_>,
        seed: &Relation,
        asked: &Asked,
    ) -> Result<Relation> {
        let (mut found, mut kept) = (Vec::new(), Vec::new());
        let mut tried = 0;
        let mut among = None;
        let mut reach = match asked.reach {
            Reach::Count(count) => Reach::Count(count.max(self.tries).min(VECTOR_NEIGHBOURS_MAX)),
            radius => radius,
        };
        loop {
            let hits = asked.hits(context, among.as_deref(), reach)?;
            let fresh = &hits[tried.min(hits.len())..];
            let result = self.run(context, seed, fresh)?;
            let passed: HashSet<i64> = entities(&result, Some(self.entity)).into_iter().collect();
            found.push(result);
            let grown = take(&mut kept, fresh, &passed, asked.reach);
            tried = hits.len();
            let (Reach::Count(count), Reach::Count(wanted)) = (reach, asked.reach) else {
                break;
            };
            if grown.is_break() || hits.len() < count || among.is_some() {
                break;
            }
            let more = more_tries(count, kept.len(), wanted).min(VECTOR_NEIGHBOURS_MAX);
            match self.instead {
                Some((block, most)) if more > *most => {
                    let passing = run_block(context, block, seed.clone())?;
                    among = Some(entities(&passing, Some(self.entity)));
                    (tried, reach) = (0, asked.reach);
                    found.clear();
                    kept.clear();
                }
                _ if more == count => break,
                _ => reach = Reach::Count(more),
            }
        }
        self.bound(context, &found, asked, &kept)
    }

    /// What the block finds for some hits.
    fn run(&self, context: &mut Context<'_>, seed: &Relation, hits: &[Hit]) -> Result<Relation> {
        let starts = Relation::new(vec![self.entity], vec![entity_column(hits)], hits.len());
        let starts = natural_join(seed, &starts, context.budget)?;
        run_block(context, self.block, starts)
    }

    /// What was found, with the hits for which it was.
    fn bound(
        &self,
        context: &mut Context<'_>,
        found: &[Relation],
        asked: &Asked,
        kept: &[Hit],
    ) -> Result<Relation> {
        let vars = found[0].vars().to_vec();
        let found = Relation::concat(&vars, found);
        let mut tuples = TupleBuilder::new(self.bind);
        add(
            &mut tuples,
            0,
            self.bind,
            asked,
            kept,
            &mut context.interner,
        )?;
        let (hits, _) = tuples.finish();
        let rows = semi_join_rows(&found, &hits, &[self.entity], true);
        natural_join(&found.select(&rows), &hits, context.budget)
    }
}

/// Hits to try after `tried` of which `passed` did, fewer than are wanted.
fn more_tries(tried: usize, passed: usize, wanted: usize) -> usize {
    let least = tried.saturating_mul(GROWTH);
    let most = least.saturating_mul(GROWTH);
    // As few that passed say little of how many will.
    let expected = (tried.saturating_mul(wanted) / passed.max(1)).saturating_mul(5) / 4;
    match passed < PASSED_MIN {
        true => least,
        false => expected.clamp(tried.saturating_mul(2), most),
    }
}

/// Keeps hits that passed, until there are as many as are wanted.
fn take(kept: &mut Vec<Hit>, hits: &[Hit], passed: &HashSet<i64>, reach: Reach) -> ControlFlow<()> {
    for hit in hits {
        if matches!(reach, Reach::Count(count) if kept.len() >= count) {
            return ControlFlow::Break(());
        }
        if passed.contains(&hit.entity.0) {
            kept.push(*hit);
        }
    }
    match reach {
        Reach::Count(count) if kept.len() < count => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    }
}

/// What a row of arguments asks.
struct Asked {
    db: Db,
    space: Space,
    vector: Vec<f32>,
    reach: Reach,
    ef: Option<usize>,
    exact: bool,
    /// The only entities that may be found, as options say.
    among: Option<Vec<i64>>,
}

impl Asked {
    fn of(
        context: &Context<'_>,
        call: &CallGoal,
        args: &Relation,
        row: usize,
        form: &Value,
    ) -> Result<Asked> {
        let Callable::Nearest(function) = call.callable else {
            unreachable!("only searches come here");
        };
        let wrong = || {
            let (near, last) = match function {
                NearestFunction::Knn => ("a vector", "a number of neighbours"),
                NearestFunction::Within => ("a vector", "a distance"),
                NearestFunction::Semantic => ("a text", "a number of neighbours"),
            };
            let message = format!(
                "{} takes a database, an index or attribute, {near} and {last}, then options; in {form}",
                function.name()
            );
            Error::new(Code::QueryWhere, message)
        };
        let [ArgSlot::Source(source), rest @ ..] = &call.args[..] else {
            return Err(wrong());
        };
        let db = context.sources.db(*source, form)?.db.clone();
        let value = |arg: &ArgSlot| match arg {
            ArgSlot::Const(value) => Some(value.clone()),
            ArgSlot::Var(var) => Some(context.interner.value(args.column(*var)?.cell(row))),
            ArgSlot::Source(_) | ArgSlot::Rules => None,
        };
        let values: Option<Vec<Value>> = rest.iter().map(value).collect();
        let values = values.ok_or_else(wrong)?;
        let [name, vector, reach, options @ ..] = &values[..] else {
            return Err(wrong());
        };
        let options = SearchOptions::read(function.name(), options)?;
        let (name, vector) = near_to(function, &db, name, vector)?;
        let space = Space::of(&db, &name, options.distance)?;
        let among = options.entities(&db)?;
        Ok(Asked {
            vector,
            among,
            db,
            space,
            reach: reach_of(function, reach)?,
            ef: options.ef,
            exact: options.exact,
        })
    }

    fn hits(&self, context: &Context<'_>, among: Option<&[i64]>, reach: Reach) -> Result<Vec<Hit>> {
        let both: Vec<i64>;
        let among = match (among, &self.among) {
            (Some(bound), Some(said)) => {
                let said = |e: &&i64| said.binary_search(e).is_ok();
                both = bound.iter().filter(said).copied().collect();
                Some(&both[..])
            }
            (bound, said) => bound.or(said.as_deref()),
        };
        let wanted = Wanted {
            vector: &self.vector,
            reach,
            ef: self.ef,
            exact: self.exact,
            among,
        };
        nearest(&self.db, &self.space, &wanted, &|| context.budget.check())
    }
}

/// What is searched, and the vector to be near to.
fn near_to(
    function: NearestFunction,
    db: &Db,
    name: &Value,
    vector: &Value,
) -> Result<(Value, Vec<f32>)> {
    let expects = |what: &str| {
        let message = format!("expects {what} to be near to, got {vector}");
        refused(function.name(), message)
    };
    match (function, vector) {
        (NearestFunction::Semantic, Value::Str(text)) => text_vector(db, name, text),
        (NearestFunction::Semantic, _) => Err(expects("a text")),
        _ => {
            let floats = vector_in(db, vector);
            let floats = floats.ok_or_else(|| expects("a vector of numbers"))?;
            Ok((name.clone(), floats.into_owned()))
        }
    }
}

fn reach_of(function: NearestFunction, reach: &Value) -> Result<Reach> {
    let expects = |what: &str| refused(function.name(), format!("expects {what}, got {reach}"));
    match function {
        NearestFunction::Knn | NearestFunction::Semantic => {
            let count = reach.as_long();
            let count = count.and_then(|count| usize::try_from(count).ok());
            count
                .map(Reach::Count)
                .ok_or_else(|| expects("a number of neighbours"))
        }
        NearestFunction::Within => {
            let radius = reach.to_double().ok_or_else(|| expects("a distance"))?;
            Ok(Reach::Radius(radius as f32))
        }
    }
}

/// Adds hits to what is bound, for a row of arguments.
fn add(
    tuples: &mut TupleBuilder,
    row: u32,
    bind: &Bind,
    asked: &Asked,
    hits: &[Hit],
    interner: &mut Interner,
) -> Result<()> {
    if let Some(columns) = hit_columns(bind, asked, hits, interner) {
        tuples.extend(row, &columns, hits.len());
        return Ok(());
    }
    let tuple = |hit: &Hit| {
        Value::vector([
            Value::Long(hit.entity.0),
            Value::Double(f64::from(hit.distance)),
            asked.db.ident(hit.attribute).clone(),
        ])
    };
    let value = match bind {
        Bind::Collection(item) if matches!(**item, Bind::Scalar(_)) => {
            Value::vector(hits.iter().map(|hit| Value::Long(hit.entity.0)))
        }
        _ => Value::vector(hits.iter().map(tuple)),
    };
    tuples.bind(row, bind, &value, interner)
}

/// The columns of the variables of a binding, none of which occurs twice.
fn hit_columns(
    bind: &Bind,
    asked: &Asked,
    hits: &[Hit],
    interner: &mut Interner,
) -> Option<Vec<(VarId, Column)>> {
    let Bind::Collection(item) = bind else {
        return None;
    };
    let items = match &**item {
        item @ Bind::Scalar(_) => std::slice::from_ref(item),
        Bind::Tuple(items) if items.len() <= 3 => items,
        _ => return None,
    };
    let mut bound: Vec<(VarId, Column)> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let var = match item {
            Bind::Scalar(var) if bound.iter().any(|(other, _)| other == var) => return None,
            Bind::Scalar(var) => *var,
            Bind::Ignore => continue,
            _ => return None,
        };
        let column = match at {
            0 => entity_column(hits),
            1 => {
                let bits = hits.iter().map(|hit| f64::from(hit.distance).to_bits());
                Column::uniform(Kind::Double, bits.collect::<Vec<_>>())
            }
            _ => {
                let cells = hits
                    .iter()
                    .map(|hit| interner.cell(asked.db.ident(hit.attribute)));
                Column::from_cells(cells.collect::<Vec<_>>())
            }
        };
        bound.push((var, column));
    }
    Some(bound)
}

fn entity_column(hits: &[Hit]) -> Column {
    let entities: Vec<i64> = hits.iter().map(|hit| hit.entity.0).collect();
    Column::longs(&entities)
}
