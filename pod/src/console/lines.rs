//! Lines that a person types at a prompt, kept in a history.

use std::path::PathBuf;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor, Helper};

use crate::cli::Fault;

/// Lines of the history that are kept.
const HISTORY_LINES: usize = 10_000;

/// A person at a terminal.
pub(crate) struct Lines<H: Helper> {
    editor: Editor<H, FileHistory>,
    history: Option<PathBuf>,
}

impl<H: Helper> Lines<H> {
    /// - `helper`: what completes and colours a line, and says when it is whole.
    /// - `history`: the name of the history among the user's state.
    pub(crate) fn open(helper: H, history: &str) -> Result<Lines<H>, Fault> {
        let config = Config::builder()
            .max_history_size(HISTORY_LINES)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(failed)?
            .completion_type(CompletionType::List)
            .build();
        let mut editor = Editor::with_config(config).map_err(failed)?;
        editor.set_helper(Some(helper));
        let history = history_file(history);
        if let Some(file) = &history {
            // The first time there is none.
            let _ = editor.load_history(file);
        }
        Ok(Lines { editor, history })
    }

    /// The next line that is not blank; none after Ctrl-D. Ctrl-C forgets a line.
    pub(crate) fn next(&mut self, prompt: &str) -> Result<Option<String>, Fault> {
        loop {
            let line = match self.editor.readline(prompt) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => return Ok(None),
                Err(cause) => return Err(failed(cause)),
            };
            if line.trim().is_empty() {
                continue;
            }
            let _ = self.editor.add_history_entry(line.trim_end());
            if let Some(file) = &self.history {
                // A history that cannot be kept is no reason to stop.
                let _ = self.editor.append_history(file);
            }
            return Ok(Some(line));
        }
    }
}

fn failed(cause: ReadlineError) -> Fault {
    Fault::Failed(format!("the terminal cannot be used: {cause}"))
}

/// Where the history is kept: among the user's state, made when there is none.
fn history_file(name: &str) -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let folder =
        state.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
    let folder = folder.join("datalith");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join(name))
}
