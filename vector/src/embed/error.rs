//! Errors are data: callers branch on [`Code`], people read the message, tools read the data.

use std::fmt;

/// What to branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The text that names a model cannot be read.
    Source,
    /// A file of a model is absent, torn, too large, or contradicts another.
    Model,
    /// A model that is whole, but of a kind that is not run here.
    Unsupported,
    /// A text that the model's tokenizer refuses.
    Text,
    /// A service that cannot be reached, or that refuses the request.
    Service,
    /// A service that is overloaded or late, also after all tries; later it may answer.
    Busy,
    /// A command that cannot be started, fails, or falls silent.
    Command,
    /// A service or command that answers with something else than one vector for each text.
    Answer,
    /// The caller's `watch` asked to stop.
    Interrupted,
}

impl Code {
    /// The keyword that stands under `:error`, without its colon.
    pub fn keyword(self) -> &'static str {
        match self {
            Code::Source => "embed/source",
            Code::Model => "embed/model",
            Code::Unsupported => "embed/unsupported",
            Code::Text => "embed/text",
            Code::Service => "embed/service",
            Code::Busy => "embed/busy",
            Code::Command => "embed/command",
            Code::Answer => "embed/answer",
            Code::Interrupted => "embed/interrupted",
        }
    }

    /// Who must act, as `:cognitect.anomalies/category` names it, without its colon.
    pub fn category(self) -> &'static str {
        match self {
            Code::Source | Code::Model | Code::Text => "cognitect.anomalies/incorrect",
            Code::Unsupported => "cognitect.anomalies/unsupported",
            Code::Service | Code::Command => "cognitect.anomalies/unavailable",
            Code::Busy => "cognitect.anomalies/busy",
            Code::Answer => "cognitect.anomalies/fault",
            Code::Interrupted => "cognitect.anomalies/interrupted",
        }
    }
}

/// What went wrong, where, and what was expected. Never holds a key or a text that was embedded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What to branch on.
    pub code: Code,
    /// One sentence: what failed, what was expected.
    pub message: String,
    /// Entries for tools, such as the path of a file; keys without their colon.
    pub data: Vec<(&'static str, String)>,
}

impl Error {
    pub(crate) fn of(code: Code, message: impl Into<String>) -> Error {
        Error {
            code,
            message: message.into(),
            data: Vec::new(),
        }
    }

    /// The caller's wish to stop after `done` texts.
    pub(crate) fn interrupted(done: usize) -> Error {
        let message = format!("stopped as asked, after {done} texts");
        Error::of(Code::Interrupted, message).with("done", done)
    }

    pub(crate) fn with(mut self, key: &'static str, value: impl fmt::Display) -> Error {
        self.data.push((key, value.to_string()));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
