//! Values as text: `str`, `pr-str` and their kin, bounded while they are written.

use std::fmt::{self, Write};

use super::failure::over_limit;
use crate::error::{Error, Result};
use crate::limits;
use crate::value::Value;

/// Text that refuses to outgrow [`limits::FUNCTION_TEXT_BYTES`].
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    pub(super) fn push(&mut self, part: &str) -> Result<()> {
        self.write_str(part).map_err(|_| too_long())
    }

    /// Appends as `str` does: text bare, everything else as it reads back.
    pub(super) fn push_str_of(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Nil => Ok(()),
            Value::Str(text) => self.push(text),
            Value::Char(c) => self.push(c.encode_utf8(&mut [0; 4])),
            Value::List(_) | Value::Vector(_) | Value::Map(_) | Value::Set(_) => {
                self.push_pr(value)
            }
            other => self.push(&crate::edn::display_str(other)),
        }
    }

    /// Appends as `pr-str` does.
    pub(super) fn push_pr(&mut self, value: &Value) -> Result<()> {
        write!(self, "{value}").map_err(|_| too_long())
    }

    /// Appends as `print` does: text and characters bare at every depth.
    fn push_print(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Str(text) => self.push(text),
            Value::Char(c) => self.push(c.encode_utf8(&mut [0; 4])),
            Value::List(items) => self.push_all("(", items.iter(), ")"),
            Value::Vector(items) => self.push_all("[", items.iter(), "]"),
            Value::Set(items) => self.push_all("#{", items.iter(), "}"),
            Value::Map(map) => {
                self.push("{")?;
                for (n, (key, value)) in map.iter().enumerate() {
                    if n > 0 {
                        self.push(", ")?;
                    }
                    self.push_print(key)?;
                    self.push(" ")?;
                    self.push_print(value)?;
                }
                self.push("}")
            }
            other => self.push_pr(other),
        }
    }

    fn push_all<'a>(
        &mut self,
        open: &str,
        items: impl Iterator<Item = &'a Value>,
        close: &str,
    ) -> Result<()> {
        self.push(open)?;
        for (n, item) in items.enumerate() {
            if n > 0 {
                self.push(" ")?;
            }
            self.push_print(item)?;
        }
        self.push(close)
    }

    pub(super) fn into_value(self) -> Value {
        Value::from(self.0)
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.0.len() + part.len() > limits::FUNCTION_TEXT_BYTES {
            return Err(fmt::Error);
        }
        self.0.push_str(part);
        Ok(())
    }
}

fn too_long() -> Error {
    over_limit("function-text-bytes", limits::FUNCTION_TEXT_BYTES)
}

pub(super) fn str(args: &[Value]) -> Result<Value> {
    let mut text = Text::default();
    for arg in args {
        text.push_str_of(arg)?;
    }
    Ok(text.into_value())
}

pub(super) fn pr_str(args: &[Value]) -> Result<Value> {
    spaced(args, Text::push_pr, "")
}

pub(super) fn prn_str(args: &[Value]) -> Result<Value> {
    spaced(args, Text::push_pr, "\n")
}

pub(super) fn print_str(args: &[Value]) -> Result<Value> {
    spaced(args, Text::push_print, "")
}

pub(super) fn println_str(args: &[Value]) -> Result<Value> {
    spaced(args, Text::push_print, "\n")
}

fn spaced(args: &[Value], push: fn(&mut Text, &Value) -> Result<()>, end: &str) -> Result<Value> {
    let mut text = Text::default();
    for (n, arg) in args.iter().enumerate() {
        if n > 0 {
            text.push(" ")?;
        }
        push(&mut text, arg)?;
    }
    text.push(end)?;
    Ok(text.into_value())
}
