//! Operations as lines of text: what a process says of them while it lives.

use std::fmt;
use std::str::FromStr;

use super::{Act, Outcome, Pushed, Seen};

/// Half an operation, as one thread of a process says it.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// It begins.
    Start {
        /// Which thread.
        thread: u32,
        /// When.
        ns: u64,
        /// What is asked.
        act: Act,
    },
    /// Its answer came.
    End {
        /// Which thread.
        thread: u32,
        /// When.
        ns: u64,
        /// The answer.
        outcome: Outcome,
    },
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Start { thread, ns, act } => {
                write!(f, "start {thread} {ns} ")?;
                match act {
                    Act::Append { list, n } => write!(f, "append {list} {n}"),
                    Act::Push { list, index, n } => write!(f, "push {list} {index} {n}"),
                    Act::Transfer {
                        from,
                        to,
                        amount,
                        n,
                    } => write!(f, "transfer {from} {to} {amount} {n}"),
                    Act::Claim { name, n } => write!(f, "claim {name} {n}"),
                    Act::Read => write!(f, "read"),
                }
            }
            Line::End {
                thread,
                ns,
                outcome,
            } => {
                write!(f, "end {thread} {ns} ")?;
                match outcome {
                    Outcome::Ok { t, before } => write!(f, "ok {t} {before}"),
                    Outcome::Fail(reason) => write!(f, "fail {}", reason.replace(' ', "_")),
                    Outcome::Unknown => write!(f, "unknown"),
                    Outcome::Seen(seen) => write_seen(f, seen),
                }
            }
        }
    }
}

fn write_seen(f: &mut fmt::Formatter<'_>, seen: &Seen) -> fmt::Result {
    let Seen {
        basis,
        appended,
        pushed,
        balances,
        claims,
    } = seen;
    write!(f, "seen {basis} {} {}", appended.0, pairs(&appended.1))?;
    write!(f, " {} {} {}", pushed.list, pushed.length, pushed.start)?;
    write!(f, " {} {}", numbers(&pushed.numbers), numbers(balances))?;
    write!(f, " {}", pairs(claims))
}

fn numbers(numbers: &[i64]) -> String {
    let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("[{}", texts.join(","))
}

fn pairs(pairs: &[(i64, i64)]) -> String {
    let flat: Vec<i64> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
    numbers(&flat)
}

/// Reads a line back; none if it is no such line, as where a process died while it wrote.
pub fn read_line(line: &str) -> Option<Line> {
    let mut words = line.split(' ');
    let kind = words.next()?;
    let (thread, ns) = (parse(words.next()?)?, parse(words.next()?)?);
    let rest: Vec<&str> = words.collect();
    match kind {
        "start" => Some(Line::Start {
            thread,
            ns,
            act: read_act(&rest)?,
        }),
        "end" => Some(Line::End {
            thread,
            ns,
            outcome: read_outcome(&rest)?,
        }),
        _ => None,
    }
}

fn read_act(words: &[&str]) -> Option<Act> {
    Some(match words {
        ["append", list, n] => Act::Append {
            list: parse(list)?,
            n: parse(n)?,
        },
        ["push", list, index, n] => Act::Push {
            list: parse(list)?,
            index: parse(index)?,
            n: parse(n)?,
        },
        ["transfer", from, to, amount, n] => Act::Transfer {
            from: parse(from)?,
            to: parse(to)?,
            amount: parse(amount)?,
            n: parse(n)?,
        },
        ["claim", name, n] => Act::Claim {
            name: parse(name)?,
            n: parse(n)?,
        },
        ["read"] => Act::Read,
        _ => return None,
    })
}

fn read_outcome(words: &[&str]) -> Option<Outcome> {
    Some(match words {
        ["ok", t, before] => Outcome::Ok {
            t: parse(t)?,
            before: parse(before)?,
        },
        ["fail", reason] => Outcome::Fail((*reason).to_owned()),
        ["unknown"] => Outcome::Unknown,
        [
            "seen",
            basis,
            list,
            appended,
            pushed,
            length,
            start,
            end,
            balances,
            claims,
        ] => Outcome::Seen(Seen {
            basis: parse(basis)?,
            appended: (parse(list)?, read_pairs(appended)?),
            pushed: Pushed {
                list: parse(pushed)?,
                length: parse(length)?,
                start: parse(start)?,
                numbers: read_numbers(end)?,
            },
            balances: read_numbers(balances)?,
            claims: read_pairs(claims)?,
        }),
        _ => return None,
    })
}

fn parse<T: FromStr>(word: &str) -> Option<T> {
    word.parse().ok()
}

fn read_numbers(word: &str) -> Option<Vec<i64>> {
    match word.strip_prefix('[')? {
        "" => Some(Vec::new()),
        list => list.split(',').map(parse).collect(),
    }
}

fn read_pairs(word: &str) -> Option<Vec<(i64, i64)>> {
    let flat = read_numbers(word)?;
    Some(
        flat.chunks_exact(2)
            .map(|pair| (pair[0], pair[1]))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back() {
        let seen = Seen {
            basis: 9,
            appended: (3, vec![(1, 2), (4, 5)]),
            pushed: Pushed {
                list: 1,
                length: 70,
                start: 69,
                numbers: vec![8],
            },
            balances: vec![100, -3],
            claims: Vec::new(),
        };
        for outcome in [Outcome::Seen(seen), Outcome::Unknown] {
            let line = Line::End {
                thread: 1,
                ns: 2,
                outcome,
            };
            assert_eq!(read_line(&line.to_string()), Some(line));
        }
        let line = Line::Start {
            thread: 1,
            ns: 2,
            act: Act::Push {
                list: 3,
                index: 4,
                n: 5,
            },
        };
        assert_eq!(read_line(&line.to_string()), Some(line));
        assert_eq!(read_line("end 1 2 seen 9 [1"), None);
    }
}
