//! The writer: values, or bare columns, to transit+json as transit-clj writes it.

use datalith_engine::{Value, edn};

use super::cache::{Place, WriteCache, is_cacheable};
use super::json;

/// Prints one value as transit+json; a scalar comes quoted, `["~#'",1]`.
///
/// Float arrays become vectors of doubles and patterns `~#regex`: transit has no word for them.
pub fn write(value: &Value) -> String {
    let mut writer = Writer::default();
    writer.top(value);
    writer.finish()
}

/// Writes transit+json piece by piece.
///
/// Commas come by themselves; every `begin_…` needs its [`Writer::end`]. The text is one value
/// only if the caller writes one.
///
/// ```
/// let mut writer = datalith::transit::Writer::default();
/// writer.begin_set();
/// for n in 0..2 {
///     writer.begin_array();
///     writer.long(n);
///     writer.keyword("a/b");
///     writer.end();
/// }
/// writer.end_tagged();
/// assert_eq!(writer.finish(), r#"["~#set",[[0,"~:a/b"],[1,"^1"]]]"#);
/// ```
#[derive(Default)]
pub struct Writer {
    out: Vec<u8>,
    cache: WriteCache,
}

impl Writer {
    /// A writer that expects about so many bytes.
    pub fn with_capacity(bytes: usize) -> Writer {
        Writer {
            out: Vec::with_capacity(bytes),
            cache: WriteCache::default(),
        }
    }

    /// The text written so far.
    pub fn finish(self) -> String {
        // Only text is ever pushed: whole strings, and ASCII.
        String::from_utf8(self.out).expect("strings and ASCII are UTF-8")
    }

    /// A whole answer: quoted if it is a scalar.
    pub fn top(&mut self, value: &Value) {
        match value {
            Value::List(_) | Value::Vector(_) | Value::Map(_) | Value::Set(_) => self.value(value),
            Value::Ratio(_) | Value::FloatArray(_) | Value::DoubleArray(_) | Value::Regex(_) => {
                self.value(value)
            }
            Value::Tagged(tagged) if !is_letter(tagged.0.as_str(), &tagged.1) => self.value(value),
            _ => {
                self.begin_quote();
                self.value(value);
                self.end();
            }
        }
    }

    /// `[`, before the items of a vector.
    pub fn begin_array(&mut self) {
        self.separate();
        self.out.push(b'[');
    }

    /// `["^ "`, before keys and values in turn. Keys go through [`Writer::key`], or are keywords.
    pub fn begin_map(&mut self) {
        self.begin_array();
        self.out.extend_from_slice(b"\"^ \"");
    }

    /// `["~#tag"`, before one value.
    pub fn begin_tag(&mut self, tag: &str) {
        self.begin_array();
        self.prefixed("~#", tag, Place::Value);
    }

    /// Before the one scalar that is the whole text.
    pub fn begin_quote(&mut self) {
        self.begin_tag("'");
    }

    /// Before the elements of a set; ends with [`Writer::end_tagged`].
    pub fn begin_set(&mut self) {
        self.begin_tag("set");
        self.begin_array();
    }

    /// Before the items of a list; ends with [`Writer::end_tagged`].
    pub fn begin_list(&mut self) {
        self.begin_tag("list");
        self.begin_array();
    }

    /// Ends an array, map or tag.
    pub fn end(&mut self) {
        self.out.push(b']');
    }

    /// Ends a set or list.
    pub fn end_tagged(&mut self) {
        self.out.extend_from_slice(b"]]");
    }

    /// `nil`
    pub fn nil(&mut self) {
        self.bare("null");
    }

    /// `true` or `false`
    pub fn boolean(&mut self, b: bool) {
        self.bare(if b { "true" } else { "false" });
    }

    /// An integer; beyond 2⁵³ as text, since JavaScript would round it.
    pub fn long(&mut self, n: i64) {
        const EXACT: i64 = (1 << 53) - 1;
        if (-EXACT..=EXACT).contains(&n) {
            self.separate();
            push_integer(&mut self.out, n);
        } else {
            self.prefixed("~i", &n.to_string(), Place::Value);
        }
    }

    /// A 64-bit float.
    pub fn double(&mut self, x: f64) {
        match special(x) {
            Some(text) => self.prefixed("~z", text, Place::Value),
            None => {
                self.separate();
                push_double(&mut self.out, x);
            }
        }
    }

    /// A 32-bit float, in its own shortest digits.
    pub fn float(&mut self, x: f32) {
        match special(f64::from(x)) {
            Some(text) => self.prefixed("~z", text, Place::Value),
            None => self.bare(&Value::Float(x).to_string()),
        }
    }

    /// A string.
    pub fn string(&mut self, text: &str) {
        self.separate();
        self.out.reserve(text.len() + 4);
        self.out.push(b'"');
        if looks_encoded(text) {
            self.out.push(b'~');
        }
        json::write_escaped(&mut self.out, text);
        self.out.push(b'"');
    }

