//! A connection: how it begins, and one message after the other.

use std::io::{self, BufReader, ErrorKind};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::sql::parser::Statement;
use datalith_engine::script::Allowance;

use super::column::Form;
use super::command::Command;
use super::listen::{Shared, Ticket};
use super::message::{self, Opening, Parts, VERSION_3};
use super::prepared::Kept;
use super::refusal::{Failure, PROTOCOL, Refusal, UNSUPPORTED};
use super::reply::Replies;
use super::rows::{Left, Rows};
use super::scram::MECHANISM;
use super::setting::{self, Settings};
use crate::limits;
use crate::statement::{self, Parameters};

/// Whether statements stand between `BEGIN` and `COMMIT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    None = b'I' as isize,
    Open = b'T' as isize,
    /// A statement in it failed: nothing more happens before its end.
    Failed = b'E' as isize,
}

/// What a statement came to.
pub(super) enum Done {
    Rows(Box<Rows>),
    /// What is said at its end.
    Said(String),
}

/// One who asks.
pub(super) struct Client {
    pub(super) shared: Arc<Shared>,
    pub(super) replies: Replies,
    pub(super) kept: Kept,
    /// The text that was asked last, for the places of errors.
    pub(super) asked: String,
    stream: BufReader<TcpStream>,
    cancelled: Arc<AtomicBool>,
    settings: Settings,
    block: Block,
    /// Whether everything up to the next `Sync` is passed over, as a message before failed.
    is_skipping: bool,
}

/// Serves a connection to its end.
///
/// Errors: those of the socket, and `InvalidData` for bytes that are no messages.
pub(super) fn serve(shared: &Arc<Shared>, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(limits::OPENING))?;
    stream.set_write_timeout(Some(limits::SENDING))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut replies = Replies::new(stream.try_clone()?);
    let wishes = loop {
        match message::opening(&mut reader, limits::OPENING_BYTES)? {
            Opening::Encryption => {
                replies.bytes().push(b'N');
                replies.send()?;
            }
            Opening::Cancel { process, secret } => {
                shared.cancel(process, secret);
                return Ok(());
            }
            Opening::Connect { version, settings } => {
                negotiate(version, &settings, &mut replies);
                break settings;
            }
        }
    };
    let opened = enter(shared, &mut reader, &mut replies, &stream);
    let ticket = match opened {
        Ok(ticket) => ticket,
        Err(Failure::Gone(cause)) => return Err(cause),
        Err(Failure::Refused(refusal)) => {
            replies.refusal("FATAL", "", &refusal);
            return replies.send();
        }
    };
    let mut client = Client {
        shared: Arc::clone(shared),
        replies,
        kept: Kept::default(),
        asked: String::new(),
        stream: reader,
        cancelled: Arc::clone(&ticket.cancelled),
        settings: Settings::new(),
        block: Block::None,
        is_skipping: false,
    };
    stream.set_read_timeout(None)?;
    client.greet(&wishes, &ticket)?;
    let ended = client.run();
    let _ = stream.shutdown(Shutdown::Both);
    ended
}

/// Tells a client that would speak more than version 3.0 that this is all there is.
fn negotiate(version: i32, settings: &[(String, String)], replies: &mut Replies) {
    let names = settings.iter().map(|(name, _)| name.as_bytes());
    let extensions: Vec<&[u8]> = names.filter(|name| name.starts_with(b"_pq_.")).collect();
    if version == VERSION_3 && extensions.is_empty() {
        return;
    }
    replies.put(b'v', |out| {
        out.extend(VERSION_3.to_be_bytes());
        out.extend((extensions.len() as i32).to_be_bytes());
        for name in extensions {
            out.extend(name);
            out.push(0);
        }
    });
}

/// Lets a client in that there is room for, and that knows the password.
fn enter(
    shared: &Arc<Shared>,
    reader: &mut BufReader<TcpStream>,
    replies: &mut Replies,
    stream: &TcpStream,
) -> Result<Ticket, Failure> {
    if let Some(verifier) = &shared.verifier {
        replies.authentication(10, format!("{MECHANISM}\0\0").as_bytes());
        replies.send()?;
        let challenge = verifier.challenge(&password(reader)?)?;
        replies.authentication(11, challenge.text.as_bytes());
        replies.send()?;
        let proof = challenge.answer(&password(reader)?);
        if proof.is_err() {
            std::thread::sleep(limits::WRONG_PASSWORD);
        }
        replies.authentication(12, proof?.as_bytes());
    }
    let ticket = shared.admit(stream)?;
    replies.authentication(0, &[]);
    Ok(ticket)
}

