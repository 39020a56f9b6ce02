//! What each token says: the reader's scalars, and what follows `#`.

use std::sync::Arc;

use super::name::{self, Name};
use super::reader::{Forms, Kind, over, wrong};
use super::{escape, number, scan};
use crate::error::{Error, Result, Span};
use crate::limits;
use crate::value::{Keyword, Symbol, Value};

impl<'a> Forms<'a> {
    pub(super) fn string(&mut self) -> Result<Value> {
        let start = self.at;
        let (text, end) = escape::string(self.text, start)?;
        self.at = end;
        self.count_token(start)?;
        Ok(Value::Str(text.into()))
    }

    pub(super) fn number(&mut self) -> Result<Value> {
        let start = self.at;
        self.at = scan::number_end(self.text, start);
        self.count_token(start)?;
        number::parse_number(&self.text[start..self.at]).map_err(|error| {
            error.at(Span {
                start,
                end: self.at,
            })
        })
    }

    pub(super) fn character(&mut self) -> Result<Value> {
        let start = self.at;
        if start + 1 == self.text.len() {
            return Err(wrong("Expected a character after `\\`").at(Span {
                start,
                end: start + 1,
            }));
        }
        self.at = scan::token_end(self.text, start + 1).map_err(|span| illegal(self.text, span))?;
        self.count_token(start)?;
        escape::character(&self.text[start + 1..self.at])
            .map(Value::Char)
            .map_err(|error| {
                error.at(Span {
                    start,
                    end: self.at,
                })
            })
    }

    pub(super) fn token(&mut self) -> Result<Value> {
        let start = self.at;
        let token = self.token_text()?;
        self.count_token(start)?;
        Ok(match token {
            "nil" => Value::Nil,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => match name::parse(token) {
                Some(Name::Symbol(text)) => Value::Symbol(Symbol::new(text)),
                Some(Name::Keyword(text)) => Value::Keyword(self.keyword(text)),
                None => {
                    return Err(wrong(format!("Invalid token: {token}")).at(Span {
                        start,
                        end: self.at,
                    }));
                }
            },
        })
    }

    fn token_text(&mut self) -> Result<&'a str> {
        let start = self.at;
        let width = Span {
            start,
            end: start + 1,
        };
        if self.byte(0).is_some_and(|byte| !scan::starts_token(byte)) {
            return Err(illegal(self.text, width));
        }
        self.at = scan::token_end(self.text, start).map_err(|span| illegal(self.text, span))?;
        if self.at - start > limits::EDN_NAME_BYTES {
            return Err(
                over("name-bytes", limits::EDN_NAME_BYTES, "A symbol or keyword").at(Span {
                    start,
                    end: self.at,
                }),
            );
        }
        Ok(&self.text[start..self.at])
    }

    /// Texts repeat their keywords: one allocation for each.
    fn keyword(&mut self, text: &'a str) -> Keyword {
        self.keywords
            .entry(text)
            .or_insert_with(|| Keyword::new(text))
            .clone()
    }

    /// What follows `#`; none if a form has been opened.
    pub(super) fn dispatch(&mut self) -> Result<Option<Value>> {
        let start = self.at;
        match self.byte(1) {
            Some(b'{') => self.open(Kind::Set, 2)?,
            Some(b'_') => self.open(Kind::Discard, 2)?,
            Some(b'^') => self.open(Kind::Meta, 2)?,
            Some(b'#') => self.open(Kind::Symbolic, 2)?,
            Some(b':') => self.open_namespaced()?,
            Some(b'"') => return self.pattern().map(Some),
            _ => {
                let next = self.text[start + 1..].chars().next();
                if !next.is_some_and(char::is_alphabetic) {
                    let end = start + 1 + next.map_or(0, char::len_utf8);
                    return Err(
                        wrong("Expected a tag, `{`, `_`, `#`, `:`, `^` or `\"` after `#`")
                            .at(Span { start, end }),
                    );
                }
                self.at += 1;
                let token = self.token_text()?;
                let is_tag = !matches!(token, "nil" | "true" | "false")
                    && matches!(name::parse(token), Some(Name::Symbol(_)));
                if !is_tag {
                    return Err(
                        wrong(format!("A tag must be a symbol, not {token}")).at(Span {
                            start,
                            end: self.at,
                        }),
                    );
                }
                self.at = start;
                self.open(Kind::Tag(token), 1 + token.len())?;
            }
        }
        Ok(None)
    }

    fn open_namespaced(&mut self) -> Result<()> {
        let start = self.at;
        self.at = scan::skip_blank(self.text, start + 2);
        let namespace = match self.byte(0) {
            Some(byte) if scan::starts_name(byte) => self.token_text()?,
            _ => "",
        };
        let end = self.at.max(start + 2).min(self.text.len());
        if !matches!(name::parse(namespace), Some(Name::Symbol(text)) if !text.contains('/')) {
            return Err(
                wrong("A map with a namespace needs a plain symbol after `#:`")
                    .at(Span { start, end }),
            );
        }
        let brace = scan::skip_blank(self.text, self.at);
        if self.text.as_bytes().get(brace) != Some(&b'{') {
            return Err(
                wrong(format!("Expected `{{` after `#:{namespace}`")).at(Span { start, end })
            );
        }
        self.at = start;
        self.open(Kind::NamespacedMap(namespace), brace + 1 - start)
    }

    fn pattern(&mut self) -> Result<Value> {
        let start = self.at;
        let (text, end) = escape::pattern(self.text, start + 1)?;
        self.at = end;
        self.count_token(start)?;
        self.patterns += 1;
        let span = Span { start, end };
        if self.patterns > limits::EDN_PATTERNS {
            return Err(over("patterns", limits::EDN_PATTERNS, "The count of patterns").at(span));
        }
        regex::RegexBuilder::new(text)
            .size_limit(limits::REGEX_BYTES)
            .build()
            .map(|regex| Value::Regex(Arc::new(regex)))
            .map_err(|error| wrong(format!("Invalid pattern: {error}")).at(span))
    }
}

fn illegal(text: &str, span: Span) -> Error {
    wrong(format!(
        "`{}` cannot be part of a form",
        &text[span.start..span.end]
    ))
    .at(span)
}
