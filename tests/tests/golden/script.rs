//! The text of a script, taken apart and put together.

use std::fmt;

/// A whole script.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) blocks: Vec<Block>,
}

/// Commands, and what they print.
#[derive(Clone)]
pub(super) struct Block {
    /// Comments and commands as written.
    head: Vec<String>,
    pub(super) commands: Vec<Command>,
    pub(super) answer: Vec<String>,
}

/// `[flag] name rest`
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Command {
    pub(super) flags: Vec<String>,
    pub(super) name: String,
    /// What follows the name, lines that go on included.
    pub(super) rest: String,
}

impl Script {
    pub(super) fn parse(text: &str) -> Script {
        let blocks = text.split("\n\n").map(|block| block.trim_matches('\n'));
        Script {
            blocks: blocks
                .filter(|block| !block.is_empty())
                .map(Block::parse)
                .collect(),
        }
    }
}

impl Block {
    fn parse(text: &str) -> Block {
        let lines: Vec<&str> = text.lines().collect();
        let end = lines
            .iter()
            .position(|line| *line == "---")
            .unwrap_or(lines.len());
        let mut commands: Vec<Command> = Vec::new();
        for line in &lines[..end] {
            match commands.last_mut() {
                _ if line.starts_with('#') => {}
                Some(command) if line.starts_with(' ') => {
                    command.rest.push('\n');
                    command.rest.push_str(line);
                }
                _ => commands.push(Command::parse(line)),
            }
        }
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        Block {
            head: owned(&lines[..end]),
            commands,
            answer: owned(lines.get(end + 1..).unwrap_or(&[])),
        }
    }
}

impl Command {
    fn parse(line: &str) -> Command {
        let mut rest = line;
        let mut flags = Vec::new();
        while let Some((flag, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        {
            flags.push(flag.to_owned());
            rest = after.trim_start();
        }
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        Command {
            flags,
            name: name.to_owned(),
            rest: rest.to_owned(),
        }
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks: Vec<String> = self.blocks.iter().map(Block::to_string).collect();
        writeln!(f, "{}", blocks.join("\n\n"))
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head.join("\n"))?;
        if !self.answer.is_empty() {
            write!(f, "\n---\n{}", self.answer.join("\n"))?;
        }
        Ok(())
    }
}

#[test]
fn scripts_survive_the_round() {
    let text = "# why\ntx [1\n  2]\n[plan] q [:find]\n---\n[1]\n\nnow\n";
    let script = Script::parse(text);
    assert_eq!(script.to_string(), text);
    assert_eq!(script.blocks[0].commands[0].rest, "[1\n  2]");
    assert!(script.blocks[0].commands[1].has("plan"));
    assert_eq!(script.blocks[1].commands[0].name, "now");
}
