//! Seeded EDN: random values, random texts good and bad, and a form that tells types apart.

use datalith_engine::{Value, edn};

/// A small generator of numbers (splitmix64): the same seed, the same numbers, everywhere.
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// One of some things.
    pub fn pick<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len())]
    }
}

/// A random value, at most `depth` collections deep. No 32-bit floats and no patterns: Clojure's
/// printer forgets which floats those were, and its EDN reader knows no patterns.
pub fn value(random: &mut Random, depth: usize) -> Value {
    if depth == 0 || random.below(3) == 0 {
        return scalar(random);
    }
    let mut items: Vec<Value> = Vec::new();
    for _ in 0..random.below(5) {
        items.push(value(random, depth - 1));
    }
    match random.below(5) {
        0 => Value::list(items),
        1 => Value::vector(items),
        2 => Value::set(items),
        3 => Value::map(items.into_iter().map(|key| (key, value(random, depth - 1)))),
        _ => {
            let tag = random.pick(&["tag", "my/tag", "a.b/c-d"]);
            Value::Tagged(std::sync::Arc::new((tag.into(), value(random, depth - 1))))
        }
    }
}

/// A value that is no collection.
pub fn scalar(random: &mut Random) -> Value {
    let bits = random.bits();
    match random.below(14) {
        0 => Value::Nil,
        1 => Value::Bool(bits.is_multiple_of(2)),
        2 => Value::Long((bits as i64) >> random.below(64)),
        3 => Value::Double(f64::from_bits(bits)),
        4 => Value::Double((bits as i32) as f64 / f64::from(1 << random.below(20))),
        5 => number(&format!("{}{}N", bits as i64, random.bits())),
        6 => number(&format!(
            "{}.{}M",
            (bits as i64) >> 40,
            random.below(10_000)
        )),
        7 => number(&format!(
            "{}E{}M",
            (bits as i64) >> 50,
            random.below(40) as i64 - 20
        )),
        8 => number(&format!(
            "{}/{}",
            (bits as i64) >> 50,
            random.below(1_000) + 1
        )),
        9 => Value::Char(character(random)),
        10 => {
            let length = random.below(8);
            Value::from((0..length).map(|_| character(random)).collect::<String>())
        }
        11 if bits.is_multiple_of(2) => Value::keyword(random.pick(NAMES)),
        11 => Value::symbol(random.pick(NAMES)),
        12 => Value::Instant((bits as i64) >> (18 + random.below(20))),
        _ => edn::parse_uuid(&format!(
            "{:x}-{:x}-{:x}-{:x}-{:x}",
            bits as u32,
            bits >> 50,
            bits >> 49,
            bits >> 51,
            bits >> 20
        ))
        .map_or(Value::Nil, Value::Uuid),
    }
}

fn number(text: &str) -> Value {
    edn::parse_number(text).unwrap_or(Value::Nil)
}

fn character(random: &mut Random) -> char {
    match random.below(4) {
        0 => random.pick(&[
            '"', '\\', '\n', '\t', '\r', '\u{8}', '\u{c}', '\0', ' ', ',', 'é', '√', '\u{2028}',
            '\u{a0}', 'u', 'o',
        ]),
        1 => char::from_u32(random.below(0xd800) as u32).unwrap_or('x'),
        _ => char::from(32 + random.below(95) as u8),
    }
}

const NAMES: &[&str] = &[
    "a", "b", "a/b", "db/id", "?x", "$", "%", "+", "-", "->", "a.b/c", "é", "a'", "a#b", "&",
    "*x*", "<=", "/", "_", "a1", ".", "...",
];

