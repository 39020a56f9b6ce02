//! What the command line asks for.

use std::path::PathBuf;
use std::str::FromStr;

/// What the command line asks for.
pub(crate) struct Options {
    pub(crate) scale: f64,
    pub(crate) rounds: usize,
    pub(crate) threads: usize,
    /// Numbers of queries; all if none is named.
    queries: Vec<usize>,
    pub(crate) keep: Option<PathBuf>,
    pub(crate) answers: Option<PathBuf>,
    pub(crate) only: Option<String>,
    pub(crate) explain: Option<String>,
}

impl Options {
    /// Reads arguments; what cargo adds of its own is passed over.
    pub(crate) fn from_arguments(
        mut arguments: impl Iterator<Item = String>,
    ) -> Result<Options, String> {
        let mut options = Options {
            scale: 0.1,
            rounds: 4,
            threads: 2,
            queries: Vec::new(),
            keep: None,
            answers: None,
            only: None,
            explain: None,
        };
        while let Some(name) = arguments.next() {
            if name == "--bench" {
                continue;
            }
            let value = arguments
                .next()
                .ok_or_else(|| format!("{name} wants a value"))?;
            match name.as_str() {
                "--scale" => options.scale = number(&value)?,
                "--rounds" => options.rounds = number(&value)?,
                "--threads" => options.threads = number(&value)?,
                "--queries" => {
                    options.queries = value.split(',').map(number).collect::<Result<_, _>>()?;
                }
                "--keep" => options.keep = Some(value.into()),
                "--answers" => options.answers = Some(value.into()),
                "--only" => options.only = Some(value),
                "--explain" => options.explain = Some(value),
                _ => return Err(format!("there is no option {name}")),
            }
        }
        Ok(options)
    }

    /// Whether a query is asked for.
    pub(crate) fn asks(&self, number: usize) -> bool {
        self.queries.is_empty() || self.queries.contains(&number)
    }
}

fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}
