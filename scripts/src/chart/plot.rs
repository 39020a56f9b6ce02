//! From a table and what somebody asked to what is drawn: axes and marks, numbers only.

use std::collections::HashMap;

use rhai::{Dynamic, Map};

use super::graph::{self, Layout};
use super::scale::{Axis, Base, Scale, round_step};
use crate::fault::{Done, refused};
use crate::table::{
    Column, Kind as Cells, Table, check_options, numbers, plain, text, texts, visible,
};

/// Most points of a chart.
const POINTS: usize = 200_000;
/// Most names along an axis.
const NAMES: usize = 2_000;
/// Most series of a chart.
const SERIES: usize = 30;
/// Most bins of a histogram that nobody asked for.
const BINS: usize = 40;
/// Pixels across and down, unless somebody says otherwise.
const SIZE: (u32, u32) = (720, 420);
/// Fewest and most pixels across or down.
const SIZES: (i64, i64) = (120, 8_000);

/// What kind of chart it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bar,
    Line,
    Scatter,
    Hist,
    Heatmap,
    Graph,
}

/// A chart as numbers: what each way to draw it starts from.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) kind: Kind,
    pub(super) title: String,
    /// Pixels across.
    pub(super) width: u32,
    /// Pixels down.
    pub(super) height: u32,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// What tells colours apart; empty for one colour.
    pub(super) color: String,
    pub(super) marks: Marks,
}

/// What is drawn within the axes.
#[derive(Debug)]
pub(super) enum Marks {
    /// Bars, lines or points.
    Series(Vec<Series>),
    /// Bars side by side over ranges of numbers.
    Bins(Vec<Bin>),
    /// Coloured fields.
    Fields(Vec<Field>),
    /// Nodes and links.
    Graph(Layout),
}

/// Points of one colour.
#[derive(Debug)]
pub(super) struct Series {
    /// What the legend says.
    pub(super) name: String,
    /// Places along both axes.
    pub(super) points: Vec<(f64, f64)>,
}

/// How many numbers are in a range, its end excluded.
#[derive(Debug)]
pub(super) struct Bin {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) count: f64,
}

/// A field of a heatmap.
#[derive(Debug)]
pub(super) struct Field {
    /// Number of the name across.
    pub(super) x: usize,
    /// Number of the name down.
    pub(super) y: usize,
    pub(super) value: f64,
}

impl Kind {
    const ALL: [(&'static str, Kind); 6] = [
        ("bar", Kind::Bar),
        ("line", Kind::Line),
        ("scatter", Kind::Scatter),
        ("hist", Kind::Hist),
        ("heatmap", Kind::Heatmap),
        ("graph", Kind::Graph),
    ];

    fn named(name: &str) -> Done<Kind> {
        let found = Kind::ALL.iter().find(|(other, _)| *other == name);
        found.map(|(_, kind)| *kind).ok_or_else(|| {
            let names = Kind::ALL.map(|(name, _)| name).join(", ");
            refused(format!("no chart {name}; there are {names}"))
        })
    }
}

/// What somebody asked for, with what they left out guessed from the kinds of the columns.
struct Asked {
    kind: Kind,
    x: String,
    y: Vec<String>,
    color: Option<String>,
    bins: Option<usize>,
}

impl Plot {
    /// The chart of a table.
    pub(super) fn of(table: &Table, options: &Map) -> Done<Plot> {
        let known = [
            "kind", "x", "y", "color", "title", "width", "height", "bins",
        ];
        check_options(options, "plot", &known)?;
        let asked = asked(table, options)?;
        let size = |name: &str, usual: u32| match options.get(name) {
            None => Ok(usual),
            Some(size) => match size.as_int() {
                Ok(size) if (SIZES.0..=SIZES.1).contains(&size) => Ok(size as u32),
                _ => Err(refused(format!(
                    "{name} is from {} to {}",
                    SIZES.0, SIZES.1
                ))),
            },
        };
        let mut plot = drawn(table, &asked)?;
        plot.title = options
            .get("title")
            .map(|title| text(title, "plot"))
            .transpose()?
            .unwrap_or_default();
        (plot.width, plot.height) = (size("width", SIZE.0)?, size("height", SIZE.1)?);
        Ok(plot)
    }
}

fn drawn(table: &Table, asked: &Asked) -> Done<Plot> {
    if table.len() > POINTS && matches!(asked.kind, Kind::Line | Kind::Scatter) {
        return Err(refused(format!(
            "a chart shows at most {POINTS} points, not {}: group the rows first",
            table.len()
        )));
    }
    match asked.kind {
        Kind::Bar => bars(table, asked),
        Kind::Line | Kind::Scatter => points(table, asked),
        Kind::Hist => bins(table, asked),
        Kind::Heatmap => fields(table, asked),
        Kind::Graph => nodes(table, asked),
    }
}

fn is_number(column: &Column) -> bool {
    matches!(column.kind(), Cells::Long | Cells::Double)
}

fn asked(table: &Table, options: &Map) -> Done<Asked> {
    let option = |name: &str| options.get(name).filter(|value| !value.is_unit());
    let one = |name: &str| option(name).map(|value| text(value, "plot")).transpose();
    let kind = option("kind")
        .map(|kind| Kind::named(&text(kind, "plot")?))
        .transpose()?;
    let (x, color) = (one("x")?, one("color")?);
    // Somebody who says that y is nothing wants rows counted.
    let y = options
        .get("y")
        .map(|names: &Dynamic| match names.is_unit() {
            true => Ok(Vec::new()),
            false => texts(names, "plot"),
        });
    let y = y.transpose()?;
    for name in x.iter().chain(y.iter().flatten()).chain(&color) {
        table.column(name)?;
    }
    let bins = option("bins").map(|bins| match bins.as_int() {
        Ok(bins) if (1..=1_000).contains(&bins) => Ok(bins as usize),
        _ => Err(refused("bins is from 1 to 1000")),
    });
    let bins = bins.transpose()?;
    let used = y.iter().flatten().chain(&color).map(String::as_str);
    let mut free = Free {
        table,
        used: used.collect(),
    };
    let guess = x.is_none().then(|| free.x(kind)).flatten();
    let is_alone = guess.is_none() && kind.is_none();
    let x = x
        .or(guess)
        .ok_or_else(|| refused("there is no column to plot"))?;
    free.used.push(&x);
    let across = table.column(&x)?;
    let y = match &y {
        Some(y) => y.clone(),
        None if is_alone && is_number(across) => Vec::new(),
        None => Vec::from_iter(free.y(kind)),
    };
    let down = y.first().map(|y| table.column(y)).transpose()?;
    let kind = kind.unwrap_or_else(|| guessed(across, down));
    let needs_y = matches!(
        kind,
        Kind::Line | Kind::Scatter | Kind::Heatmap | Kind::Graph
    );
    if needs_y && y.is_empty() {
        return Err(refused("there is no column for y"));
    }
    Ok(Asked {
        kind,
        x,
        y,
        color,
        bins,
    })
}

/// Columns that nobody gave a part yet.
struct Free<'a> {
    table: &'a Table,
    used: Vec<&'a str>,
}

