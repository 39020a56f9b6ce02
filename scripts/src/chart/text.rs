//! Charts for a terminal: dots of Braille for lines and points, blocks for bars.

use super::canvas::Canvas;
use super::page::cut;
use super::plot::{Bin, Field, Kind, Marks, Plot, Series};
use super::scale::{Scale, Tick};
use super::svg::extent;
use crate::table::rounded;

/// Eighths of a block, upwards and from the left.
const TALL: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const WIDE: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
const SHADES: [char; 5] = ['·', '░', '▒', '▓', '█'];
/// What tells the points of several series apart.
const POINTS: [char; 8] = ['●', '○', '▲', '△', '■', '□', '◆', '◇'];
/// Least and most room of a chart.
const LEAST: (usize, usize) = (20, 5);
const MOST: (usize, usize) = (1_000, 1_000);
/// Most characters of a name beside an axis.
const NAME_CHARACTERS: usize = 24;

/// The chart within some columns and lines, as far as that can be.
pub(super) fn text(plot: &Plot, columns: usize, lines: usize) -> String {
    let columns = columns.clamp(LEAST.0, MOST.0);
    let lines = lines.clamp(LEAST.1, MOST.1);
    let mut text = Vec::new();
    if !plot.title.is_empty() {
        text.push(plot.title.clone());
    }
    let lines = lines.saturating_sub(text.len()).max(LEAST.1);
    text.extend(match &plot.marks {
        Marks::Series(series) if plot.kind == Kind::Bar => bars(plot, series, columns, lines),
        Marks::Series(series) => points(plot, series, columns, lines),
        Marks::Bins(found) => bins(plot, found, columns, lines),
        Marks::Fields(found) => fields(plot, found, columns, lines),
        Marks::Graph(layout) => {
            let mut canvas = Canvas::new(columns, lines);
            let place = |node: usize| (layout.nodes[node].x, layout.nodes[node].y);
            layout
                .links
                .iter()
                .for_each(|(from, to)| canvas.line(place(*from), place(*to)));
            let mut nodes: Vec<_> = layout.nodes.iter().collect();
            nodes.sort_by_key(|node| std::cmp::Reverse(node.links));
            for node in nodes {
                canvas.write((node.x, node.y), &cut(&node.name, NAME_CHARACTERS));
            }
            canvas.lines()
        }
    });
    let lines: Vec<&str> = text.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}

/// A number without needless zeros.
pub(super) fn number(x: f64) -> String {
    let text = rounded(x);
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

fn len(text: &str) -> usize {
    text.chars().count()
}

/// Names below each other, a bar and its number beside each.
fn bars(plot: &Plot, series: &[Series], columns: usize, lines: usize) -> Vec<String> {
    let mut rows: Vec<(String, f64)> = Vec::new();
    for (at, name) in plot.x.scale.names().iter().enumerate() {
        for one in series {
            let find = |point: &(f64, f64)| point.0.total_cmp(&(at as f64));
            let found = one.points.binary_search_by(find);
            let height = found.ok().map(|found| one.points[found].1);
            let name = match series.len() {
                1 => name.clone(),
                _ => format!("{name} {}", one.name),
            };
            rows.extend(height.map(|height| (name, height)));
        }
    }
    let shown = if rows.len() > lines {
        lines - 1
    } else {
        rows.len()
    };
    let rest = rows.len() - shown;
    rows.truncate(shown);
    let names = rows.iter().map(|(name, _)| len(name)).max().unwrap_or(0);
    let names = names.min(NAME_CHARACTERS.max(columns / 3));
    let numbers = rows
        .iter()
        .map(|(_, height)| len(&number(*height)))
        .max()
        .unwrap_or(0);
    let most = rows.iter().map(|row| row.1.max(0.0)).fold(0.0, f64::max);
    let least = rows.iter().map(|row| (-row.1).max(0.0)).fold(0.0, f64::max);
    let room = columns.saturating_sub(names + numbers + 4).max(8) as f64;
    let unit = if most + least > 0.0 {
        room / (most + least)
    } else {
        0.0
    };
    let left = (least * unit).round() as usize;
    let row = |(name, height): &(String, f64)| {
        let name = cut(name, names);
        let pad = " ".repeat(names - len(&name));
        let below = match *height < 0.0 {
            true => (((-height * unit).round() as usize).min(left), String::new()),
            false => (0, blocks(height * unit)),
        };
        let empty = " ".repeat(left - below.0);
        let full = "█".repeat(below.0);
        format!("{name}{pad} {empty}{full}│{} {}", below.1, number(*height))
    };
    let mut text: Vec<String> = rows.iter().map(row).collect();
    if rest > 0 {
        text.push(format!("… {rest} more"));
    }
    text
}

/// Blocks from the left, to an eighth.
fn blocks(cells: f64) -> String {
    let eighths = (cells * 8.0).round().max(0.0) as usize;
    let mut text = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.push(WIDE[eighths % 8]);
    }
    text
}

