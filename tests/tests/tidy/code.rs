//! Rust text without what is no code.

/// The text with spaces for comments and the insides of literals; lines stay where they are.
pub(super) fn blanked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let end = skip(&chars, i);
        if end == i {
            out.push(chars[i]);
            i += 1;
        }
        out.extend(
            chars[i..end.max(i)]
                .iter()
                .map(|c| if *c == '\n' { '\n' } else { ' ' }),
        );
        i = end.max(i);
    }
    out
}

/// Whether a word stands in a line with nothing that could lengthen it on either side.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let lengthens = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/');
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(lengthens) && !line[at + word.len()..].starts_with(lengthens)
    })
}

/// Where a comment or literal that begins at `i` ends; `i` where none begins.
fn skip(chars: &[char], i: usize) -> usize {
    let at = |n: usize| chars.get(n).copied().unwrap_or('\0');
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    match at(i) {
        '/' if at(i + 1) == '/' => find(chars, i, |n| at(n) == '\n'),
        '/' if at(i + 1) == '*' => skip_block(chars, i),
        '"' => skip_string(chars, i),
        'r' if matches!(at(i + 1), '"' | '#') && !(i > 0 && is_name(at(i - 1))) => {
            let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
            if at(i + 1 + hashes) != '"' {
                return i;
            }
            let closes = |n: usize| at(n) == '"' && (1..=hashes).all(|k| at(n + k) == '#');
            (find(chars, i + 2 + hashes, closes) + 1 + hashes).min(chars.len())
        }
        // A lifetime is a quote with a name and no closing quote.
        '\'' if at(i + 1) == '\\' => (find(chars, i + 3, |n| at(n) == '\'') + 1).min(chars.len()),
        '\'' if at(i + 2) == '\'' => i + 3,
        _ => i,
    }
}

fn skip_string(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

fn skip_block(chars: &[char], start: usize) -> usize {
    let (mut i, mut depth) = (start, 0);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (i, depth) = (i + 2, depth + 1),
            ('*', Some('/')) => (i, depth) = (i + 2, depth - 1),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn find(chars: &[char], start: usize, is_end: impl Fn(usize) -> bool) -> usize {
    (start..chars.len())
        .find(|n| is_end(*n))
        .unwrap_or(chars.len())
}

#[test]
fn only_code_remains() {
    for (text, code) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ */ d", "a                 d"),
        (r#"f("a\"b") + 1"#, "f(      ) + 1"),
        ("r##\"a\"# b\"## c", "             c"),
        ("'a' 'b: '\\'' x", "    'b:      x"),
    ] {
        assert_eq!(blanked(text), code, "{text}");
    }
}
