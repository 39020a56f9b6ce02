//! A model that was loaded: what it is, and rows of `f32` for texts.

use std::fmt;
use std::ops::ControlFlow;

use super::command::Command;
use super::error::{Code, Error};
use super::http::Client;
use super::local::Local;
use super::source::Source;

/// Hears how many texts are done, from any of the threads at work, not always in rising order;
/// `Break` ends the call with `Code::Interrupted`.
pub type Watch<'a> = &'a (dyn Fn(usize) -> ControlFlow<()> + Sync);

/// A model that turns texts into vectors. Shared freely among threads.
pub struct Model {
    kind: Kind,
}

enum Kind {
    Local(Box<Local>),
    Http(Box<Client>),
    Command(Command),
}

impl Model {
    /// Makes a source ready.
    ///
    /// - A directory is read, checked and digested; nothing of it is read again later.
    /// - A service without a declared `dim`, and a command, are asked for one vector.
    /// - Errors: `Code::Model` and `Code::Unsupported` of a directory; of the others what
    ///   [`Model::embed`] gives, and `Code::Source` where the variable of a key is not set.
    pub fn load(source: &Source) -> Result<Model, Error> {
        let kind = match source {
            Source::Directory(folder) => Kind::Local(Box::new(Local::load(folder)?)),
            Source::Http(service) => Kind::Http(Box::new(Client::load(service)?)),
            Source::Command(words) => Kind::Command(Command::load(words)?),
        };
        Ok(Model { kind })
    }

    /// What must be equal for vectors to be comparable: of a directory `blake3:` and a digest of its
    /// config, tokenizer, weights and settings; of the others their text, without the variable of a
    /// key, and `dim`. A service or program that changes behind its name is not noticed.
    pub fn identity(&self) -> &str {
        match &self.kind {
            Kind::Local(local) => &local.identity,
            Kind::Http(client) => &client.identity,
            Kind::Command(command) => &command.identity,
        }
    }

    /// Numbers of one vector.
    pub fn dim(&self) -> usize {
        match &self.kind {
            Kind::Local(local) => local.dim,
            Kind::Http(client) => client.dim,
            Kind::Command(command) => command.dim,
        }
    }

    /// One row for each text, in order: `[texts × dim]`, row-major, all numbers finite.
    ///
    /// - A text longer than a directory's model takes is cut at its end; a service or command does
    ///   as it likes with it, and with an empty text.
    /// - A directory's model runs on all threads of the rayon pool that the caller stands in, and on
    ///   one thread outside of any. The number of threads never changes a row; which texts it is run
    ///   beside may change its last bits.
    /// - `watch` hears the number of texts that are done after each batch, answer or line.
    /// - Cost: of a directory's model, linear in word pieces, and in a text's own square; beside the
    ///   result, memory for the pieces of 4096 texts and for one batch on each thread. A service is
    ///   asked for up to 64 texts at a time, a command is started once.
    ///   When the call ends a command is ended too, but not what it started itself.
    /// - Errors: `Code::Text` and `Code::Model` of a directory; `Code::Service`, `Code::Busy`,
    ///   `Code::Command` and `Code::Answer` of the others; `Code::Interrupted`.
    pub fn embed(&self, texts: &[&str], watch: Watch) -> Result<Vec<f32>, Error> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let rows = match &self.kind {
            Kind::Local(local) => local.embed(texts, watch),
            Kind::Http(client) => client.embed(texts, watch),
            Kind::Command(command) => command.embed(texts, watch),
        }?;
        match rows.iter().position(|value| !value.is_finite()) {
            None => Ok(rows),
            Some(at) => {
                let text = at / self.dim();
                let message = format!("the vector of text {text} has a number that is not finite");
                Err(Error::of(Code::Answer, message).with("text", text))
            }
        }
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("identity", &self.identity())
            .field("dim", &self.dim())
            .finish()
    }
}
