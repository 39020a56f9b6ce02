//! The extended protocol: statements prepared once, bound to values, run row by row.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use datafusion::sql::parser::Statement;

use super::argument;
use super::client::{Client, Done};
use super::column::{Column, Form, Kind, columns, oid};
use super::command::Command;
use super::described::{Described, places};
use super::message::Parts;
use super::refusal::{Failure, LIMIT, PROTOCOL, Refusal, UNSUPPORTED};
use super::rows::{Left, Rows};
use crate::limits;

use crate::statement::{self, Parameters};

/// What clients have prepared and bound.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) statements: HashMap<String, Rc<Prepared>>,
    pub(super) portals: HashMap<String, Portal>,
}

/// A statement without its values.
pub(super) struct Prepared {
    pub(super) text: String,
    /// None for a text without a statement.
    asked: Option<(Statement, Command)>,
    /// The numbers of the parameters' types.
    parameters: Vec<u32>,
    /// What it answers, where that is known before the values are.
    described: Result<Option<Described>, Refusal>,
    /// Whether the client was told what it answers.
    is_told: Cell<bool>,
}

/// A statement with its values.
pub(super) struct Portal {
    prepared: Rc<Prepared>,
    values: Parameters,
    forms: Vec<Form>,
    progress: Progress,
}

enum Progress {
    Waiting,
    Running(Box<Rows>),
    Finished,
}

impl Client {
    /// `Parse`
    pub(super) fn parse(&mut self, mut body: Parts<'_>) -> Result<(), Failure> {
        let (name, text) = (body.text()?, body.text()?);
        let said = (0..body.count()?).map(|_| body.int().map(|of| of as u32));
        let said = said.collect::<Result<Vec<u32>, Refusal>>()?;
        text.clone_into(&mut self.asked);
        if !name.is_empty() && self.kept.statements.contains_key(name) {
            let message = format!("there is a prepared statement {name} already");
            return Err(Refusal::new("42P05", message).into());
        }
        if self.kept.statements.len() >= limits::PREPARED {
            let message = format!(
                "a connection keeps at most {} prepared statements",
                limits::PREPARED
            );
            return Err(Refusal::new(LIMIT, message).into());
        }
        let mut statements = statement::parse(text)?;
        if statements.len() > 1 {
            let message = "a prepared statement is one statement";
            return Err(Refusal::new("42601", message).into());
        }
        let prepared = self.prepare(text, statements.pop(), &said)?;
        self.kept
            .statements
            .insert(name.to_owned(), Rc::new(prepared));
        self.replies.put(b'1', |_| {});
        Ok(())
    }

    fn prepare(
        &mut self,
        text: &str,
        statement: Option<Statement>,
        said: &[u32],
    ) -> Result<Prepared, Refusal> {
        let mut prepared = Prepared {
            text: text.to_owned(),
            asked: None,
            parameters: said.to_vec(),
            described: Ok(None),
            is_told: Cell::new(false),
        };
        let Some(mut statement) = statement else {
            return Ok(prepared);
        };
        let command = Command::of(&statement)?;
        self.permit(&command)?;
        let count = places(&mut statement)?;
        if count > limits::PARAMETERS {
            return Err(Refusal::new(
                LIMIT,
                format!("a statement has at most {} parameters", limits::PARAMETERS),
            ));
        }
        if matches!(command, Command::Rows(_) | Command::Change(_)) {
            let allowance = self.allowance();
            let described = self.shared.session.described(text, &statement, &allowance);
            prepared.described = match described {
                // The values may say what the statement does not.
                Err(error) if count > 0 => Err(error.into()),
                described => described.map(Some).map_err(Refusal::from),
            };
            if count == 0
                && let Err(refusal) = prepared.described
            {
                return Err(refusal);
            }
        }
        prepared.parameters.resize(count.max(said.len()), 0);
        for (at, of) in prepared.parameters.iter_mut().enumerate() {
            if matches!(*of, 0 | oid::UNKNOWN) {
                let found = prepared.described.as_ref().ok().and_then(Option::as_ref);
                let found = found.and_then(|described| described.parameter(at + 1));
                *of = found.map_or(oid::TEXT, |found| Kind::of(found).oid);
            }
        }
        prepared.asked = Some((statement, command));
        Ok(prepared)
    }

