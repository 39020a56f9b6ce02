//! Cuts a stream of bytes into whole bencode items.
//!
//! A small machine of four states eats whatever bytes have arrived; nesting is a counter, a string
//! is a number of bytes still to come. What is framed but badly formed (`i-0e`, `00:`, a duplicate
//! key) passes here and is refused later with an error reply, because the stream is still in step.

use std::fmt;
use std::io::{self, BufRead};

/// What reading one frame gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// One whole item.
    Item(Vec<u8>),
    /// The stream ended between two items.
    End,
}

/// Why the stream can no longer be followed.
#[derive(Debug)]
pub enum Fault {
    /// The stream ended inside an item.
    Truncated,
    /// An item, or a length it announces, is over the limit in bytes.
    TooLong(usize),
    /// A byte where no item, length or number can have it.
    Unexpected(u8),
    /// The stream failed.
    Io(io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Truncated => f.write_str("the input ended inside a message"),
            Fault::TooLong(limit) => write!(f, "a message is longer than {limit} bytes"),
            Fault::Unexpected(byte) => {
                write!(f, "not bencode: unexpected byte '{}'", byte.escape_ascii())
            }
            Fault::Io(error) => write!(f, "the input failed: {error}"),
        }
    }
}

/// Reads the next item, at most `limit` bytes long; takes not one byte of the item after it.
pub fn read(input: &mut impl BufRead, limit: usize) -> Result<Frame, Fault> {
    let mut machine = Machine::new(limit);
    let mut item = Vec::new();
    loop {
        let bytes = match input.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault::Io(error)),
        };
        if bytes.is_empty() {
            return if item.is_empty() {
                Ok(Frame::End)
            } else {
                Err(Fault::Truncated)
            };
        }
        let step = machine.feed(bytes)?;
        let taken = match step {
            Step::Done(taken) => taken,
            Step::More => bytes.len(),
        };
        if item.len() + taken > limit {
            return Err(Fault::TooLong(limit));
        }
        item.extend_from_slice(&bytes[..taken]);
        input.consume(taken);
        if let Step::Done(_) = step {
            return Ok(Frame::Item(item));
        }
    }
}

enum State {
    Item,
    Length(usize),
    Body(usize),
    Integer,
}

enum Step {
    Done(usize),
    More,
}

struct Machine {
    state: State,
    depth: usize,
    limit: usize,
}

impl Machine {
    fn new(limit: usize) -> Machine {
        Machine {
            state: State::Item,
            depth: 0,
            limit,
        }
    }

    /// Eats bytes up to the end of the item, or all of them.
    fn feed(&mut self, bytes: &[u8]) -> Result<Step, Fault> {
        let mut at = 0;
        while at < bytes.len() {
            if let State::Body(left) = self.state {
                let taken = left.min(bytes.len() - at);
                at += taken;
                self.state = State::Body(left - taken);
                if left > taken {
                    return Ok(Step::More);
                }
                if self.item_ends() {
                    return Ok(Step::Done(at));
                }
                continue;
            }
            let ended = self.byte(bytes[at])?;
            at += 1;
            if ended {
                return Ok(Step::Done(at));
            }
        }
        Ok(Step::More)
    }

    /// One byte outside a string's body; true when it ends the outermost item.
    fn byte(&mut self, byte: u8) -> Result<bool, Fault> {
        match (&self.state, byte) {
            (State::Item, b'0'..=b'9') => self.state = State::Length(usize::from(byte - b'0')),
            (State::Item, b'i') => self.state = State::Integer,
            (State::Item, b'l' | b'd') => self.depth += 1,
            (State::Item, b'e') if self.depth > 0 => {
                self.depth -= 1;
                return Ok(self.item_ends());
            }
            (State::Length(length), b'0'..=b'9') => {
                let length = length
                    .saturating_mul(10)
                    .saturating_add(usize::from(byte - b'0'));
                if length > self.limit {
                    return Err(Fault::TooLong(self.limit));
                }
                self.state = State::Length(length);
            }
            (State::Length(0), b':') => return Ok(self.item_ends()),
            (State::Length(length), b':') => self.state = State::Body(*length),
            (State::Integer, b'-' | b'0'..=b'9') => {}
            (State::Integer, b'e') => return Ok(self.item_ends()),
            _ => return Err(Fault::Unexpected(byte)),
        }
        Ok(false)
    }

    fn item_ends(&mut self) -> bool {
        self.state = State::Item;
        self.depth == 0
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn frames(bytes: &[u8], buffer: usize) -> (Vec<String>, String) {
        let mut input = BufReader::with_capacity(buffer, bytes);
        let mut items = Vec::new();
        loop {
            match read(&mut input, 100) {
                Ok(Frame::Item(item)) => items.push(String::from_utf8_lossy(&item).into_owned()),
                Ok(Frame::End) => return (items, "end".to_owned()),
                Err(fault) => return (items, fault.to_string()),
            }
        }
    }

    fn check(text: &str, items: &[&str], end: &str) {
        for buffer in 1..=text.len().max(1) {
            let (found, how) = frames(text.as_bytes(), buffer);
            assert_eq!(found, items, "{text} by {buffer}");
            assert!(how.contains(end), "{text} by {buffer}: {how}");
        }
    }

    #[test]
    fn finds_items_however_the_bytes_arrive() {
        check("", &[], "end");
        check("d2:id1:ae", &["d2:id1:ae"], "end");
        check("d2:id1:aed2:id0:e", &["d2:id1:ae", "d2:id0:e"], "end");
        check(
            "i5e0:lllei-7eeed1:a",
            &["i5e", "0:", "lllei-7eee"],
            "ended inside",
        );
        check("00:i-0e", &["00:", "i-0e"], "end");
        check(
            "i999999999999999999999e",
            &["i999999999999999999999e"],
            "end",
        );
    }

    #[test]
    fn gives_up_when_out_of_step() {
        check("9999999999:", &[], "longer than 100");
        check("999999999999999999999999999999:x", &[], "longer than 100");
        check("-5:", &[], "unexpected byte '-'");
        check("e", &[], "unexpected byte 'e'");
        check("le ", &["le"], "unexpected byte ' '");
        check("5x", &[], "unexpected byte 'x'");
        check("i1.5e", &[], "unexpected byte '.'");
        check("3:ab", &[], "ended inside");
    }

    #[test]
    fn counts_depth_without_a_stack() {
        let deep = [vec![b'l'; 1_000_000], vec![b'e'; 1_000_000]].concat();
        let read = read(&mut deep.as_slice(), usize::MAX).unwrap();
        assert_eq!(read, Frame::Item(deep));
    }

    #[test]
    fn limits_the_sum_as_well_as_one_length() {
        check(
            &format!("l{}e", "9:123456789".repeat(10)),
            &[],
            "longer than 100",
        );
    }
}
