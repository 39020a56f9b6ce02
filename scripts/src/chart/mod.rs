//! Charts of tables.
//!
//! A table and what somebody asked become a plot: axes and marks, numbers only. From there a chart is
//! drawn as Vega-Lite for notebooks, as SVG and PNG for files, and in the characters of a terminal.

mod graph;
mod plot;
mod scale;

mod canvas;
mod frame;
mod page;
mod png;
mod svg;
mod text;
mod vega;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use rhai::{Engine, INT, ImmutableString, Map};

use crate::fault::{Done, refused};
use crate::files::{Grants, said};
use crate::table::Table;
use plot::Plot;

/// Columns and lines of a chart that is printed.
const PRINTED: (usize, usize) = (80, 20);

/// A drawing of a table's numbers. Immutable; clones share everything.
#[derive(Clone, Debug)]
pub struct Chart(Arc<Plot>);

impl Chart {
    /// The chart of a table; options are those of `plot` in scripts, and what is left out is guessed from
    /// the kinds of the columns.
    pub fn of(table: &Table, options: &Map) -> Done<Chart> {
        Ok(Chart(Arc::new(Plot::of(table, options)?)))
    }

    /// The chart as Vega-Lite 5, with its data.
    pub fn vega(&self) -> serde_json::Value {
        vega::vega(&self.0)
    }

    /// The chart as a document of SVG.
    pub fn svg(&self) -> Done<String> {
        svg::svg(&self.0)
    }

    /// The chart as the bytes of a PNG, two dots for each unit of the SVG.
    ///
    /// Cost: some ten milliseconds; where a text has characters that the product's font lacks, also a look at
    /// all fonts of the system.
    pub fn png(&self) -> Done<Vec<u8>> {
        png::png(&self.0)
    }

    /// The chart in the characters of a terminal, within some columns and lines.
    pub fn text(&self, columns: usize, lines: usize) -> String {
        text::text(&self.0, columns, lines)
    }
}

impl std::fmt::Display for Chart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text(PRINTED.0, PRINTED.1))
    }
}

/// Gives scripts charts, and the files they were granted to write.
pub fn register(engine: &mut Engine, files: &Grants) {
    let whole = |count: INT| usize::try_from(count).unwrap_or(0);
    let (files, images) = (files.clone(), files.clone());
    engine
        .register_type_with_name::<Chart>("Chart")
        .register_fn("plot", |table: Table| Chart::of(&table, &Map::new()))
        .register_fn("plot", |table: Table, options: Map| {
            Chart::of(&table, &options)
        })
        .register_fn("to_string", |chart: &mut Chart| chart.to_string())
        .register_fn("to_debug", |chart: &mut Chart| chart.to_string())
        .register_fn("to_text", |chart: &mut Chart| chart.to_string())
        .register_fn(
            "to_text",
            move |chart: &mut Chart, columns: INT, lines: INT| {
                chart.text(whole(columns), whole(lines))
            },
        )
        .register_fn("to_json", |chart: &mut Chart| chart.vega().to_string())
        .register_fn("to_svg", |chart: &mut Chart| chart.svg())
        .register_fn("to_svg", move |chart: &mut Chart, path: ImmutableString| {
            write(&files.writing(&path)?, chart.svg()?.as_bytes())
        })
        .register_fn("to_png", move |chart: &mut Chart, path: ImmutableString| {
            write(&images.writing(&path)?, &chart.png()?)
        });
}

/// Writes a file, and the folders that lead to it.
fn write(path: &Path, bytes: &[u8]) -> Done<()> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = folder.and_then(|()| std::fs::write(path, bytes));
    written.map_err(|cause| refused(format!("{}: {}", path.display(), said(&cause))))
}