    /// `Bind`
    pub(super) fn bind(&mut self, mut body: Parts<'_>) -> Result<(), Failure> {
        let (portal, name) = (body.text()?, body.text()?);
        let prepared = Rc::clone(self.statement(name)?);
        prepared.text.clone_into(&mut self.asked);
        let written = argument::forms(&mut body)?;
        let count = body.count()?;
        if count != prepared.parameters.len()
            || !matches!(written.len(), 0 | 1) && written.len() != count
        {
            let wanted = prepared.parameters.len();
            let message = format!("{count} values are given for {wanted} parameters");
            return Err(Refusal::new(PROTOCOL, message).into());
        }
        let mut values = Parameters::default();
        for (at, of) in prepared.parameters.iter().enumerate() {
            let form = match written.as_slice() {
                [] => Form::Text,
                [all] => *all,
                each => each[at],
            };
            let value = match body.sized()? {
                None => datalith_engine::Value::Nil,
                Some(bytes) => argument::value(*of, form, bytes).map_err(|refusal| Refusal {
                    message: format!("${}: {}", at + 1, refusal.message),
                    ..refusal
                })?,
            };
            values.positional.push(value);
        }
        let forms = argument::forms(&mut body)?;
        if self.kept.portals.len() >= limits::PORTALS && !self.kept.portals.contains_key(portal) {
            let message = format!("a connection keeps at most {} portals", limits::PORTALS);
            return Err(Refusal::new(LIMIT, message).into());
        }
        let bound = Portal {
            prepared,
            values,
            forms,
            progress: Progress::Waiting,
        };
        self.kept.portals.insert(portal.to_owned(), bound);
        self.replies.put(b'2', |_| {});
        Ok(())
    }

    /// `Describe`
    pub(super) fn describe(&mut self, mut body: Parts<'_>) -> Result<(), Failure> {
        let (kind, name) = (body.byte()?, body.text()?);
        if kind == b'P' {
            let mut portal = self.taken(name)?;
            portal.prepared.text.clone_into(&mut self.asked);
            let outcome = self.start(&mut portal);
            match (&outcome, &portal.progress) {
                (Ok(()), Progress::Running(rows)) => self.replies.columns(&rows.columns),
                (Ok(()), _) => self.replies.put(b'n', |_| {}),
                (Err(_), _) => {}
            }
            self.kept.portals.insert(name.to_owned(), portal);
            return Ok(outcome?);
        }
        let prepared = Rc::clone(self.statement(name)?);
        prepared.text.clone_into(&mut self.asked);
        let described = match &prepared.described {
            Ok(described) => described.as_ref(),
            Err(refusal) => {
                let message = format!("what it answers depends on its values: {}", refusal.message);
                return Err(Refusal::new("42P18", message).into());
            }
        };
        prepared.is_told.set(true);
        self.replies.put(b't', |out| {
            out.extend((prepared.parameters.len() as u16).to_be_bytes());
            prepared
                .parameters
                .iter()
                .for_each(|of| out.extend(of.to_be_bytes()));
        });
        match (&prepared.asked, described) {
            (Some((_, Command::Show(name))), _) => self.replies.columns(&[shown(name)]),
            (Some((_, command)), Some(described)) if command.is_rows() => {
                self.replies.columns(&columns(&described.schema, &[]));
            }
            _ => self.replies.put(b'n', |_| {}),
        }
        Ok(())
    }

