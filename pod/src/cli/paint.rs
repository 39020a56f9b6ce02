//! Colours, where a person looks and wants them.

use std::env;
use std::io::IsTerminal;

use datalith_engine::exec::Tone;

/// Whether to paint what goes to one stream.
#[derive(Clone, Copy, Default)]
pub(crate) struct Paint(bool);

impl Paint {
    /// For a stream: on a terminal that shows colours, unless `NO_COLOR` is set.
    pub(crate) fn of(stream: &impl IsTerminal) -> Paint {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
        Paint(stream.is_terminal() && !refused && !is_dumb)
    }

    /// Whether anything is painted.
    pub(crate) fn is_on(self) -> bool {
        self.0
    }

    /// Less prominent.
    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// More prominent.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Wrong.
    pub(crate) fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// As a part of a plan is to look.
    pub(crate) fn tone(self, tone: Tone, text: &str) -> String {
        match tone {
            Tone::Plain => text.to_owned(),
            Tone::Faint => self.dim(text),
            Tone::Strong => self.bold(text),
            Tone::Alarm => self.red(text),
        }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The same text with control characters made visible: data must not steer a terminal.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}
