//! Recursive rules, semi-naively: rounds of plans that do not recur, over tables of what is known.
//!
//! The rules that call one another are worked out together, for all arguments. A round submits one
//! plan for each of them: its branches, each once for each call of a rule of the component, which
//! reads what the round before found new while the other calls read all that is known. What a plan
//! gives that is not known yet is new. Rules below, which do not call these, are worked out first.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};
use datafusion::catalog::MemTable;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::LogicalPlanBuilder;
use datalith_engine::query::ast::RuleBranch;
use datalith_engine::{Code, Error, Result};

use super::answer::Runner;
use super::block::{Lowering, Round, Table, Tuples};
use super::kind::column;
use super::relation::{Field, Relation, planned, unsupported};

/// Most rounds.
const ROUNDS: usize = 100_000;
/// Most components that are worked out within one another.
const DEPTH: usize = 32;

/// A rule of a component.
struct Member {
    table: Table,
    branches: Vec<RuleBranch>,
    /// What its tuples are, once some were found.
    fields: Option<Vec<Field>>,
    known: Vec<RecordBatch>,
}

/// Tries until no recursive rule is wanting.
pub(super) fn with_rules<T>(
    lowering: &mut Lowering,
    runner: Runner<'_>,
    depth: usize,
    attempt: impl Fn(&mut Lowering) -> Result<T>,
) -> Result<T> {
    loop {
        lowering.wanted = None;
        lowering.clauses = 0;
        let error = match attempt(lowering) {
            Ok(made) => return Ok(made),
            Err(error) => error,
        };
        let Some(table) = lowering.wanted.take() else {
            return Err(error);
        };
        if depth >= DEPTH {
            return Err(unsupported("Recursive rules within rules nest too deep"));
        }
        let around = lowering.round.take();
        solve(lowering, &table, runner, depth)?;
        lowering.round = around;
    }
}

/// Works out a recursive rule and those that it recurs with.
fn solve(lowering: &mut Lowering, table: &Table, runner: Runner<'_>, depth: usize) -> Result<()> {
    let mut members = members(lowering, table)?;
    for member in &members {
        let nothing = nothing(&member.branches)?;
        let tuples = Tuples {
            full: nothing.clone(),
            delta: nothing,
        };
        lowering.tables.insert(member.table.clone(), tuples);
    }
    for round in 0..ROUNDS {
        let mut found = Vec::with_capacity(members.len());
        for member in &members {
            found.push(step(lowering, &members, member, round, (runner, depth))?);
        }
        let mut is_new = false;
        for (member, new) in members.iter_mut().zip(found) {
            is_new |= new.is_some();
            let tuples = grow(member, new)?;
            lowering.tables.insert(member.table.clone(), tuples);
        }
        if !is_new {
            return Ok(());
        }
    }
    let message = format!("The rule {} needs more than {ROUNDS} rounds", table.rule);
    Err(Error::new(Code::Limit, message))
}

fn members(lowering: &Lowering, table: &Table) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    for rule in lowering.rules.component(&table.rule) {
        let branches = lowering.rules.get(&rule).unwrap_or_default().to_vec();
        for branch in &branches {
            let none = vec![false; branch.head().count()];
            if !lowering.rules.branch_runs(branch, &none) {
                let message = format!(
                    "The recursive rule {rule} needs arguments that are bound, and rounds work it out for all"
                );
                return Err(unsupported(message));
            }
        }
        members.push(Member {
            table: Table {
                rule,
                source: table.source.clone(),
            },
            branches,
            fields: None,
            known: Vec::new(),
        });
    }
    Ok(members)
}

