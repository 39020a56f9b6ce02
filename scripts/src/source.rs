//! Datalog and EDN within scripts: `datalog { … }` and `edn { … }`.
//!
//! rhai reads its own tokens, in which EDN's spaces and names do not survive. So before rhai sees a
//! script, the braces of such a block become back-ticks, and the text between them a literal of which
//! every character stays where it was: errors point to the right place. Back-ticks and dollars within
//! would mean something there, so control characters stand for them until [`restored`] is asked.

use std::fmt;

/// Words that begin a block.
const WORDS: [&str; 2] = ["datalog", "edn"];

/// Why a block cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadBlock {
    /// What is wrong.
    pub message: String,
    /// Byte of the script.
    pub at: usize,
    /// Whether more text may mend it.
    pub is_incomplete: bool,
}

impl fmt::Display for BadBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The script with its blocks as literals; as many bytes as before.
pub fn prepare(script: &str) -> Result<String, BadBlock> {
    let mut out = script.as_bytes().to_vec();
    let mut scan = Scan {
        text: script.as_bytes(),
        at: 0,
        out: &mut out,
    };
    scan.code(Until::End)?;
    // Only ASCII took the place of ASCII.
    Ok(String::from_utf8(out).unwrap_or_else(|_| script.to_owned()))
}

/// What stands for a back-tick within a block.
const BACK_TICK: u8 = 1;
/// What stands for a dollar within a block.
const DOLLAR: u8 = 2;

/// The text of a block as it was written.
pub fn restored(literal: &str) -> String {
    literal
        .replace(char::from(BACK_TICK), "`")
        .replace(char::from(DOLLAR), "$")
}

/// Where a piece of code ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    End,
    /// At the brace that closes an interpolation.
    Brace,
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    out: &'a mut Vec<u8>,
}

impl Scan<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn code(&mut self, until: Until) -> Result<(), BadBlock> {
        let mut depth = 0_usize;
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'/') => self.line(),
                (b'/', b'*') => self.comment(),
                (b'"', _) => self.quoted(b'"'),
                (b'\'', _) => self.quoted(b'\''),
                (b'#', b'"' | b'#') => self.raw(),
                (b'`', _) => self.interpolated()?,
                (b'{', _) => {
                    depth += 1;
                    self.at += 1;
                }
                (b'}', _) if depth == 0 && until == Until::Brace => return Ok(()),
                (b'}', _) => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                (byte, _) if is_word(byte) => self.word()?,
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    fn line(&mut self) {
        while self.at < self.text.len() && self.peek(0) != b'\n' {
            self.at += 1;
        }
    }

    fn comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => depth += 1,
                (b'*', b'/') => depth -= 1,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    /// A string or a character; one that does not end is for rhai to complain of.
    fn quoted(&mut self, quote: u8) {
        self.at += 1;
        while self.at < self.text.len() {
            match self.peek(0) {
                b'\\' => self.at += 2,
                byte => {
                    self.at += 1;
                    if byte == quote {
                        return;
                    }
                }
            }
        }
    }

    /// `#"…"#`, with any number of `#`.
    fn raw(&mut self) {
        let hashes = self.text[self.at..]
            .iter()
            .take_while(|&&byte| byte == b'#')
            .count();
        self.at += hashes;
        if self.peek(0) != b'"' {
            return;
        }
        self.at += 1;
        while self.at < self.text.len() {
            let closes = self.peek(0) == b'"' && (1..=hashes).all(|n| self.peek(n) == b'#');
            self.at += 1;
            if closes {
                self.at += hashes;
                return;
            }
        }
    }

    fn interpolated(&mut self) -> Result<(), BadBlock> {
        self.at += 1;
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (b'`', b'`') => self.at += 2,
                (b'`', _) => {
                    self.at += 1;
                    return Ok(());
                }
                (b'$', b'{') => {
                    self.at += 2;
                    self.code(Until::Brace)?;
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    fn word(&mut self) -> Result<(), BadBlock> {
        let began = self.at;
        while is_word(self.peek(0)) {
            self.at += 1;
        }
        let word = &self.text[began..self.at];
        let is_member = began > 0 && self.text[began - 1] == b'.';
        if is_member || !WORDS.iter().any(|known| known.as_bytes() == word) {
            return Ok(());
        }
        let spaces = self.text[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        if self.peek(spaces) == b'{' {
            self.at += spaces;
            self.block()?;
        }
        Ok(())
    }

    /// From one brace to the other, as EDN nests.
    fn block(&mut self) -> Result<(), BadBlock> {
        let began = self.at;
        let mut depth = 0_usize;
        while self.at < self.text.len() {
            match self.peek(0) {
                b'"' => self.quoted(b'"'),
                b'\\' => self.at += 2,
                b';' => self.line(),
                b'{' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' => {
                    depth -= 1;
                    self.at += 1;
                    if depth == 0 {
                        self.literal(began, self.at - 1);
                        return Ok(());
                    }
                }
                _ => self.at += 1,
            }
        }
        Err(BadBlock {
            message: "a block is not closed: } is missing".to_owned(),
            at: began,
            is_incomplete: true,
        })
    }

    /// Makes a literal of what stands between two braces.
    fn literal(&mut self, open: usize, close: usize) {
        (self.out[open], self.out[close]) = (b'`', b'`');
        for byte in &mut self.out[open + 1..close] {
            match byte {
                b'`' => *byte = BACK_TICK,
                b'$' => *byte = DOLLAR,
                _ => {}
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str, expected: &str) {
        let text = match prepare(script) {
            Ok(text) => text,
            Err(bad) => format!("{} at {}", bad.message, bad.at),
        };
        assert_eq!(text, expected, "{script}");
    }

    #[test]
    fn blocks_become_literals() {
        check("q(datalog { [:find ?e] })", "q(datalog ` [:find ?e] `)");
        check("edn{{:a #{1 2}}}", "edn`{:a #{1 2}}`");
        check(
            "edn { \"}\" \\} ; }\n 1 } + 1",
            "edn ` \"}\" \\} ; }\n 1 ` + 1",
        );
        check(
            "`${q(datalog { [:find ?e] })}` + edn { é }",
            "`${q(datalog ` [:find ?e] `)}` + edn ` é `",
        );
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for script in [
            "if edn == 1 { 2 }",
            "x.edn { }",
            "\"edn { \"",
            "'\"'; \"edn {\"",
            "// edn {\n",
            "/* /* */ edn { */",
            "#\"edn { \"#",
            "##\"edn \"# {\"##",
            "`edn { ${1 + #{a: 1}.a} `",
            "myedn { }",
            "#{a: \"edn { x }\"}",
            "\"\\\"edn {\"",
        ] {
            check(script, script);
        }
    }

    #[test]
    fn text_that_means_something_to_rhai_comes_back() {
        let block = "edn { \"`${x}` {\" }";
        let prepared = prepare(block).unwrap();
        assert_eq!(prepared.len(), block.len());
        assert_eq!(prepared.matches(['`', '$']).count(), 2);
        assert!(restored(&prepared).ends_with(" \"`${x}` {\" `"));
    }

    #[test]
    fn what_is_not_closed_waits_for_more() {
        check("edn { {:a 1}", "a block is not closed: } is missing at 4");
        assert!(prepare("edn { \"}").is_err_and(|bad| bad.is_incomplete));
    }
}
