//! The reader: transit+json text to a [`Value`], in one pass, with a stack instead of recursion.
//!
//! Values wait on one stack until their bracket closes. The first string of an array says what
//! the array is: `"^ "` a map, `"~#tag"` a tagged value, anything else a vector. Objects are the
//! verbose form of both.

use std::borrow::Cow;

use datalith_engine::{Code, Error, Result, Value, edn, limits};

use super::cache::{Place, ReadCache, is_cacheable};
use super::ground::{self, Tag};
use super::json::{self, wrong};

/// Reads one transit+json text, compact or verbose.
///
/// - Unknown tags become [`Value::Tagged`], which [`super::write`] writes as they came.
/// - Metadata is read and dropped. Duplicate keys and elements are errors.
/// - Errors: `TransitSyntax` and `TransitLimit`, with the bytes at fault.
pub fn read(bytes: &[u8]) -> Result<Value> {
    if bytes.len() > limits::TRANSIT_TEXT_BYTES {
        return Err(over("text-bytes", limits::TRANSIT_TEXT_BYTES));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| wrong("The text is not UTF-8", error.valid_up_to(), bytes.len()))?;
    let mut reader = Reader {
        text,
        at: 0,
        tokens: 0,
        open: Vec::new(),
        values: Vec::new(),
        cache: ReadCache::new(),
    };
    let value = reader.value()?;
    match reader.byte() {
        None => Ok(value),
        Some(_) => Err(wrong(
            "Expected the end of the text",
            reader.at,
            reader.at + 1,
        )),
    }
}

fn over(limit: &'static str, max: usize) -> Error {
    Error::new(
        Code::TransitLimit,
        format!("The text is over the limit of {max} ({limit})"),
    )
    .with("limit", Value::keyword(limit))
    .with("max", max)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    tokens: usize,
    open: Vec<Open>,
    values: Vec<Value>,
    cache: ReadCache<Item>,
}

/// An array or object that has begun.
struct Open {
    shape: Shape,
    bracket: Bracket,
    /// Its first byte.
    start: usize,
    /// Where its values begin on the stack.
    values: usize,
    /// Strings and values so far, with `"^ "` and tags.
    items: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bracket {
    Array,
    Object,
}

enum Shape {
    Vector,
    Map,
    Tagged(Tag),
}

/// What a string says.
#[derive(Clone)]
enum Item {
    Value(Value),
    Tag(Tag),
    MapMarker,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Value> {
        loop {
            let Some(byte) = self.byte() else {
                return Err(self.end_of_text());
            };
            let value = match byte {
                b'[' => {
                    self.begin(Bracket::Array, Shape::Vector)?;
                    None
                }
                b'{' => {
                    self.begin(Bracket::Object, Shape::Map)?;
                    None
                }
                b']' | b'}' => Some(self.close(byte)?),
                b'"' => self.string()?,
                _ => Some(self.bare()?),
            };
            if let Some(value) = value
                && let Some(whole) = self.deliver(value)?
            {
                return Ok(whole);
            }
        }
    }