fn password(reader: &mut BufReader<TcpStream>) -> Result<Vec<u8>, Failure> {
    match message::next(reader, limits::OPENING_BYTES)? {
        (b'p', body) => Ok(body),
        _ => Err(Refusal::new(PROTOCOL, "a password is awaited").into()),
    }
}

impl Client {
    fn greet(&mut self, wishes: &[(String, String)], ticket: &Ticket) -> io::Result<()> {
        for (name, value) in wishes {
            self.settings.wish(name, value);
        }
        for (name, value) in self.settings.told() {
            self.replies.setting(name, value);
        }
        self.replies.key(ticket.process, ticket.secret);
        self.ready()
    }

    fn ready(&mut self) -> io::Result<()> {
        if self.block == Block::None {
            self.kept.portals.clear();
        }
        self.replies.ready(self.block as u8);
        self.replies.send()
    }

    fn run(&mut self) -> io::Result<()> {
        loop {
            let next = message::next(&mut self.stream, limits::MESSAGE_BYTES);
            if self.shared.is_stopped() {
                let refusal = Refusal::new("57P01", "the server ends");
                self.replies.refusal("FATAL", "", &refusal);
                return self.replies.send();
            }
            let (tag, body) = match next {
                Ok(message) => message,
                Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => return Ok(()),
                Err(cause) => {
                    let refusal = Refusal::new(PROTOCOL, cause.to_string());
                    self.replies.refusal("FATAL", "", &refusal);
                    let _ = self.replies.send();
                    return Err(cause);
                }
            };
            if tag == b'X' {
                return Ok(());
            }
            self.cancelled.store(false, Ordering::Relaxed);
            self.take(tag, &body)?;
        }
    }

