//! Peers in Python: what they say, or nothing where they are not there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The words a script of this folder prints; none if Python or a package is missing.
pub(crate) fn ask(script: &str, arguments: &[&str]) -> Option<Vec<f64>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("benches/storage")
        .join(script);
    let output = Command::new("python3")
        .arg(path)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace()
        .map(|word| word.parse().ok())
        .collect()
}

/// What a wide table of a CSV file takes, and what making it took.
pub(crate) struct Wide {
    pub(crate) parquet_bytes: f64,
    pub(crate) duckdb_bytes: f64,
    pub(crate) duckdb_cpu_s: f64,
}

/// The file as one table of Parquet (ZSTD) and of DuckDB.
pub(crate) fn wide(csv: &Path, out: &Path, columns: &[(&str, &str)], rows: i64) -> Option<Wide> {
    let mut arguments = vec![csv.to_str()?.to_owned(), out.to_str()?.to_owned()];
    arguments.extend(
        columns
            .iter()
            .map(|(name, sql_type)| format!("{name}={sql_type}")),
    );
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let said = ask("wide.py", &arguments)?;
    let [parquet_bytes, duckdb_bytes, duckdb_cpu_s, found] = said[..] else {
        return None;
    };
    assert_eq!(found, rows as f64, "DuckDB read other rows");
    Some(Wide {
        parquet_bytes,
        duckdb_bytes,
        duckdb_cpu_s,
    })
}

/// A figure, or a dash.
pub(crate) fn shown(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.digits$}"))
}