/// Pieces of texts, good and bad, that readers get wrong.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "(", ")", "[", "]", "{", "}", "#{", "#_", "#_ ", "^", "#^", "##Inf", "##-Inf", "##NaN", "##x", "#:a{", "#:a {", "#::a{", "#: b{",
    "#t ", "#my/tag ", "#inst ", "#uuid ", "#", "##", "#<", "#(", "#'", "@", "`", "~", "'", "::a", ":", ":a", ":a/b", ":1", ":a/1", ":1/a",
    "a", "a/b", "a/", "/a", "/", "//", "a//", "a/b/c", ":/", ":/a", "a:", "a:b", "a::b", ":a:", "nil", "true", "false", "nil/a", "nilx",
    "0", "-0", "+1", "-1", "--1", "010", "08", "08.5", "0x1F", "0xg", "36rZz", "2r2", "37r1", "1r0", "1N", "010N", "1.5", "1.", ".5", "1.M",
    "1M", "1.50M", "1e3", "1E-3", "1e", "1e+5M", "1/2", "4/2", "1/0", "-6/4", "0/7", "1/-2", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "1a", "1_0", "1'", "100000000000000000000/50000000000000000000", "\\a", "\\newline", "\\newlin", "\\u0041",
    "\\u004", "\\ud800", "\\o101", "\\o400", "\\o8", "\\ ", "\\\\", "\\\"", "\\(", "\\u", "\\o", "\\tab", "\\formfeed", "\"", "\"\"", "\"a\"",
    "\"\\n\"", "\"\\x\"", "\"\\u0041\"", "\"\\u41\"", "\"\\u00\"", "\"\\1\"", "\"\\18\"", "\"\\377\"", "\"\\400\"", "\"\\8\"", "\"\\1 1\"",
    "\"\\ud83d\\ude00\"", "\"\\101\"", "\"a", "; c\n", ";", "\n", "\r", "\t", " ", " ", " ", " ", ",", "\u{a0}", "\u{2003}", "\u{85}", "\u{661}", "+\u{661}",
    "é", "√", "\u{feff}", "\0", "\u{1f}", "1 1N", "1.0 1", "[1] (1)", ":a 1 ", "\"2020\" ", "\"2020-01-01T10:00:00.5+01:00\"", "\"2020-13\"",
    "\"1582-10-10\"", "\"1-2-3-4-5\"", "\"123e4567-e89b-12d3-a456-426614174000\"", "#inst \"1999-12-31T23:59:60Z\"", "#uuid \"x\"",
    "_/a", ":_/a", "a.b", "&", "%1", "...", "->>", "<>=!?*$", "1#_2", "a#b", "#a#b 1", "^:a ", "^{:a 1}", "^\"s\" ", "^1 ",
];

/// A random text: a printed value, a printed value with a few changes, or a soup of pieces.
pub fn text(random: &mut Random) -> String {
    match random.below(4) {
        0 => value(random, 4).to_string(),
        1 => {
            let mut chars: Vec<char> = value(random, 3).to_string().chars().collect();
            for _ in 0..=random.below(3) {
                let at = random.below(chars.len());
                match random.below(3) {
                    0 => drop(chars.remove(at)),
                    1 => chars.insert(
                        at,
                        random.pick(&[
                            '"', '\\', '#', '(', ']', '}', ' ', '^', '1', 'N', '/', ':', 'e', '.',
                        ]),
                    ),
                    _ => chars[at] = character(random),
                }
                chars.push(' ');
            }
            chars.into_iter().collect()
        }
        _ => (0..=random.below(7)).map(|_| random.pick(PIECES)).collect(),
    }
}

/// A form in which values of different types, scales or bits differ, and order does not matter
/// where EDN says so. Characters and doubles as numbers.
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Double(x) if x.is_nan() => "D7ff8000000000000".to_owned(),
        Value::Double(x) => format!("D{:016x}", x.to_bits()),
        Value::Char(c) => format!("C{}", *c as u32),
        Value::Instant(ms) => format!("I{ms}"),
        Value::List(items) => format!("({})", join(items.iter().map(canonical))),
        Value::Vector(items) => format!("[{}]", join(items.iter().map(canonical))),
        Value::Set(items) => format!(
            "#{{{}}}",
            join(sorted(items.iter().map(canonical).collect()))
        ),
        Value::Map(map) => {
            let entries = map
                .iter()
                .map(|(key, value)| format!("{} {}", canonical(key), canonical(value)));
            format!("{{{}}}", join(sorted(entries.collect())))
        }
        Value::Tagged(tagged) => format!("#{} {}", tagged.0, canonical(&tagged.1)),
        _ => value.to_string(),
    }
}

fn join(texts: impl IntoIterator<Item = String>) -> String {
    texts.into_iter().collect::<Vec<_>>().join(" ")
}

/// In the order of Java's strings.
fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
    texts
}
