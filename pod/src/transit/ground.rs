//! What the letter or word after `~` makes of its value.

use std::sync::Arc;

use datalith_engine::{Code, Error, Keyword, Map, Result, Set, Symbol, Value, edn, limits};

/// The tag of a two-element array.
#[derive(Clone, Debug)]
pub(super) enum Tag {
    Quote,
    Set,
    List,
    CompositeMap,
    Ratio,
    Metadata,
    Instant,
    /// A letter that can also stand in a string.
    Letter(char),
    /// A tag nobody here knows.
    Unknown(Symbol),
}

impl Tag {
    /// From its text after `~#`.
    pub(super) fn of(text: &str) -> Tag {
        match text {
            "'" => Tag::Quote,
            "set" => Tag::Set,
            "list" => Tag::List,
            "cmap" => Tag::CompositeMap,
            "ratio" => Tag::Ratio,
            "with-meta" => Tag::Metadata,
            "inst" => Tag::Instant,
            _ => {
                let mut letters = text.chars();
                match (letters.next(), letters.next()) {
                    (Some(letter), None) => Tag::Letter(letter),
                    _ => Tag::Unknown(Symbol::new(text)),
                }
            }
        }
    }

    /// What the tag makes of its value.
    pub(super) fn apply(self, value: Value) -> Result<Value> {
        let items = |what: &str| {
            value
                .as_sequential()
                .ok_or_else(|| bad(format!("A {what} needs an array of items")))
        };
        match self {
            Tag::Quote => Ok(value),
            Tag::List => match value {
                Value::Vector(items) | Value::List(items) => Ok(Value::List(items)),
                _ => Err(bad("A list needs an array of items")),
            },
            Tag::Set => {
                let items = items("set")?;
                let mut set = Set::with_capacity_and_hasher(items.len(), Default::default());
                match items.iter().find(|item| !set.insert((*item).clone())) {
                    Some(twice) => {
                        Err(bad(format!("Duplicate element in a set: {}", brief(twice))))
                    }
                    None => Ok(Value::Set(Arc::new(set))),
                }
            }
            Tag::CompositeMap => map(items("map with composite keys")?.iter().cloned()),
            Tag::Ratio => ratio(items("ratio")?),
            Tag::Metadata => match items("value with metadata")? {
                [value, _] => Ok(value.clone()),
                _ => Err(bad("A value with metadata needs an array of two")),
            },
            Tag::Instant => match &value {
                Value::Str(text) => edn::parse_instant(text)
                    .map(Value::Instant)
                    .map_err(|error| bad(error.message())),
                Value::Long(ms) => Ok(Value::Instant(*ms)),
                Value::Instant(_) => Ok(value),
                _ => Err(bad("An instant needs a text or milliseconds")),
            },
            Tag::Letter(letter) => match &value {
                Value::Str(text) => decode(letter, text),
                _ => tagged_letter(letter, value),
            },
            Tag::Unknown(tag) => Ok(Value::Tagged(Arc::new((tag, value)))),
        }
    }
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(Code::TransitSyntax, message)
}

fn brief(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

/// A map of keys and values in turn.
pub(super) fn map(items: impl ExactSizeIterator<Item = Value>) -> Result<Value> {
    if items.len() % 2 == 1 {
        return Err(bad("A map must hold a value for each key"));
    }
    let mut map = Map::with_capacity_and_hasher(items.len() / 2, Default::default());
    let mut items = items;
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        let (at, former) = map.insert_full(key, value);
        if former.is_some() {
            let key = map
                .get_index(at)
                .map_or(String::new(), |(key, _)| brief(key));
            return Err(bad(format!("Duplicate key in a map: {key}")));
        }
    }
    Ok(Value::Map(Arc::new(map)))
}

fn ratio(items: &[Value]) -> Result<Value> {
    let whole = |item: &Value| match item {
        Value::Long(_) | Value::BigInt(_) => Some(edn::display_str(item)),
        _ => None,
    };
    match items {
        [numerator, denominator] => {
            whole(numerator)
                .zip(whole(denominator))
                .and_then(|(numerator, denominator)| {
                    edn::parse_number(&format!("{numerator}/{denominator}")).ok()
                })
        }
        _ => None,
    }
    .ok_or_else(|| bad("A ratio needs two integers, the second above 0"))
}

