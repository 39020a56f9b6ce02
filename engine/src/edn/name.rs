//! Symbols and keywords: which tokens are names.

use std::sync::LazyLock;

use regex::Regex;

/// What a token that is no number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name<'a> {
    /// The text without its colon.
    Keyword(&'a str),
    Symbol(&'a str),
}

/// Reads a token as Clojure's `matchSymbol` does; none if it is no name.
pub(super) fn parse(token: &str) -> Option<Name<'_>> {
    let name = match token.strip_prefix(':') {
        Some(text) => {
            if is_plain(text) {
                return Some(Name::Keyword(text));
            }
            // `:1/a` and `:1` only match with the colon taken as part of the name.
            if !(is_name(text) || is_name(token)) || text.starts_with(':') {
                return None;
            }
            Name::Keyword(text)
        }
        None if is_plain(token) => return Some(Name::Symbol(token)),
        None if is_name(token) && !starts_with_digit(token) => Name::Symbol(token),
        None => return None,
    };
    let inner = &token[first_width(token)..];
    if inner.contains("::") || has_loose_colon(token) {
        None
    } else {
        Some(name)
    }
}

/// ASCII letters first, then letters, digits, `-` and the like: no case needs a closer look.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes
        .first()
        .is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'?' | b'$' | b'_'))
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'?' | b'$'))
}

/// `([\D&&[^/]].*/)?(/|[\D&&[^/]][^/]*)`
fn is_name(text: &str) -> bool {
    if text == "/" {
        return true;
    }
    let Some(last) = text.rfind('/') else {
        return starts_well(text);
    };
    // Java's `.` matches no line separator: U+0085 is the one that can be within a token.
    let namespace = &text[..last];
    if !starts_well(text) || namespace.chars().skip(1).any(|c| c == '\u{85}') {
        return false;
    }
    match &text[last + 1..] {
        // The name is `/` itself, after a namespace and its slash.
        "" => namespace.len() > 1 && namespace.ends_with('/'),
        name => starts_well(name),
    }
}

fn starts_well(text: &str) -> bool {
    text.as_bytes()
        .first()
        .is_some_and(|byte| !byte.is_ascii_digit() && *byte != b'/')
}

/// A namespace or a name that ends with a colon.
fn has_loose_colon(token: &str) -> bool {
    if token.ends_with(':') {
        return true;
    }
    match token.rfind('/') {
        Some(last) if last + 1 == token.len() => token[..last].ends_with(":/"),
        Some(last) => token[..last].ends_with(':'),
        None => false,
    }
}

fn first_width(token: &str) -> usize {
    token.chars().next().map_or(0, char::len_utf8)
}

/// Java sends every token that starts with a decimal digit, of whatever script, to its numbers.
fn starts_with_digit(token: &str) -> bool {
    static DIGIT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[+-]?\p{Nd}").expect("a constant pattern"));
    let unsigned = token.trim_start_matches(['+', '-']);
    match unsigned.chars().next() {
        Some(c) if !c.is_ascii() && (c as u32) < 0x1_0000 && c.is_numeric() => {
            DIGIT.is_match(token)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_clojure() {
        for name in [
            "a", "a/b", "/", "a//", "a/b/c", "a///", "+", "-a", ".", "a'", "'a", "a#b", "a:b", "%",
            "a:/b/c", "é",
        ] {
            assert_eq!(parse(name), Some(Name::Symbol(name)), "{name}");
        }
        for name in ["a", "1", "1/a", "a/b", "/", "+1", "a:b"] {
            let token = format!(":{name}");
            assert_eq!(parse(&token), Some(Name::Keyword(name)), "{name}");
        }
        for token in [
            "", ":", "::a", ":a:", "a:", "a::b", ":a::b", "a/", "/a", "//", ":/a", "a/1", ":a/1",
            "a:/b", "\u{661}a",
        ] {
            assert_eq!(parse(token), None, "{token}");
        }
    }
}
