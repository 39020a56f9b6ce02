//! Looking after a database as a whole: checked, copied, taken out and brought back.

use std::fs::{self, File, OpenOptions};
use std::io::BufReader;
use std::io::BufWriter;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datalith_engine::conn::{
    self, Checkpoint, Config, Conn, Depth, DumpReport, Progress, VerifyOptions,
};
use datalith_engine::store::{FileStorage, Storage};
use datalith_engine::{Code, Error, Result, Value};

use crate::ops::call::Call;

/// Bytes of a dump that are written or read at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// `verify`: of a connection, or of a configuration whose database need not be fit to connect to.
pub(crate) fn verify(call: &Call<'_>) -> Result<Value> {
    let is_deep = call.arg(1).get("deep").is_some_and(Value::is_truthy);
    let options = VerifyOptions {
        depth: if is_deep { Depth::History } else { Depth::Rows },
        ..VerifyOptions::default()
    };
    let report = match call.arg(0).get("store") {
        Some(_) => conn::verify_database(&Config::from_value(call.arg(0))?, &options)?,
        None => {
            let conn = call.session.handles.connection(call.arg(0))?;
            conn.verify(&options)?
        }
    };
    Ok(report.to_value())
}

/// `checkpoint`
pub(crate) fn checkpoint(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    Ok(checkpoint_value(conn.checkpoint()?))
}

/// `embed`
pub(crate) fn embed(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    Ok(Value::from(conn.embed(&|_| ControlFlow::Continue(()))?))
}

/// `build-indexes`
pub(crate) fn build_indexes(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    let built = conn.build_graphs(&|_| ControlFlow::Continue(()))?;
    Ok(Value::from(built))
}

/// What became of a checkpoint.
pub(crate) fn checkpoint_value(done: Checkpoint) -> Value {
    Value::keyword(match done {
        Checkpoint::Done => "done",
        Checkpoint::NothingNew => "nothing-new",
        Checkpoint::Busy => "busy",
    })
}

/// `export`
pub(crate) fn export(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    let file = path(call, 1, "the path of a file")?;
    Ok(export_to(&conn, &file, &|_| {})?.to_value())
}

/// `import-dump`
pub(crate) fn import_dump(call: &Call<'_>) -> Result<Value> {
    let config = Config::from_value(call.arg(0))?;
    let file = path(call, 1, "the path of a file")?;
    Ok(import_from(&config, &file, &|_| {})?.to_value())
}

/// `backup`
pub(crate) fn backup(call: &Call<'_>) -> Result<Value> {
    let conn = call.session.handles.connection(call.arg(0))?;
    let folder = path(call, 1, "the path of a folder")?;
    Ok(conn.backup(&folder_store(&folder), &|_| {})?.to_value())
}

/// The store in a folder.
pub(crate) fn folder_store(folder: &Path) -> Arc<dyn Storage> {
    Arc::new(FileStorage::at(folder))
}

/// Writes the whole database of a connection into a file, which is there in full or not at all.
pub(crate) fn export_to(conn: &Conn, file: &Path, watch: &dyn Fn(Progress)) -> Result<DumpReport> {
    if file.exists() {
        let message = format!(
            "{} is there already: choose another name, or remove it",
            file.display()
        );
        return Err(Error::new(Code::Storage, message).with("file", file.display().to_string()));
    }
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let write = || -> Result<DumpReport> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let opened = options.open(&part).map_err(|cause| failed(&part, &cause))?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, opened);
        let report = conn.export(&mut out, watch);
        let report = report.map_err(|error| in_file(error, &part))?;
        let synced = out.get_ref().sync_all();
        synced
            .and_then(|()| fs::rename(&part, file))
            .map_err(|cause| failed(file, &cause))?;
        Ok(report)
    };
    write().inspect_err(|_| {
        // Half a dump is of no use to anybody.
        let _ = fs::remove_file(&part);
    })
}

/// Makes a database of a dump in a file.
pub(crate) fn import_from(
    config: &Config,
    file: &Path,
    watch: &dyn Fn(Progress),
) -> Result<DumpReport> {
    let opened = File::open(file).map_err(|cause| failed(file, &cause))?;
    let mut dump = BufReader::with_capacity(BUFFER_BYTES, opened);
    let report = conn::import_database(config, &mut dump, watch);
    report.map_err(|error| match error.code() {
        Code::Import => in_file(error, file),
        _ => error,
    })
}

fn path(call: &Call<'_>, at: usize, expected: &str) -> Result<PathBuf> {
    let text = call.arg(at).as_str().filter(|text| !text.is_empty());
    text.map(PathBuf::from)
        .ok_or_else(|| call.bad_argument(expected, call.arg(at)))
}

/// The same error, naming the file.
fn in_file(error: Error, file: &Path) -> Error {
    let named = Error::new(error.code(), format!("{}: {error}", file.display()));
    let data = error.data().iter().cloned();
    let named = data.fold(named, |named, (key, value)| named.with(key, value));
    named.with("file", file.display().to_string())
}

fn failed(file: &Path, cause: &std::io::Error) -> Error {
    let code = match cause.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Code::StorageFull,
        _ => Code::Storage,
    };
    Error::new(code, format!("{}: {cause}", file.display()))
        .with("file", file.display().to_string())
}
