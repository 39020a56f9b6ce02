//! Colours for rhai, and for the Datalog and EDN within it.

use datalith_scripts::reference;

/// What a piece of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Word,
    Text,
    Number,
    Keyword,
    Variable,
    Comment,
    Function,
}

impl Kind {
    /// The colour, as a terminal is told.
    fn code(self) -> &'static str {
        match self {
            Kind::Plain => "",
            Kind::Word => "35",
            Kind::Text => "32",
            Kind::Number => "33",
            Kind::Keyword => "36",
            Kind::Variable => "34",
            Kind::Comment => "2",
            Kind::Function => "1",
        }
    }
}

const WORDS: &[&str] = &[
    "let", "const", "if", "else", "switch", "while", "loop", "for", "in", "fn", "return", "break",
    "continue", "try", "catch", "throw", "import", "true", "false", "datalog", "edn", "do",
    "until", "nil",
];

/// The line with its colours; the same characters in the same columns.
pub(super) fn painted(line: &str) -> String {
    let mut out = String::with_capacity(line.len() * 2);
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (kind, bytes) = piece(rest, first, out.is_empty() || ends_apart(line, rest));
        let (text, after) = rest.split_at(bytes);
        match kind.code() {
            "" => out.push_str(text),
            code => out.push_str(&format!("\u{1b}[{code}m{text}\u{1b}[0m")),
        }
        rest = after;
    }
    out
}

/// Whether what stands before the rest is no part of a name.
fn ends_apart(line: &str, rest: &str) -> bool {
    let before = line[..line.len() - rest.len()].chars().next_back();
    before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | ':'))
}

fn piece(rest: &str, first: char, is_apart: bool) -> (Kind, usize) {
    let while_name = |from: usize| {
        let is_name =
            |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '.' | '?' | '!' | '*');
        from + rest[from..]
            .find(|c| !is_name(c))
            .unwrap_or(rest.len() - from)
    };
    match first {
        '"' | '`' => (Kind::Text, quoted(rest, first)),
        '/' if rest.starts_with("//") => (Kind::Comment, rest.find('\n').unwrap_or(rest.len())),
        ';' if rest.starts_with(";;") => (Kind::Comment, rest.find('\n').unwrap_or(rest.len())),
        ':' if rest[1..].starts_with(|c: char| c.is_alphabetic()) && is_apart => {
            (Kind::Keyword, while_name(1))
        }
        '?' if rest[1..].starts_with(|c: char| c.is_alphanumeric()) => {
            (Kind::Variable, while_name(1))
        }
        c if c.is_ascii_digit() && is_apart => {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_');
            (Kind::Number, end.unwrap_or(rest.len()))
        }
        c if c.is_alphabetic() || c == '_' => {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let word = &rest[..end];
            let kind = if WORDS.contains(&word) {
                Kind::Word
            } else if rest[end..].starts_with('(') && reference::named(word).next().is_some() {
                Kind::Function
            } else {
                Kind::Plain
            };
            (kind, end)
        }
        c => (Kind::Plain, c.len_utf8()),
    }
}

/// Bytes of a string, to its end or that of the text.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line as it is seen, with each painted piece in brackets after its colour.
    fn check(line: &str, expected: &str) {
        let seen = painted(line)
            .replace("\u{1b}[0m", "]")
            .replace("\u{1b}[", "<");
        assert_eq!(seen, expected);
    }

    #[test]
    fn pieces_have_their_colours() {
        check("let x = 1", "<35mlet] x = <33m1]");
        check("q(\"a\")", "<1mq](<32m\"a\"])");
        check("[?e :a/b \"x]", "[<34m?e] <36m:a/b] <32m\"x]]");
        check("x1 // y", "x1 <2m// y]");
        assert_eq!(painted("é::ü"), "é::ü");
    }
}