/// What `~`, a letter and a text say. A letter nobody knows stays a tag.
pub(super) fn decode(letter: char, text: &str) -> Result<Value> {
    let value = match letter {
        ':' | '$' if text.is_empty() || text.len() > limits::EDN_NAME_BYTES => None,
        ':' => Some(Value::Keyword(Keyword::new(text))),
        '$' => Some(Value::Symbol(Symbol::new(text))),
        '?' => match text {
            "t" => Some(Value::Bool(true)),
            "f" => Some(Value::Bool(false)),
            _ => None,
        },
        'n' => integer(text, "N"),
        'i' => integer(text, ""),
        'f' => edn::parse_number(&format!("{text}M"))
            .ok()
            .filter(|value| matches!(value, Value::BigDec(_))),
        'd' => text
            .parse()
            .ok()
            .filter(|x: &f64| x.is_finite())
            .map(Value::Double),
        'm' => text.parse().ok().map(Value::Instant),
        't' => edn::parse_instant(text).ok().map(Value::Instant),
        'u' => edn::parse_uuid(text).map(Value::Uuid),
        'c' => {
            let mut chars = text.chars();
            chars
                .next()
                .filter(|_| chars.next().is_none())
                .map(Value::Char)
        }
        'b' => edn::base64::decode(text).map(|bytes| Value::Bytes(bytes.into())),
        'z' => match text {
            "NaN" => Some(Value::Double(f64::NAN)),
            "INF" => Some(Value::Double(f64::INFINITY)),
            "-INF" => Some(Value::Double(f64::NEG_INFINITY)),
            _ => None,
        },
        '_' => Some(Value::Nil),
        's' => Some(Value::str(text)),
        '\'' => Some(Value::str(text)),
        _ => Some(unknown_letter(letter, Value::str(text))),
    };
    value.ok_or_else(|| {
        let shown: String = text.chars().take(80).collect();
        bad(format!("Invalid value after ~{letter}: {shown}"))
    })
}

fn unknown_letter(letter: char, value: Value) -> Value {
    Value::Tagged(Arc::new((
        Symbol::new(letter.encode_utf8(&mut [0; 4])),
        value,
    )))
}

/// A decimal integer of any sign and size, leading zeros and all.
fn integer(text: &str, suffix: &str) -> Option<Value> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    edn::parse_number(&format!("{sign}{digits}{suffix}")).ok()
}

/// A letter as the tag of something that is no string.
fn tagged_letter(letter: char, value: Value) -> Result<Value> {
    let half = |item: &Value| item.as_long().map(|n| n as u64);
    match (letter, &value) {
        ('m', Value::Long(ms)) => Ok(Value::Instant(*ms)),
        ('u', Value::Vector(halves)) => match &halves[..] {
            [high, low] => half(high)
                .zip(half(low))
                .map(|(high, low)| format!("{high:016x}{low:016x}")),
            _ => None,
        }
        .and_then(|digits| {
            let group = |from: usize, to: usize| &digits[from..to];
            let text = [
                group(0, 8),
                group(8, 12),
                group(12, 16),
                group(16, 20),
                group(20, 32),
            ]
            .join("-");
            edn::parse_uuid(&text).map(Value::Uuid)
        })
        .ok_or_else(|| bad("A UUID needs two integers or a text")),
        ('i', Value::Long(_))
        | ('d', Value::Double(_))
        | ('?', Value::Bool(_))
        | ('_', Value::Nil) => Ok(value),
        ('d', Value::Long(n)) => Ok(Value::Double(*n as f64)),
        (
            ':' | '$' | '?' | 'n' | 'i' | 'f' | 'd' | 'm' | 't' | 'u' | 'c' | 'b' | 'z' | '_' | 's',
            _,
        ) => Err(bad(format!(
            "Invalid value of the tag ~#{letter}: {}",
            brief(&value)
        ))),
        _ => Ok(unknown_letter(letter, value)),
    }
}
