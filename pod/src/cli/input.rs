//! Text that arguments stand for: themselves, a file, or standard input.

use std::fs;
use std::io::{self, Read};

use datalith_engine::{Value, edn};

use super::fault::Fault;

/// A text and what to call it in errors.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// What it is to the user: `query`, a file's name, …
    pub(crate) name: String,
    /// What it says.
    pub(crate) body: String,
}

impl Text {
    /// What an argument stands for: `-` is standard input, `@FILE` a file, all else the text itself.
    pub(crate) fn of(argument: &str, name: &str) -> Result<Text, Fault> {
        if argument == "-" {
            let mut body = String::new();
            let unreadable = |cause| Fault::unreadable("standard input", &cause);
            io::stdin().read_to_string(&mut body).map_err(unreadable)?;
            return Ok(Text {
                name: "standard input".to_owned(),
                body,
            });
        }
        if let Some(path) = argument.strip_prefix('@') {
            let body = fs::read_to_string(path).map_err(|cause| Fault::unreadable(path, &cause))?;
            return Ok(Text {
                name: path.to_owned(),
                body,
            });
        }
        Ok(Text {
            name: name.to_owned(),
            body: argument.to_owned(),
        })
    }

    /// Its one form.
    pub(crate) fn form(&self) -> Result<Value, Fault> {
        edn::read(&self.body).map_err(|error| Fault::refused_in(error, self))
    }
}