    /// A keyword, given without its colon; also as a key.
    pub fn keyword(&mut self, text: &str) {
        self.prefixed("~:", text, Place::Value);
    }

    /// A symbol.
    pub fn symbol(&mut self, text: &str) {
        self.prefixed("~$", text, Place::Value);
    }

    /// An instant, in milliseconds since 1970 UTC.
    pub fn instant(&mut self, ms: i64) {
        self.prefixed("~m", &ms.to_string(), Place::Value);
    }

    /// A scalar as the key of a map.
    pub fn key(&mut self, key: &Value) {
        self.scalar(key, Place::Key);
    }

    /// Any value.
    pub fn value(&mut self, value: &Value) {
        let mut open: Vec<Rest<'_>> = Vec::new();
        let mut next = Some(value);
        loop {
            let Some(value) = next else {
                let Some(rest) = open.last_mut() else { return };
                next = rest.parts.next(self);
                if next.is_none() {
                    self.out.extend_from_slice(rest.closer);
                    open.pop();
                }
                continue;
            };
            match self.begin(value) {
                Some(rest) => open.push(rest),
                None => self.scalar(value, Place::Value),
            }
            next = None;
        }
    }

    /// Opens a collection; none for a scalar.
    fn begin<'v>(&mut self, value: &'v Value) -> Option<Rest<'v>> {
        let (parts, closer): (_, &'static [u8]) = match value {
            Value::Vector(items) => {
                self.begin_array();
                (Parts::Items(items.iter()), b"]")
            }
            Value::List(items) => {
                self.begin_list();
                (Parts::Items(items.iter()), b"]]")
            }
            Value::Set(items) => {
                self.begin_set();
                (Parts::Elements(items.iter()), b"]]")
            }
            Value::Map(map) if map.keys().all(is_stringable) => {
                self.begin_map();
                (Parts::Entries(map.iter()), b"]")
            }
            Value::Map(map) => {
                self.begin_tag("cmap");
                self.begin_array();
                (Parts::Composite(map.iter(), None), b"]]")
            }
            Value::Tagged(tagged) if !is_letter(tagged.0.as_str(), &tagged.1) => {
                self.begin_tag(tagged.0.as_str());
                (Parts::One(Some(&tagged.1)), b"]")
            }
            _ => return None,
        };
        Some(Rest { parts, closer })
    }

    fn scalar(&mut self, value: &Value, place: Place) {
        match (value, place) {
            (Value::Nil, Place::Value) => self.nil(),
            (Value::Nil, Place::Key) => self.prefixed("~_", "", place),
            (Value::Bool(b), Place::Value) => self.boolean(*b),
            (Value::Bool(b), Place::Key) => self.prefixed("~?", if *b { "t" } else { "f" }, place),
            (Value::Long(n), Place::Value) => self.long(*n),
            (Value::Long(n), Place::Key) => self.prefixed("~i", &n.to_string(), place),
            (Value::Double(x), Place::Value) => self.double(*x),
            (Value::Float(x), Place::Value) => self.float(*x),
            (Value::Double(x), Place::Key) => match special(*x) {
                Some(text) => self.prefixed("~z", text, place),
                None => self.prefixed("~d", &edn::double_text(*x), place),
            },
            (Value::Float(x), Place::Key) => match special(f64::from(*x)) {
                Some(text) => self.prefixed("~z", text, place),
                None => self.prefixed("~d", &value.to_string(), place),
            },
            (Value::Str(text), Place::Value) => self.string(text),
            (Value::Str(text), Place::Key) => self.string_key(text),
            (Value::Keyword(keyword), _) => self.prefixed("~:", keyword.as_str(), place),
            (Value::Symbol(symbol), _) => self.prefixed("~$", symbol.as_str(), place),
            (Value::BigInt(_), _) => self.prefixed("~n", &edn::display_str(value), place),
            (Value::BigDec(_), _) => self.prefixed("~f", &edn::display_str(value), place),
            (Value::Char(c), _) => self.prefixed("~c", c.encode_utf8(&mut [0; 4]), place),
            (Value::Uuid(uuid), _) => {
                let mut text = [0; 36];
                self.prefixed("~u", uuid.as_hyphenated().encode_lower(&mut text), place);
            }
            (Value::Instant(ms), _) => self.prefixed("~m", &ms.to_string(), place),
            (Value::Bytes(bytes), _) => self.prefixed("~b", &edn::base64::encode(bytes), place),
            (Value::Tagged(tagged), _) => {
                let text = tagged.1.as_str().unwrap_or("");
                self.prefixed(&format!("~{}", tagged.0.as_str()), text, place);
            }
            _ => self.odd(value),
        }
    }

    /// What has neither letter nor items: ratios, arrays, patterns.
    fn odd(&mut self, value: &Value) {
        match value {
            Value::Ratio(ratio) => {
                self.begin_tag("ratio");
                self.begin_array();
                self.prefixed("~n", &ratio.numer().to_string(), Place::Value);
                self.prefixed("~n", &ratio.denom().to_string(), Place::Value);
                self.end_tagged();
            }
            Value::FloatArray(xs) => {
                self.begin_array();
                xs.iter().for_each(|x| self.float(*x));
                self.end();
            }
            Value::DoubleArray(xs) => {
                self.begin_array();
                xs.iter().for_each(|x| self.double(*x));
                self.end();
            }
            _ => {
                self.begin_tag("regex");
                self.string(&edn::display_str(value));
                self.end();
            }
        }
    }

    #[inline]
    fn separate(&mut self) {
        if !matches!(self.out.last(), None | Some(b'[')) {
            self.out.push(b',');
        }
    }

    fn bare(&mut self, text: &str) {
        self.separate();
        self.out.extend_from_slice(text.as_bytes());
    }

    /// A string as a key.
    fn string_key(&mut self, text: &str) {
        self.prefixed(if looks_encoded(text) { "~" } else { "" }, text, Place::Key);
    }

    /// A string, or its code if it has one.
    fn prefixed(&mut self, prefix: &str, text: &str, place: Place) {
        self.separate();
        self.out.push(b'"');
        let start = self.out.len();
        self.out.extend_from_slice(prefix.as_bytes());
        json::write_escaped(&mut self.out, text);
        let cacheable = is_cacheable(prefix, text, place);
        if cacheable && let Some(code) = self.cache.code(&self.out[start..]) {
            self.out.truncate(start);
            code.write(&mut self.out);
        }
        self.out.push(b'"');
    }
}