impl Free<'_> {
    /// The first that fits.
    fn first(&self, is_fit: impl Fn(&Column) -> bool) -> Option<String> {
        let mut columns = self.table.names().iter().zip(self.table.columns());
        let found = columns.find(|(name, column)| {
            let is_free = !self.used.contains(&name.as_str());
            is_free && is_fit(column)
        });
        found.map(|(name, _)| name.clone())
    }

    fn x(&self, kind: Option<Kind>) -> Option<String> {
        let name = || {
            self.first(|column| !is_number(column))
                .or_else(|| self.first(|_| true))
        };
        let numbers = self
            .table
            .columns()
            .iter()
            .filter(|column| is_number(column));
        match kind {
            Some(Kind::Hist) => self.first(is_number),
            Some(Kind::Graph) => self.first(|_| true),
            Some(Kind::Heatmap | Kind::Bar) => name(),
            Some(Kind::Scatter) if numbers.count() > 1 => self.first(is_number),
            _ => self
                .first(|column| column.kind() == Cells::Instant)
                .or_else(name),
        }
    }

    fn y(&self, kind: Option<Kind>) -> Option<String> {
        match kind {
            Some(Kind::Hist) => None,
            Some(Kind::Graph) => self.first(|_| true),
            Some(Kind::Heatmap) => {
                let name = self.first(|column| !is_number(column));
                name.or_else(|| self.first(|_| true))
            }
            _ => self.first(is_number),
        }
    }
}

fn guessed(x: &Column, y: Option<&Column>) -> Kind {
    match (x.kind(), y) {
        (Cells::Instant, Some(y)) if is_number(y) => Kind::Line,
        (_, None) if is_number(x) => Kind::Hist,
        (_, Some(y)) if is_number(x) && is_number(y) => Kind::Scatter,
        (_, Some(y)) if !is_number(y) => Kind::Heatmap,
        _ => Kind::Bar,
    }
}

/// Names by number, in the order in which they first come.
#[derive(Default)]
pub(super) struct Names {
    places: HashMap<String, usize>,
    names: Vec<String>,
}

impl Names {
    /// The number of a cell's name.
    pub(super) fn number(&mut self, column: &Column, row: usize) -> usize {
        let name = match column.is_null(row) {
            true => "null".to_owned(),
            false => visible(&plain(&column.value(row))),
        };
        let next = self.names.len();
        let place = *self.places.entry(name.clone()).or_insert(next);
        if place == next {
            self.names.push(name);
        }
        place
    }

