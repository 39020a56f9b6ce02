//! Which files statements may read and write.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use datalith_engine::{Code, Error, Result};

/// Decides on one path; the error says how to allow it.
pub type Decide = dyn Fn(&Path, Purpose) -> Result<()> + Send + Sync;

/// What a file is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To read it, or to list a folder.
    Read,
    /// To write it.
    Write,
}

/// Which files statements may read and write.
#[derive(Clone, Default)]
pub enum Access {
    /// None.
    #[default]
    None,
    /// All that the process may.
    All,
    /// Those that somebody else decides on.
    Asked(Arc<Decide>),
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::None => "None",
            Access::All => "All",
            Access::Asked(_) => "Asked",
        })
    }
}

impl Access {
    /// Whether every file may be used.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Access::All)
    }

    /// Whether a file may be used so.
    ///
    /// Errors: [`Code::SqlStatement`], or what is decided.
    pub(crate) fn check(&self, path: &Path, purpose: Purpose) -> Result<()> {
        match self {
            Access::All => Ok(()),
            Access::Asked(decide) => decide(path, purpose),
            Access::None => Err(Error::new(
                Code::SqlStatement,
                format!("{}: statements may not use files here", path.display()),
            )),
        }
    }
}