    /// The next byte that is no blank.
    fn byte(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn end_of_text(&self) -> Error {
        match self.open.last() {
            Some(open) => wrong(
                "The text ends inside what opened here",
                open.start,
                open.start + 1,
            ),
            None => wrong("The text holds no value", self.at, self.at),
        }
    }

    fn begin(&mut self, bracket: Bracket, shape: Shape) -> Result<()> {
        self.count_token()?;
        if self.open.len() >= limits::TRANSIT_DEPTH {
            return Err(over("depth", limits::TRANSIT_DEPTH));
        }
        if self
            .open
            .last()
            .is_some_and(|open| open.bracket == Bracket::Object && open.items % 2 == 0)
        {
            return Err(wrong(
                "The keys of an object must be strings",
                self.at,
                self.at + 1,
            ));
        }
        let values = self.values.len();
        self.open.push(Open {
            shape,
            bracket,
            start: self.at,
            values,
            items: 0,
        });
        self.at += 1;
        Ok(())
    }

    fn count_token(&mut self) -> Result<()> {
        self.tokens += 1;
        if self.tokens > limits::TRANSIT_TOKENS {
            Err(over("tokens", limits::TRANSIT_TOKENS))
        } else {
            Ok(())
        }
    }

    /// Puts a finished value into what is open, and passes the comma or colon after it. The value
    /// comes back if nothing is open.
    fn deliver(&mut self, value: Value) -> Result<Option<Value>> {
        let Some(open) = self.open.last_mut() else {
            return Ok(Some(value));
        };
        open.items += 1;
        self.values.push(value);
        self.separator()?;
        Ok(None)
    }

    fn separator(&mut self) -> Result<()> {
        let byte = self.byte();
        let Some(open) = self.open.last() else {
            return Ok(());
        };
        let after_key = open.bracket == Bracket::Object && open.items % 2 == 1;
        match byte {
            Some(b',') if !after_key => {
                self.at += 1;
                match self.byte() {
                    Some(b']' | b'}') => Err(wrong(
                        "Expected a value after the comma",
                        self.at,
                        self.at + 1,
                    )),
                    _ => Ok(()),
                }
            }
            Some(b':') if after_key => {
                self.at += 1;
                Ok(())
            }
            Some(b']' | b'}') if !after_key => Ok(()),
            None => Err(self.end_of_text()),
            Some(_) => {
                let expected = if after_key {
                    "`:`"
                } else {
                    "`,` or a closing bracket"
                };
                Err(wrong(format!("Expected {expected}"), self.at, self.at + 1))
            }
        }
    }

    /// Makes a value of everything since the bracket that `byte` closes.
    fn close(&mut self, byte: u8) -> Result<Value> {
        let end = self.at + 1;
        let fits = |open: &mut Open| match open.bracket {
            Bracket::Array => byte == b']',
            Bracket::Object => byte == b'}' && open.items.is_multiple_of(2),
        };
        let Some(open) = self.open.pop_if(fits) else {
            return Err(wrong(
                format!("Unexpected `{}`", char::from(byte)),
                self.at,
                end,
            ));
        };
        self.at = end;
        let mut items = self.values.drain(open.values..);
        let value = match open.shape {
            Shape::Vector => Ok(Value::Vector(items.collect())),
            Shape::Map => ground::map(items),
            Shape::Tagged(tag) => match (items.next(), items.next()) {
                (Some(value), None) => tag.apply(value),
                _ => return Err(wrong("A tag needs one value", open.start, end)),
            },
        };
        value.map_err(|error| {
            error.at(datalith_engine::Span {
                start: open.start,
                end,
            })
        })
    }

    /// A number, `true`, `false` or `null`.
    fn bare(&mut self) -> Result<Value> {
        self.count_token()?;
        let start = self.at;
        self.at = json::bare_end(self.text.as_bytes(), start);
        let token = &self.text[start..self.at];
        if self
            .open
            .last()
            .is_some_and(|open| open.bracket == Bracket::Object && open.items % 2 == 0)
        {
            return Err(wrong(
                "The keys of an object must be strings",
                start,
                self.at.max(start + 1),
            ));
        }
        match token {
            "null" => Ok(Value::Nil),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ if json::is_number(token) => {
                edn::parse_number(token).map_err(|error| wrong(error.message(), start, self.at))
            }
            _ => Err(wrong("Expected a value", start, self.at.max(start + 1))),
        }
    }

    /// A string; none if it said what its array is, and the array goes on.
    fn string(&mut self) -> Result<Option<Value>> {
        self.count_token()?;
        let start = self.at;
        let (text, end) = json::string(self.text, start)?;
        self.at = end;
        let item = self
            .item(text)
            .map_err(|error| error.at(datalith_engine::Span { start, end }))?;
        let first = self.open.last_mut().filter(|open| open.items == 0);
        match (item, first) {
            (Item::Value(value), _) => Ok(Some(value)),
            (Item::MapMarker, Some(open)) if open.bracket == Bracket::Array => {
                open.shape = Shape::Map;
                self.after_marker()
            }
            (Item::Tag(tag), Some(open)) => {
                open.shape = Shape::Tagged(tag);
                self.after_marker()
            }
            _ => Err(wrong(
                "A tag or map marker must come first in its array",
                start,
                end,
            )),
        }
    }

    fn after_marker(&mut self) -> Result<Option<Value>> {
        if let Some(open) = self.open.last_mut() {
            open.items += 1;
        }
        self.separator()?;
        Ok(None)
    }

    fn place(&self) -> Place {
        match self.open.last() {
            Some(Open {
                shape: Shape::Map,
                values,
                ..
            }) if (self.values.len() - values).is_multiple_of(2) => Place::Key,
            Some(Open {
                bracket: Bracket::Object,
                items: 0,
                ..
            }) => Place::Key,
            _ => Place::Value,
        }
    }

    /// What a string says, by itself or by its code.
    fn item(&mut self, text: Cow<'_, str>) -> Result<Item> {
        let place = self.place();
        let item = match text.as_bytes() {
            b"^ " => return Ok(Item::MapMarker),
            [b'^', ..] => {
                let known = self.cache.get(&text).cloned();
                return known.ok_or_else(|| {
                    Error::new(
                        Code::TransitSyntax,
                        format!("The cache code {} stands for nothing yet", brief(&text)),
                    )
                });
            }
            [b'~', b'~' | b'^' | b'`', ..] => Item::Value(Value::str(&text[1..])),
            [b'~', b'#', ..] => Item::Tag(Tag::of(&text[2..])),
            [b'~', _, ..] => {
                let mut rest = text[1..].chars();
                let letter = rest.next().unwrap_or('_');
                Item::Value(ground::decode(letter, rest.as_str())?)
            }
            _ => Item::Value(Value::Str(text.as_ref().into())),
        };
        if is_cacheable("", &text, place) {
            self.cache.add(item.clone());
        }
        Ok(item)
    }
}

fn brief(text: &str) -> String {
    text.chars().take(16).collect()
}
