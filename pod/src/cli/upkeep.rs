//! Looking after a database as a whole: `verify`, dumps of `export`, `import-dump`, `backup`, `checkpoint`.

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::{Duration, Instant};

use datalith_engine::Value;
use datalith_engine::conn::{self, Conn, Depth, Progress, VerifyOptions};
use indicatif::{ProgressBar, ProgressStyle};

use crate::ops::upkeep::{checkpoint_value, export_to, folder_store, import_from};

use super::arguments::{Look, Printing, Verify, Whole};
use super::database;
use super::fault::Fault;
use super::file_arguments::{Backup, DumpFile};
use super::output::{self, Format};

/// Checks all files, rows and commits; failing if one is not as it should be.
pub(crate) fn verify(arguments: &Verify) -> Result<(), Fault> {
    let (started, watch) = (Instant::now(), Watch::begin());
    let mut options = VerifyOptions {
        watch: &|progress| watch.show(progress),
        ..VerifyOptions::default()
    };
    // What is made anew may be larger than memory.
    let name = format!("datalith-verify-{}", std::process::id());
    let scratch = std::env::temp_dir().join(name);
    if arguments.deep {
        options.depth = Depth::History;
        options.scratch = Some(folder_store(&scratch));
    }
    let config = database::config(&arguments.whole.path, &[])?;
    let report = conn::verify_database(&config, &options);
    if arguments.deep {
        // It is among the temporary files, where others clear up too.
        let _ = std::fs::remove_dir_all(&scratch);
    }
    watch.end();
    let report = report?;
    output::show_value(
        &report.to_value(),
        Format::chosen(arguments.printing.format),
    )?;
    output::remark(&output::duration_text(started.elapsed()));
    if report.is_ok() {
        return Ok(());
    }
    let files = report.errors.iter().filter_map(|e| e.file.as_deref());
    let mut files: Vec<&str> = files.collect();
    files.sort_unstable();
    files.dedup();
    let cure = match files.as_slice() {
        [] => "its rows do not fit together: export it, and import the dump into a new place",
        _ => "put back the files that are named from a backup, or go on with the backup",
    };
    let listed = files.join(", ");
    let path = &arguments.whole.path;
    Err(Fault::Failed(
        format!("{path} is damaged: {listed}\n{cure}").replace(": \n", "\n"),
    ))
}

/// Writes the whole database into a file.
pub(crate) fn export(place: &Whole, file: &Path, printing: &Printing) -> Result<(), Fault> {
    let watch = Watch::begin();
    let conn = whole(&place.path)?;
    let report = export_to(&conn, file, &|progress| watch.show(progress));
    watch.end();
    output::show_value(&report?.to_value(), Format::chosen(printing.format))
}

/// Makes a database of what `export` wrote.
pub(crate) fn import_dump(arguments: &DumpFile) -> Result<(), Fault> {
    let watch = Watch::begin();
    let config = database::config(&arguments.whole.path, &[])?;
    let report = import_from(&config, &arguments.file, &|progress| watch.show(progress));
    watch.end();
    output::show_value(
        &report?.to_value(),
        Format::chosen(arguments.printing.format),
    )
}

/// Copies the whole database to another folder, what is new of it.
pub(crate) fn backup(arguments: &Backup) -> Result<(), Fault> {
    let watch = Watch::begin();
    let conn = whole(&arguments.whole.path)?;
    let target = folder_store(&arguments.folder);
    let report = conn.backup(&target, &|progress| watch.show(progress));
    watch.end();
    output::show_value(
        &report?.to_value(),
        Format::chosen(arguments.printing.format),
    )
}

/// Folds what was written since the last checkpoint into segments.
pub(crate) fn checkpoint(arguments: &Look) -> Result<(), Fault> {
    let conn = database::connect(&arguments.place)?;
    let done = checkpoint_value(conn.checkpoint()?);
    let value = Value::map([(Value::keyword("checkpoint"), done)]);
    output::show_value(&value, Format::chosen(arguments.printing.format))
}

/// A connection for what concerns all branches.
fn whole(path: &str) -> Result<Conn, Fault> {
    database::connect_to(path, None)
}

/// A bar that only a person at a terminal sees.
struct Watch {
    bar: ProgressBar,
    /// The stage that is shown.
    stage: Cell<&'static str>,
}

impl Watch {
    fn begin() -> Watch {
        let bar = match io::stderr().is_terminal() {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        bar.enable_steady_tick(Duration::from_millis(200));
        let stage = Cell::new("");
        Watch { bar, stage }
    }

    fn show(&self, progress: Progress) {
        let Progress { stage, done, total } = progress;
        if self.stage.replace(stage) != stage {
            let form = match total {
                0 => "{spinner} {msg} {human_pos}",
                _ => "{msg} {wide_bar} {human_pos}/{human_len} {eta}",
            };
            let style = ProgressStyle::with_template(form);
            self.bar
                .set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.bar.set_message(stage);
        }
        if total > 0 {
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