/// What a rule finds in a round that it did not know; none for nothing.
fn step(
    lowering: &mut Lowering,
    members: &[Member],
    member: &Member,
    round: usize,
    (runner, depth): (Runner<'_>, usize),
) -> Result<Option<(Vec<Field>, Vec<RecordBatch>)>> {
    let mut found = Vec::new();
    for branch in &member.branches {
        let mut delta = 0;
        loop {
            let (relation, met) = with_rules(lowering, runner, depth + 1, |lowering| {
                lowering.round = Some(Round {
                    component: members.iter().map(|member| member.table.clone()).collect(),
                    delta,
                    met: 0,
                    negations: 0,
                });
                let relation = lowering.branch(branch, Relation::unit()?, &member.table.source);
                let met = lowering.round.take().map_or(0, |round| round.met);
                Ok((relation?, met))
            })?;
            // The first round finds what needs no call; afterwards whatever is new comes of one.
            if round == 0 || met > 0 {
                found.push(relation);
            }
            delta += 1;
            if round == 0 || delta >= met {
                break;
            }
        }
    }
    let found = Relation::union(found)?.distinct()?;
    if found.is_empty {
        return Ok(None);
    }
    if let Some(fields) = &member.fields {
        let same = fields.iter().zip(&found.fields).all(|(a, b)| a.of == b.of);
        if !same {
            let message = format!(
                "The recursive rule {} finds values of several kinds",
                member.table.rule
            );
            return Err(unsupported(message));
        }
    }
    let fields = found.fields.clone();
    let known = lowering.tables.get(&member.table);
    let new = match known {
        Some(known) => found.without(known.full.clone())?,
        None => found,
    };
    let batches = runner.collect(new.plan)?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    Ok((rows > 0).then_some((fields, batches)))
}

/// What is known of a rule after a round.
fn grow(member: &mut Member, new: Option<(Vec<Field>, Vec<RecordBatch>)>) -> Result<Tuples> {
    let Some((mut fields, batches)) = new else {
        let nothing = nothing(&member.branches)?;
        let full = match &member.fields {
            Some(fields) => table(&member.table, fields, &member.known)?,
            None => nothing.clone(),
        };
        return Ok(Tuples {
            full,
            delta: nothing,
        });
    };
    // Whatever names entities in one branch may have been named by another.
    fields.iter_mut().for_each(|field| field.is_named = true);
    let schema = schema(&fields);
    let mut fresh = Vec::with_capacity(batches.len());
    for batch in batches {
        fresh.push(conforming(&schema, &batch)?);
    }
    member.known.extend(fresh.iter().cloned());
    let tuples = Tuples {
        full: table(&member.table, &fields, &member.known)?,
        delta: table(&member.table, &fields, &fresh)?,
    };
    member.fields = Some(fields);
    Ok(tuples)
}

fn nothing(branches: &[RuleBranch]) -> Result<Relation> {
    use super::kind::{Kind, Type};
    let heads = branches.first().map_or(0, |branch| branch.head().count());
    let field = |at| Field::new(&super::block::position(at), Type::Of(Kind::Long));
    Relation::empty((0..heads).map(field).collect())
}

fn schema(fields: &[Field]) -> SchemaRef {
    let columns = fields.iter().flat_map(Field::columns);
    let columns = columns.map(|(name, of)| ArrowField::new(name, of, false));
    Arc::new(Schema::new(columns.collect::<Vec<_>>()))
}

fn conforming(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = schema.fields().iter().zip(batch.columns());
    let columns = columns.map(|(field, column)| compute::cast(column, field.data_type()));
    let made = columns
        .collect::<std::result::Result<Vec<_>, _>>()
        .and_then(|columns| RecordBatch::try_new(Arc::clone(schema), columns));
    planned(made.map_err(Into::into))
}

/// Batches as a relation.
fn table(of: &Table, fields: &[Field], batches: &[RecordBatch]) -> Result<Relation> {
    let table = planned(MemTable::try_new(schema(fields), vec![batches.to_vec()]))?;
    let source = provider_as_source(Arc::new(table));
    let scan = LogicalPlanBuilder::scan(of.rule.as_str(), source, None);
    let scan = planned(scan.and_then(LogicalPlanBuilder::build))?;
    let columns = fields.iter().flat_map(Field::columns);
    let columns = columns.map(|(name, _)| (column(&name), name)).collect();
    Relation::of(scan, columns, fields.to_vec())
}
