//! How the demo looks, on a terminal and in a pipe.

use std::io::{self, Write};
use std::time::Duration;

use datalith_engine::Value;

use super::super::fault::Fault;
use super::super::listing::Listing;
use super::super::output::duration_text;
use super::super::paint::Paint;
use super::super::{pretty, table};

/// What everything below a heading is moved in by.
const MARGIN: &str = "   ";

/// A page of numbered sections.
pub(super) struct Page<'a> {
    out: &'a mut dyn Write,
    paint: Paint,
    section: usize,
}

impl<'a> Page<'a> {
    /// An empty page.
    pub(super) fn new(out: &'a mut dyn Write) -> Page<'a> {
        Page {
            out,
            paint: Paint::of(&io::stdout()),
            section: 0,
        }
    }

    /// What it is about.
    pub(super) fn title(&mut self, text: &str) -> Result<(), Fault> {
        Ok(writeln!(self.out, "{}", self.paint.bold(text))?)
    }

    /// The heading of the next section; what came before it is shown now.
    pub(super) fn section(&mut self, title: &str) -> Result<(), Fault> {
        self.section += 1;
        writeln!(
            self.out,
            "\n{}",
            self.paint.bold(&format!("{}. {title}", self.section))
        )?;
        Ok(self.out.flush()?)
    }

    /// Plain lines.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Fault> {
        for line in text.lines() {
            writeln!(self.out, "{}", format!("{MARGIN}{line}").trim_end())?;
        }
        Ok(())
    }

    /// What is run.
    pub(super) fn code(&mut self, text: &str) -> Result<(), Fault> {
        self.text(text)?;
        Ok(writeln!(self.out)?)
    }

    /// Rows.
    pub(super) fn listing(&mut self, listing: &Listing<'_>) -> Result<(), Fault> {
        if let Some(value) = listing.scalar() {
            return self.value(&value);
        }
        let mut lines = Vec::new();
        table::write(&mut lines, listing)?;
        self.text(&String::from_utf8_lossy(&lines))
    }

    /// One value.
    pub(super) fn value(&mut self, value: &Value) -> Result<(), Fault> {
        self.text(&pretty::layout(value, 0))
    }

    /// How many rows there are and how long they took.
    pub(super) fn rows_remark(&mut self, rows: usize, took: Duration) -> Result<(), Fault> {
        let rows = if rows == 1 {
            "1 row".to_owned()
        } else {
            format!("{rows} rows")
        };
        self.remark(&format!("{rows}, {}", duration_text(took)))
    }

    /// Something beside the matter.
    pub(super) fn remark(&mut self, text: &str) -> Result<(), Fault> {
        Ok(writeln!(
            self.out,
            "{MARGIN}{}",
            self.paint.dim(&format!("— {text}"))
        )?)
    }
}
