//! Which files to load: those named, those that a pattern matches, and those within a folder.

use std::path::{Component, Path, PathBuf};

use super::Kind;
use crate::cli::fault::Fault;
use crate::cli::file_arguments::Import;

/// What folders say for no value, as Hive writes it.
pub(crate) const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// A file to load.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
    /// What to call the namespace of its attributes, unless the arguments say.
    pub(super) namespace: String,
    /// What the folders on the way to it say, such as `year=2024`.
    pub(super) partitions: Vec<(String, String)>,
}

impl Input {
    pub(super) fn is_stdin(&self) -> bool {
        is_stdin(&self.path)
    }

    /// What to call it in errors.
    pub(super) fn name(&self) -> String {
        match self.is_stdin() {
            true => "standard input".to_owned(),
            false => self.path.display().to_string(),
        }
    }
}

/// The files that the arguments name, in order; those of one pattern or folder by their paths.
pub(super) fn inputs(arguments: &Import) -> Result<Vec<Input>, Fault> {
    let mut inputs = Vec::new();
    for given in &arguments.files {
        let text = given.to_string_lossy();
        if given.is_dir() {
            let found = within(given, arguments)?;
            inputs.extend(of_one(found, stem(given), arguments)?);
        } else if text.contains(['*', '?', '[']) && !given.exists() {
            let found = matching(&text, arguments)?;
            inputs.extend(of_one(found, stem(&before_pattern(given)), arguments)?);
        } else {
            inputs.extend(of_one(vec![given.clone()], stem(given), arguments)?);
        }
    }
    if inputs.iter().filter(|input| input.is_stdin()).count() > 1 {
        return Err(Fault::Usage(
            "standard input can be read only once".to_owned(),
        ));
    }
    Ok(inputs)
}

fn of_one(paths: Vec<PathBuf>, namespace: String, arguments: &Import) -> Result<Vec<Input>, Fault> {
    let input = |path: PathBuf| {
        let kind = arguments.kind.or_else(|| kind_of(&path)).ok_or_else(|| {
            Fault::Usage(format!(
                "what {} holds is not clear from its name; say --kind csv, jsonl, edn, parquet or arrow",
                path.display()
            ))
        })?;
        let namespace = match namespace.is_empty() {
            true => stem(&path),
            false => namespace.clone(),
        };
        Ok(Input {
            kind,
            namespace,
            partitions: partitions(&path),
            path,
        })
    };
    paths.into_iter().map(input).collect()
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The name of a file without its ending; none for standard input.
fn stem(path: &Path) -> String {
    let stem = path.file_stem().filter(|_| !is_stdin(path));
    stem.map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn kind_of(path: &Path) -> Option<Kind> {
    let ending = path.extension()?.to_string_lossy().to_lowercase();
    Some(match &*ending {
        "csv" | "tsv" => Kind::Csv,
        "jsonl" | "ndjson" => Kind::Jsonl,
        "edn" => Kind::Edn,
        "parquet" | "pq" => Kind::Parquet,
        "arrow" | "arrows" | "feather" | "ipc" => Kind::Arrow,
        _ => return None,
    })
}

/// The folder that a pattern begins in: what comes before the first part that is none.
fn before_pattern(pattern: &Path) -> PathBuf {
    let is_plain = |part: &Component<'_>| {
        let text = part.as_os_str().to_string_lossy();
        !text.contains(['*', '?', '[', '='])
    };
    pattern.components().take_while(is_plain).collect()
}

fn matching(pattern: &str, arguments: &Import) -> Result<Vec<PathBuf>, Fault> {
    let wrong = |cause: glob::PatternError| Fault::Usage(format!("{pattern}: {cause}"));
    let mut found = Vec::new();
    for path in glob::glob(pattern).map_err(wrong)? {
        let path = path.map_err(|cause| {
            Fault::unreadable(&cause.path().display().to_string(), cause.error())
        })?;
        match path.is_dir() {
            true => found.extend(within(&path, arguments)?),
            false => found.push(path),
        }
    }
    // A folder may be matched beside what lies in it.
    found.sort();
    found.dedup();
    match found.is_empty() {
        true => Err(Fault::Failed(format!("no file matches {pattern}"))),
        false => Ok(found),
    }
}

/// The files below a folder that hold what can be loaded. Names that begin with `.` or `_` are those of
/// programs' own files.
fn within(folder: &Path, arguments: &Import) -> Result<Vec<PathBuf>, Fault> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let unreadable = |cause| Fault::unreadable(&folder.display().to_string(), &cause);
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with(['.', '_']) {
                continue;
            }
            // A link to a folder may lead around in a circle.
            if entry.file_type().map_err(unreadable)?.is_dir() {
                folders.push(path);
            } else if path.is_file() && (arguments.kind.is_some() || kind_of(&path).is_some()) {
                found.push(path);
            }
        }
    }
    found.sort();
    match found.is_empty() {
        true => Err(Fault::Failed(format!(
            "{} holds nothing to load: no csv, tsv, jsonl, ndjson, edn, parquet or arrow",
            folder.display()
        ))),
        false => Ok(found),
    }
}

/// What folders of a path say: `year=2024` is a column and its value.
fn partitions(path: &Path) -> Vec<(String, String)> {
    let folders = path.parent().into_iter().flat_map(Path::components);
    let said = folders.filter_map(|folder| {
        let text = folder.as_os_str().to_string_lossy().into_owned();
        let (name, value) = text.split_once('=')?;
        (!name.is_empty()).then(|| (decoded(name), decoded(value)))
    });
    said.collect()
}

/// A text with `%2F` and its like as the characters they stand for.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| *byte == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_say_columns() {
        assert_eq!(
            partitions(Path::new("d/year=2024/place=S%C3%A3o%2FX/x=y.parquet")),
            [("year", "2024"), ("place", "São/X")].map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(
            before_pattern(Path::new("a/trips/year=*/*.csv")),
            Path::new("a/trips")
        );
    }
}