    /// All names.
    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }

    fn check(&self, what: &str, most: usize) -> Done<()> {
        match self.names.len() <= most {
            true => Ok(()),
            false => Err(refused(format!(
                "{what} has {} values, a chart shows at most {most}: group or filter the rows first",
                self.names.len()
            ))),
        }
    }
}

/// The columns of y as numbers, each with the name of its series if there are several.
fn heights(table: &Table, asked: &Asked) -> Done<Vec<(String, arrow_array::Float64Array)>> {
    if asked.y.len() > 1 && asked.color.is_some() {
        return Err(refused(
            "a chart takes several columns for y or one for color, not both",
        ));
    }
    let height = |name: &String| {
        let column = table.column(name)?;
        let cells = numbers(column, "plot").map_err(|_| {
            refused(format!(
                "y takes numbers, column {name} is of kind {}",
                column.kind()
            ))
        })?;
        Ok((name.clone(), cells))
    };
    asked.y.iter().map(height).collect()
}

/// Bars: what several rows say of one name is added up; without y, rows are counted.
fn bars(table: &Table, asked: &Asked) -> Done<Plot> {
    let x = table.column(&asked.x)?;
    let (mut names, mut colors) = (Names::default(), Names::default());
    let color = asked
        .color
        .as_ref()
        .map(|name| table.column(name))
        .transpose()?;
    let mut heights = heights(table, asked)?;
    let is_counted = heights.is_empty();
    if is_counted {
        heights.push(("rows".to_owned(), vec![1.0; table.len()].into()));
    }
    let mut sums: Vec<HashMap<usize, f64>> = vec![HashMap::new(); heights.len()];
    for row in 0..table.len() {
        let name = names.number(x, row);
        let series = color.map_or(0, |color| colors.number(color, row));
        sums.resize(sums.len().max(series + 1), HashMap::new());
        for (at, (_, cells)) in heights.iter().enumerate() {
            if let Some(height) = value(cells, row) {
                *sums[series + at].entry(name).or_default() += height;
            }
        }
    }
    names.check(&asked.x, NAMES)?;
    colors.check("color", SERIES)?;
    let titles = match color {
        Some(_) => colors.into_names(),
        None => heights.iter().map(|(name, _)| name.clone()).collect(),
    };
    let series = titles.into_iter().zip(sums).map(|(name, sums)| {
        let mut points: Vec<(f64, f64)> = sums.into_iter().map(|(x, y)| (x as f64, y)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Series { name, points }
    });
    let series: Vec<Series> = series.collect();
    let tall = series
        .iter()
        .flat_map(|series| series.points.iter().map(|point| point.1));
    let y = Scale::of_numbers(tall, Base::Zero);
    Ok(plot(
        asked,
        Scale::Names(names.into_names()),
        y,
        Marks::Series(series),
    ))
}

fn value(cells: &arrow_array::Float64Array, row: usize) -> Option<f64> {
    use arrow_array::Array;
    let is_known = !cells.is_null(row) && cells.value(row).is_finite();
    is_known.then(|| cells.value(row))
}

/// Lines and points; a row where either place is null is left out.
fn points(table: &Table, asked: &Asked) -> Done<Plot> {
    let x = table.column(&asked.x)?;
    let (mut names, mut colors) = (Names::default(), Names::default());
    let across: Vec<Option<f64>> = match x {
        Column::Instant(cells) => cells.iter().map(|ms| ms.map(|ms| ms as f64)).collect(),
        column if is_number(column) => {
            let cells = numbers(column, "plot")?;
            (0..cells.len()).map(|row| value(&cells, row)).collect()
        }
        column => (0..column.len())
            .map(|row| Some(names.number(column, row) as f64))
            .collect(),
    };
    names.check(&asked.x, NAMES)?;
    let color = asked
        .color
        .as_ref()
        .map(|name| table.column(name))
        .transpose()?;
    let mut series: Vec<Series> = Vec::new();
    for (name, cells) in heights(table, asked)? {
        let start = series.len();
        if color.is_none() {
            series.push(Series {
                name,
                points: Vec::new(),
            });
        }
        for (row, across) in across.iter().enumerate() {
            let at = color.map_or(0, |color| colors.number(color, row));
            if start + at == series.len() {
                series.push(Series {
                    name: String::new(),
                    points: Vec::new(),
                });
            }
            series[start + at]
                .points
                .extend(across.zip(value(&cells, row)));
        }
    }
    colors.check("color", SERIES)?;
    for (series, name) in series.iter_mut().zip(colors.into_names()) {
        series.name = name;
    }
    if asked.kind == Kind::Line {
        series
            .iter_mut()
            .for_each(|series| series.points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    }
    let all = || series.iter().flat_map(|series| series.points.iter());
    let across = all().map(|point| point.0);
    let wide = match x.kind() {
        Cells::Instant => Scale::of_times(across),
        _ if is_number(x) => match asked.kind {
            Kind::Line => Scale::of_span(across),
            _ => Scale::of_numbers(across, Base::Free),
        },
        _ => Scale::Names(names.into_names()),
    };
    let tall = Scale::of_numbers(all().map(|point| point.1), Base::Free);
    Ok(plot(asked, wide, tall, Marks::Series(series)))
}

/// A histogram: bins of a round width.
fn bins(table: &Table, asked: &Asked) -> Done<Plot> {
    if asked.color.is_some() {
        return Err(refused("a histogram takes no color"));
    }
    let cells = numbers(table.column(&asked.x)?, "plot")?;
    let known: Vec<f64> = cells.iter().flatten().filter(|x| x.is_finite()).collect();
    let low = known.iter().copied().fold(f64::INFINITY, f64::min);
    let high = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut bins: Vec<Bin> = Vec::new();
    if low <= high {
        let usual = ((known.len() as f64).sqrt().ceil() as usize).clamp(5, BINS);
        let span = if high > low { high - low } else { 1.0 };
        let (start, width, count) = match asked.bins {
            Some(count) => (low, span / count as f64, count),
            None => {
                let width = round_step(span / usual as f64);
                let start = (low / width).floor() * width;
                (start, width, ((high - start) / width).floor() as usize + 1)
            }
        };
        bins.extend((0..count).map(|at| Bin {
            low: start + at as f64 * width,
            high: start + (at + 1) as f64 * width,
            count: 0.0,
        }));
        for x in known {
            let at = ((x - start) / width) as usize;
            bins[at.min(count - 1)].count += 1.0;
        }
    }
    let edge = |at: Option<&Bin>, edge: fn(&Bin) -> f64, usual| at.map_or(usual, edge);
    let x = Scale::Number {
        low: edge(bins.first(), |bin| bin.low, 0.0),
        high: edge(bins.last(), |bin| bin.high, 1.0),
    };
    let y = Scale::of_numbers(bins.iter().map(|bin| bin.count), Base::Zero);
    Ok(plot(asked, x, y, Marks::Bins(bins)))
}

/// A heatmap: what several rows say of one field is added up; without color, rows are counted.
fn fields(table: &Table, asked: &Asked) -> Done<Plot> {
    let (x, y) = (table.column(&asked.x)?, table.column(&asked.y[0])?);
    let color = asked
        .color
        .as_ref()
        .map(|name| table.column(name))
        .transpose()?;
    let cells = color.map(|color| numbers(color, "color")).transpose()?;
    let (mut across, mut down) = (Names::default(), Names::default());
    let mut sums: indexmap::IndexMap<(usize, usize), f64> = indexmap::IndexMap::new();
    for row in 0..table.len() {
        let place = (across.number(x, row), down.number(y, row));
        let found = cells.as_ref().map_or(Some(1.0), |cells| value(cells, row));
        if let Some(found) = found {
            *sums.entry(place).or_default() += found;
        }
    }
    across.check(&asked.x, NAMES)?;
    down.check(&asked.y[0], NAMES)?;
    let fields = sums
        .into_iter()
        .map(|((x, y), value)| Field { x, y, value });
    let marks = Marks::Fields(fields.collect());
    let (x, y) = (
        Scale::Names(across.into_names()),
        Scale::Names(down.into_names()),
    );
    let mut plot = plot(asked, x, y, marks);
    plot.color = asked.color.clone().unwrap_or_else(|| "rows".to_owned());
    Ok(plot)
}

/// A graph: a link for each row, placed by forces.
fn nodes(table: &Table, asked: &Asked) -> Done<Plot> {
    if asked.color.is_some() {
        return Err(refused("a graph takes no color"));
    }
    let layout = graph::layout(table.column(&asked.x)?, table.column(&asked.y[0])?)?;
    let unit = Scale::Number {
        low: 0.0,
        high: 1.0,
    };
    Ok(plot(asked, unit.clone(), unit, Marks::Graph(layout)))
}

fn plot(asked: &Asked, x: Scale, y: Scale, marks: Marks) -> Plot {
    let down = match (&asked.y[..], asked.kind) {
        ([], Kind::Bar | Kind::Hist) => "rows".to_owned(),
        ([y], _) => y.clone(),
        _ => String::new(),
    };
    let color = match &asked.color {
        Some(color) => color.clone(),
        None if asked.y.len() > 1 => "column".to_owned(),
        None => String::new(),
    };
    Plot {
        kind: asked.kind,
        title: String::new(),
        width: SIZE.0,
        height: SIZE.1,
        x: Axis {
            title: asked.x.clone(),
            scale: x,
        },
        y: Axis {
            title: down,
            scale: y,
        },
        color,
        marks,
    }
}