    /// `Execute`
    pub(super) fn execute(&mut self, mut body: Parts<'_>) -> Result<(), Failure> {
        let (name, most) = (body.text()?, body.int()?);
        let mut portal = self.taken(name)?;
        portal.prepared.text.clone_into(&mut self.asked);
        let most = usize::try_from(most).ok().filter(|most| *most > 0);
        let outcome = self.advance(&mut portal, most);
        if outcome.is_ok() {
            self.kept.portals.insert(name.to_owned(), portal);
        }
        outcome
    }

    fn advance(&mut self, portal: &mut Portal, most: Option<usize>) -> Result<(), Failure> {
        let Some((_, command)) = &portal.prepared.asked else {
            self.replies.put(b'I', |_| {});
            return Ok(());
        };
        let command = command.clone();
        self.start(portal)?;
        match &mut portal.progress {
            Progress::Running(rows) => {
                let (sent, left) = rows.send(&mut self.replies, most)?;
                if left == Left::Perhaps {
                    self.replies.put(b's', |_| {});
                    return Ok(());
                }
                portal.progress = Progress::Finished;
                self.replies.complete(&command.tag(sent));
            }
            Progress::Finished => self.replies.complete(&command.tag(0)),
            Progress::Waiting => {
                let values = portal.values.clone();
                let statement = portal.prepared.statement();
                let Done::Said(tag) = self.perform(&command, statement, &values, &[])? else {
                    unreachable!("rows are answered by what was started");
                };
                portal.progress = Progress::Finished;
                self.replies.complete(&tag);
            }
        }
        Ok(())
    }

    /// Starts what answers rows, unless it runs already.
    fn start(&mut self, portal: &mut Portal) -> Result<(), Refusal> {
        let Some((_, command)) = &portal.prepared.asked else {
            return Ok(());
        };
        if !command.is_rows() || !matches!(portal.progress, Progress::Waiting) {
            return Ok(());
        }
        let statement = portal.prepared.statement();
        let done = self.perform(command, statement, &portal.values, &portal.forms)?;
        if let Done::Rows(rows) = done {
            portal.prepared.check(&rows.columns)?;
            portal.progress = Progress::Running(rows);
        }
        Ok(())
    }

    /// `Close`
    pub(super) fn close(&mut self, mut body: Parts<'_>) -> Result<(), Failure> {
        let (kind, name) = (body.byte()?, body.text()?);
        match kind {
            b'P' => drop(self.kept.portals.remove(name)),
            _ => drop(self.kept.statements.remove(name)),
        }
        self.replies.put(b'3', |_| {});
        Ok(())
    }

    fn statement(&self, name: &str) -> Result<&Rc<Prepared>, Refusal> {
        let missing = || Refusal::new("26000", format!("there is no prepared statement {name:?}"));
        self.kept.statements.get(name).ok_or_else(missing)
    }

    fn taken(&mut self, name: &str) -> Result<Portal, Refusal> {
        let missing = || Refusal::new("34000", format!("there is no portal {name:?}"));
        self.kept.portals.remove(name).ok_or_else(missing)
    }
}

impl Prepared {
    fn statement(&self) -> Option<Statement> {
        self.asked.as_ref().map(|(statement, _)| statement.clone())
    }

    /// Whether an answer is what the client was told.
    fn check(&self, columns: &[Column]) -> Result<(), Refusal> {
        let Ok(Some(described)) = &self.described else {
            return Ok(());
        };
        let told = described.schema.fields().iter();
        let told = told.map(|field| Kind::of(field.data_type()).oid);
        if !self.is_told.get() || told.eq(columns.iter().map(|column| column.kind.oid)) {
            return Ok(());
        }
        let message = "a prepared statement would answer other types than it was described with";
        Err(Refusal::new(UNSUPPORTED, message))
    }
}

/// The column that `SHOW` answers.
fn shown(name: &str) -> Column {
    Column {
        name: name.to_owned(),
        kind: Kind::of(&datafusion::arrow::datatypes::DataType::Utf8),
        form: Form::Text,
    }
}