/// What stands around a canvas: marks on the left, marks below.
struct Axes {
    /// Marks by the line they stand at.
    left: Vec<Option<String>>,
    /// Characters of the widest mark.
    wide: usize,
}

impl Axes {
    fn of(scale: &Scale, lines: usize) -> Axes {
        let mut left = vec![None; lines];
        for Tick { at, label } in scale.ticks((lines / 3).max(2)) {
            let line = ((1.0 - scale.share(at)) * (lines - 1) as f64).round();
            if let Some(place) = left.get_mut(line as usize) {
                *place = Some(label);
            }
        }
        let wide = left
            .iter()
            .flatten()
            .map(|label| len(label))
            .max()
            .unwrap_or(0);
        Axes { left, wide }
    }

    /// The canvas with its axes: shares across are taken as the columns of the canvas.
    fn around(&self, canvas: Vec<String>, x: &Scale, columns: usize, title: &str) -> Vec<String> {
        let wide = self.wide;
        let line = |(label, line): (&Option<String>, String)| match label {
            Some(label) => format!("{label:>wide$} ┤{line}"),
            None => format!("{:>wide$} │{line}", ""),
        };
        let mut text: Vec<String> = self.left.iter().zip(canvas).map(line).collect();
        let (mut base, mut labels) = (vec!['─'; columns], vec![' '; columns + 8]);
        let mut free = 0;
        for Tick { at, label } in x.ticks((columns / 11).max(3)) {
            let column = (x.share(at) * (columns - 1) as f64).round() as usize;
            let label = cut(&label, NAME_CHARACTERS);
            let start = (column + 1)
                .saturating_sub(len(&label).div_ceil(2))
                .max(free);
            let is_near = start <= column + 1 && start + len(&label) <= labels.len();
            if column >= columns || (start < free + 1 && free > 0) || !is_near {
                continue;
            }
            base[column] = '┬';
            labels[start..start + len(&label)].copy_from_slice(&label.chars().collect::<Vec<_>>());
            free = start + len(&label) + 1;
        }
        let base: String = base.into_iter().collect();
        let labels: String = labels.into_iter().collect();
        text.push(format!("{:>wide$} └{base}", ""));
        text.push(format!("{:>wide$}  {}", "", labels.trim_end()));
        if !title.is_empty() {
            let pad = (wide + 2 + columns / 2).saturating_sub(len(title) / 2);
            text.push(format!("{}{title}", " ".repeat(pad)));
        }
        text
    }
}

fn points(plot: &Plot, series: &[Series], columns: usize, lines: usize) -> Vec<String> {
    let is_many = series.len() > 1;
    let lines = lines.saturating_sub(3 + usize::from(is_many && plot.kind == Kind::Scatter));
    let lines = lines.max(LEAST.1);
    let axes = Axes::of(&plot.y.scale, lines);
    let names = series
        .iter()
        .map(|series| len(&series.name))
        .max()
        .unwrap_or(0);
    let names = if is_many && plot.kind == Kind::Line {
        names.min(NAME_CHARACTERS) + 1
    } else {
        0
    };
    let columns = columns
        .saturating_sub(axes.wide + 2 + names)
        .max(LEAST.0 / 2);
    let mut canvas = Canvas::new(columns, lines);
    let share = |(x, y): (f64, f64)| (plot.x.scale.share(x), 1.0 - plot.y.scale.share(y));
    let mut ends: Vec<Option<&str>> = vec![None; lines];
    for (number, one) in series.iter().enumerate() {
        match (plot.kind, is_many) {
            (Kind::Line, _) => {
                let pairs = one.points.windows(2);
                pairs.for_each(|pair| canvas.line(share(pair[0]), share(pair[1])));
                one.points
                    .first()
                    .into_iter()
                    .for_each(|point| canvas.dot(share(*point)));
            }
            (_, true) => one.points.iter().for_each(|point| {
                canvas.mark(share(*point), POINTS[number % POINTS.len()]);
            }),
            (_, false) => one
                .points
                .iter()
                .for_each(|point| canvas.dot(share(*point))),
        }
        let Some(end) = one.points.last().filter(|_| names > 0) else {
            continue;
        };
        let line = (share(*end).1 * (lines - 1) as f64).round() as usize;
        let free = (0..lines).filter(|line| ends[*line].is_none());
        if let Some(free) = free.min_by_key(|free| free.abs_diff(line)) {
            ends[free] = Some(&one.name);
        }
    }
    let name = |(line, end): (String, &Option<&str>)| match end {
        Some(end) => format!("{line} {}", cut(end, names - 1)),
        None => line,
    };
    let drawn = canvas.lines().into_iter().zip(&ends).map(name).collect();
    let mut text = axes.around(drawn, &plot.x.scale, columns, &plot.x.title);
    if is_many && plot.kind == Kind::Scatter {
        let entry = |(number, one): (usize, &Series)| {
            format!("{} {}", POINTS[number % POINTS.len()], one.name)
        };
        let legend: Vec<String> = series.iter().enumerate().map(entry).collect();
        text.push(format!("{:>1$}  {2}", "", axes.wide, legend.join("  ")));
    }
    text
}