/// Whether a string of the caller's would look like transit's own.
fn looks_encoded(text: &str) -> bool {
    matches!(text.as_bytes().first(), Some(b'~' | b'^' | b'`'))
}

/// What a collection still has to write.
struct Rest<'v> {
    parts: Parts<'v>,
    closer: &'static [u8],
}

enum Parts<'v> {
    Items(std::slice::Iter<'v, Value>),
    Elements(indexmap::set::Iter<'v, Value>),
    Entries(indexmap::map::Iter<'v, Value, Value>),
    /// The entries to come, and the value of the key just written.
    Composite(indexmap::map::Iter<'v, Value, Value>, Option<&'v Value>),
    One(Option<&'v Value>),
}

impl<'v> Parts<'v> {
    /// The next value; the key before it, if it has one, is written here.
    fn next(&mut self, writer: &mut Writer) -> Option<&'v Value> {
        match self {
            Parts::Items(items) => items.next(),
            Parts::Elements(items) => items.next(),
            Parts::Entries(entries) => entries.next().map(|(key, value)| {
                writer.key(key);
                value
            }),
            Parts::Composite(entries, value) => value.take().or_else(|| {
                let (key, of_key) = entries.next()?;
                *value = Some(of_key);
                Some(key)
            }),
            Parts::One(value) => value.take(),
        }
    }
}

/// Whether a key can be one string.
fn is_stringable(key: &Value) -> bool {
    use Value as V;
    match key {
        V::List(_) | V::Vector(_) | V::Map(_) | V::Set(_) | V::Ratio(_) => false,
        V::FloatArray(_) | V::DoubleArray(_) | V::Regex(_) => false,
        V::Tagged(tagged) => is_letter(tagged.0.as_str(), &tagged.1),
        _ => true,
    }
}

/// Whether a tagged value can be one string: `~`, an unknown letter, a text.
fn is_letter(tag: &str, value: &Value) -> bool {
    let mut letters = tag.chars();
    let known = |letter| ":$?nifdmtucbz_s'~^`#".contains(letter);
    matches!((letters.next(), letters.next(), value), (Some(letter), None, Value::Str(_)) if !known(letter))
}

fn special(x: f64) -> Option<&'static str> {
    if x.is_nan() {
        Some("NaN")
    } else if x == f64::INFINITY {
        Some("INF")
    } else if x == f64::NEG_INFINITY {
        Some("-INF")
    } else {
        None
    }
}

fn push_integer(out: &mut Vec<u8>, n: i64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = n.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if n < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

fn push_double(out: &mut Vec<u8>, x: f64) {
    let size = x.abs();
    if x.fract() == 0.0 && size < 1e7 && (x != 0.0 || x.is_sign_positive()) {
        push_integer(out, x as i64);
        out.extend_from_slice(b".0");
    } else if (1e-3..1e7).contains(&size) {
        // Within this range JSON's shortest digits have Java's form. A vector takes every write.
        let _ = serde_json::to_writer(out, &x);
    } else {
        out.extend_from_slice(edn::double_text(x).as_bytes());
    }
}