    /// Does what a message asks.
    fn take(&mut self, tag: u8, body: &[u8]) -> io::Result<()> {
        let parts = Parts(body);
        match tag {
            b'S' => {
                self.is_skipping = false;
                return self.ready();
            }
            b'H' => return self.replies.send(),
            // What belongs to a COPY that failed already.
            b'd' | b'c' | b'f' => return Ok(()),
            _ if self.is_skipping => return Ok(()),
            _ => {}
        }
        let done = match tag {
            b'Q' => self.simple(parts),
            b'P' => self.parse(parts),
            b'B' => self.bind(parts),
            b'D' => self.describe(parts),
            b'E' => self.execute(parts),
            b'C' => self.close(parts),
            b'F' => Err(Refusal::new(UNSUPPORTED, "functions are called within statements").into()),
            _ => {
                let message = format!("there is no message {:?}", char::from(tag));
                let refusal = Refusal::new(PROTOCOL, message);
                self.replies.refusal("FATAL", "", &refusal);
                self.replies.send()?;
                return Err(io::Error::new(ErrorKind::InvalidData, refusal.message));
            }
        };
        match done {
            Ok(()) => {}
            Err(Failure::Gone(cause)) => return Err(cause),
            Err(Failure::Refused(refusal)) => {
                self.refuse(refusal);
                self.is_skipping = tag != b'Q';
            }
        }
        match tag {
            b'Q' => self.ready(),
            _ => self.replies.send_much(),
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        let refusal = self.advised(refusal);
        self.replies.refusal("ERROR", &self.asked, &refusal);
        if self.block == Block::Open {
            self.block = Block::Failed;
        }
    }

    /// `Query`: any number of statements, each a transaction by itself.
    fn simple(&mut self, mut body: Parts<'_>) -> Result<(), Failure> {
        let text = body.text()?;
        text.clone_into(&mut self.asked);
        self.kept.statements.remove("");
        self.kept.portals.remove("");
        let statements = statement::parse(text)?;
        if statements.is_empty() {
            self.replies.put(b'I', |_| {});
        }
        for statement in statements {
            let command = Command::of(&statement)?;
            let done = self.perform(&command, Some(statement), &Parameters::default(), &[])?;
            let tag = match done {
                Done::Said(tag) => tag,
                Done::Rows(mut rows) => {
                    self.replies.columns(&rows.columns);
                    let (sent, left) = rows.send(&mut self.replies, None)?;
                    debug_assert_eq!(left, Left::Nothing, "all rows were asked for");
                    command.tag(sent)
                }
            };
            self.replies.complete(&tag);
        }
        Ok(())
    }

    /// Refuses what must not happen now.
    pub(super) fn permit(&self, command: &Command) -> Result<(), Refusal> {
        match (self.block, command) {
            (Block::Failed, Command::Commit | Command::Rollback) => Ok(()),
            (Block::Failed, _) => {
                let message = "a statement of this block failed: nothing is done before ROLLBACK";
                Err(Refusal::new("25P02", message))
            }
            (Block::Open, Command::Change(_)) => {
                let message = "a change is a transaction by itself and cannot be undone: \
                               none is made between BEGIN and COMMIT";
                let hint = "let the driver commit each statement: autocommit";
                Err(Refusal::new(UNSUPPORTED, message).with_hint(hint))
            }
            _ => Ok(()),
        }
    }

    /// What a statement may use.
    pub(super) fn allowance(&self) -> Allowance {
        let allowance = Allowance::default().with_cancel(Arc::clone(&self.cancelled));
        let timeouts = [self.shared.timeout_ms, self.settings.timeout_ms()];
        match timeouts.into_iter().flatten().min() {
            Some(ms) => allowance.with_timeout_ms(ms),
            None => allowance,
        }
    }

    /// Does what a statement asks for; of rows none are sent yet.
    pub(super) fn perform(
        &mut self,
        command: &Command,
        statement: Option<Statement>,
        values: &Parameters,
        forms: &[Form],
    ) -> Result<Done, Refusal> {
        self.permit(command)?;
        let said = |tag: &str| Ok(Done::Said(tag.to_owned()));
        match command {
            Command::Rows(_) | Command::Change(_) => {
                let Some(statement) = statement else {
                    unreachable!("what asks for rows or changes is a statement");
                };
                self.ask(command, statement, values, forms)
            }
            Command::Begin => {
                self.block = Block::Open;
                said("BEGIN")
            }
            Command::Commit if self.block == Block::Failed => {
                self.block = Block::None;
                said("ROLLBACK")
            }
            Command::Commit => {
                self.block = Block::None;
                said("COMMIT")
            }
            Command::Rollback => {
                self.block = Block::None;
                said("ROLLBACK")
            }
            Command::Set(None) => said("SET"),
            Command::Set(Some((name, value))) => {
                if let Some(told) = self.settings.set(name, value)? {
                    let value = self.settings.get(told).unwrap_or_default();
                    self.replies.setting(told, value);
                }
                said("SET")
            }
            Command::Reset => {
                self.settings.reset();
                said("RESET")
            }
            Command::Show(name) => {
                let value = self
                    .settings
                    .get(name)
                    .ok_or_else(|| setting::unknown(name))?;
                let answer = self.shared.session.said(name, value)?;
                Ok(Done::Rows(Box::new(Rows::new(answer, forms)?)))
            }
            Command::Discard => {
                self.settings.reset();
                self.kept = Kept::default();
                said("DISCARD ALL")
            }
            Command::Deallocate(name) => {
                match name {
                    Some(name) => drop(self.kept.statements.remove(name)),
                    None => self.kept.statements.clear(),
                }
                said("DEALLOCATE")
            }
        }
    }

    fn ask(
        &self,
        command: &Command,
        mut statement: Statement,
        values: &Parameters,
        forms: &[Form],
    ) -> Result<Done, Refusal> {
        let session = &self.shared.session;
        let asked = statement::complete(&mut statement, values)
            .and_then(|()| session.answer(&self.asked, statement, &self.allowance()));
        let mut answer = asked?;
        let Command::Change(_) = command else {
            return Ok(Done::Rows(Box::new(Rows::new(answer, forms)?)));
        };
        let batch = answer.next().transpose()?;
        let count = batch.map(|batch| crate::value(batch.column(0), 0));
        let count = count.and_then(|count| count.as_long()).unwrap_or_default();
        Ok(Done::Said(command.tag(usize::try_from(count).unwrap_or(0))))
    }

    /// The same, or what to ask instead of the catalog of PostgreSQL.
    fn advised(&self, refusal: Refusal) -> Refusal {
        let is_about_it = self.asked.contains("pg_catalog.") || self.asked.contains("pg_class");
        if !is_about_it || !refusal.state.starts_with("42") {
            return refusal;
        }
        let message = "the catalog pg_catalog of PostgreSQL is not there";
        let hint = "SHOW TABLES lists the tables, SHOW COLUMNS FROM person the columns of one, \
                    as information_schema does";
        Refusal::new(UNSUPPORTED, message).with_hint(hint)
    }
}

impl Command {
    /// What is said at the end, after so many rows.
    pub(super) fn tag(&self, rows: usize) -> String {
        match self {
            Command::Rows("EXPLAIN") => "EXPLAIN".to_owned(),
            Command::Show(_) | Command::Rows("SHOW") => "SHOW".to_owned(),
            Command::Rows(word) | Command::Change(word) => format!("{word} {rows}"),
            other => format!("{other:?}").to_uppercase(),
        }
    }
}