/// Blocks side by side, to an eighth of a line.
fn bins(plot: &Plot, bins: &[Bin], columns: usize, lines: usize) -> Vec<String> {
    let lines = lines.saturating_sub(3).max(LEAST.1);
    let axes = Axes::of(&plot.y.scale, lines);
    let columns = columns.saturating_sub(axes.wide + 2).max(LEAST.0 / 2);
    // Bins too many for the columns are added up.
    let together = bins.len().div_ceil(columns).max(1);
    let counts = bins
        .chunks(together)
        .map(|bins| bins.iter().map(|bin| bin.count).sum());
    let counts: Vec<f64> = counts.collect();
    let wide = (columns / counts.len().max(1)).max(1);
    let most = match &plot.y.scale {
        Scale::Number { high, .. } if together == 1 => *high,
        _ => counts.iter().copied().fold(1.0, f64::max),
    };
    let mut drawn = vec![String::new(); lines];
    for count in &counts {
        let eighths = (count / most * (lines * 8) as f64).ceil() as usize;
        for (line, text) in drawn.iter_mut().enumerate() {
            let full = eighths.saturating_sub((lines - 1 - line) * 8).min(8);
            let gap = if wide > 2 { " " } else { "" };
            text.push_str(&TALL[full].to_string().repeat(wide - gap.len()));
            text.push_str(gap);
        }
    }
    axes.around(
        drawn,
        &plot.x.scale,
        wide * counts.len().max(1),
        &plot.x.title,
    )
}

/// Shades in a grid of names.
fn fields(plot: &Plot, fields: &[Field], columns: usize, lines: usize) -> Vec<String> {
    let (across, down) = (plot.x.scale.names(), plot.y.scale.names());
    let names = down
        .iter()
        .map(|name| len(name))
        .max()
        .unwrap_or(0)
        .min(NAME_CHARACTERS);
    let widest = across.iter().map(|name| len(name)).max().unwrap_or(0) + 1;
    let room = columns.saturating_sub(names + 1);
    let wide = widest.min(room / across.len().max(1)).clamp(2, 10);
    let shown = (
        across.len().min(room / wide),
        down.len().min(lines.saturating_sub(2)),
    );
    let (low, high) = extent(fields);
    let mut cells = vec![vec![' '; shown.0]; shown.1];
    for Field { x, y, value } in fields {
        if let Some(cell) = cells.get_mut(*y).and_then(|line| line.get_mut(*x)) {
            let share = (value - low) / (high - low);
            *cell = SHADES[((share * 4.0).round() as usize).min(SHADES.len() - 1)];
        }
    }
    let head = |name: &String| {
        let name = cut(name, wide - 1);
        format!("{name}{}", " ".repeat(wide - len(&name)))
    };
    let heads: String = across.iter().take(shown.0).map(head).collect();
    let mut text = vec![format!("{:>names$} {heads}", "")];
    for (name, cells) in down.iter().zip(&cells) {
        let line: String = cells
            .iter()
            .map(|cell| format!("{} ", cell.to_string().repeat(wide - 1)))
            .collect();
        text.push(format!("{:>names$} {line}", cut(name, names)));
    }
    let rest = (across.len() - shown.0, down.len() - shown.1);
    let rest = match rest {
        (0, 0) => String::new(),
        (across, down) => format!("; … {across} more across, {down} down"),
    };
    let (low, high) = (number(low), number(high));
    text.push(format!(
        "{:>names$} {}: · {low} to █ {high}{rest}",
        "", plot.color
    ));
    text
}
