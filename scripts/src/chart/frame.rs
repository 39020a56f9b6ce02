//! What stands around the marks of a chart: axes, grid, title, legend.

use plotters::style::RGBColor;

use super::page::{
    AXIS, Align, DARK, GRID, INK, Label, Page, cut, heat_color, series_color, text_width,
};
use super::plot::{Kind, Marks, Plot};
use super::scale::{Scale, Tick};
use super::svg::extent;
use super::text::number;
use crate::fault::Done;

const LABEL_SIZE: f64 = 11.0;
const TITLE_SIZE: f64 = 15.0;
/// Most characters of a name beside an axis or in a legend.
const NAME_CHARACTERS: usize = 22;
/// Pixels between marks of an axis.
const TICK_PIXELS: (f64, f64) = (90.0, 52.0);
/// Pixels of a legend's line.
const LEGEND_PIXELS: f64 = 18.0;
const MARGIN: f64 = 16.0;

/// The room of the marks, in pixels from the top left, and what stands around it.
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) top: f64,
    right: f64,
    bottom: f64,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    /// Whether names across are read upwards.
    is_turned: bool,
}

impl Frame {
    /// The room that is left within a chart.
    pub(super) fn of(plot: &Plot) -> Frame {
        let (width, height) = (f64::from(plot.width), f64::from(plot.height));
        let mut frame = Frame {
            left: MARGIN,
            top: MARGIN
                + if plot.title.is_empty() {
                    0.0
                } else {
                    TITLE_SIZE + 14.0
                },
            right: width - MARGIN - legend_width(plot),
            bottom: height - MARGIN,
            x_ticks: Vec::new(),
            y_ticks: Vec::new(),
            is_turned: false,
        };
        if plot.kind == Kind::Graph {
            let room = (40.0, 24.0);
            (frame.left, frame.right) = (frame.left + room.0, frame.right - room.0);
            (frame.top, frame.bottom) = (frame.top + room.1, frame.bottom - room.1 / 2.0);
            return frame;
        }
        let title = |text: &str| if text.is_empty() { 0.0 } else { 20.0 };
        frame.y_ticks = shortened(
            plot.y
                .scale
                .ticks((frame.height() / TICK_PIXELS.1) as usize),
        );
        frame.left += title(&plot.y.title) + widest(&frame.y_ticks) + 8.0;
        frame.x_ticks = shortened(plot.x.scale.ticks((frame.width() / TICK_PIXELS.0) as usize));
        let room = frame.width() / frame.x_ticks.len().max(1) as f64;
        let is_named = matches!(plot.x.scale, Scale::Names(_));
        frame.is_turned = is_named && widest(&frame.x_ticks) + 6.0 > room;
        frame.bottom -= title(&plot.x.title)
            + 8.0
            + if frame.is_turned {
                widest(&frame.x_ticks)
            } else {
                LABEL_SIZE
            };
        thin(&mut frame.x_ticks, frame.right - frame.left);
        thin(&mut frame.y_ticks, frame.bottom - frame.top);
        frame
    }

    /// Pixels across.
    pub(super) fn width(&self) -> f64 {
        (self.right - self.left).max(1.0)
    }

    /// Pixels down.
    pub(super) fn height(&self) -> f64 {
        (self.bottom - self.top).max(1.0)
    }

    /// Where a value is across.
    pub(super) fn x(&self, scale: &Scale, value: f64) -> f64 {
        self.left + scale.share(value) * self.width()
    }

    /// Where a value is down: numbers grow upwards, names are read downwards.
    pub(super) fn y(&self, scale: &Scale, value: f64) -> f64 {
        match scale {
            Scale::Names(_) => self.top + scale.share(value) * self.height(),
            _ => self.bottom - scale.share(value) * self.height(),
        }
    }

    /// Where a point is.
    pub(super) fn place(&self, plot: &Plot, x: f64, y: f64) -> (f64, f64) {
        (self.x(&plot.x.scale, x), self.y(&plot.y.scale, y))
    }

    /// Draws all that is behind the marks or beside them.
    pub(super) fn draw(&self, page: &Page<'_>, plot: &Plot) -> Done<()> {
        if !plot.title.is_empty() {
            let place = (MARGIN, MARGIN + TITLE_SIZE / 2.0);
            page.text(place, &label(&plot.title, TITLE_SIZE, DARK, Align::Title))?;
        }
        self.legend(page, plot)?;
        if plot.kind == Kind::Graph {
            return Ok(());
        }
        for tick in &self.y_ticks {
            let y = self.y(&plot.y.scale, tick.at);
            if !matches!(plot.y.scale, Scale::Names(_)) {
                page.line(&[(self.left, y), (self.right, y)], GRID, 1.0)?;
            }
            let place = (self.left - 7.0, y);
            page.text(place, &label(&tick.label, LABEL_SIZE, INK, Align::Left))?;
        }
        for tick in &self.x_ticks {
            let x = self.x(&plot.x.scale, tick.at);
            if matches!(plot.kind, Kind::Line | Kind::Scatter) {
                page.line(&[(x, self.top), (x, self.bottom)], GRID, 1.0)?;
            }
            let align = if self.is_turned {
                Align::UpTo
            } else {
                Align::Below
            };
            let place = (x, self.bottom + 7.0);
            page.text(place, &label(&tick.label, LABEL_SIZE, INK, align))?;
        }
        if !plot.x.title.is_empty() {
            let place = (
                (self.left + self.right) / 2.0,
                f64::from(plot.height) - MARGIN / 2.0 - 2.0,
            );
            page.text(
                place,
                &label(&plot.x.title, LABEL_SIZE + 1.0, DARK, Align::Above),
            )?;
        }
        if !plot.y.title.is_empty() {
            let place = (MARGIN, (self.top + self.bottom) / 2.0);
            page.text(
                place,
                &label(&plot.y.title, LABEL_SIZE + 1.0, DARK, Align::Up),
            )?;
        }
        Ok(())
    }

    /// Draws the line that the marks stand on.
    pub(super) fn draw_base(&self, page: &Page<'_>, plot: &Plot) -> Done<()> {
        let base = match (plot.kind, &plot.y.scale) {
            (Kind::Graph | Kind::Heatmap, _) => return Ok(()),
            (Kind::Bar | Kind::Hist, scale) => self.y(scale, 0.0),
            _ => self.bottom,
        };
        page.line(&[(self.left, base), (self.right, base)], AXIS, 1.0)
    }

    fn legend(&self, page: &Page<'_>, plot: &Plot) -> Done<()> {
        let left = self.right + 18.0;
        let mut y = self.top + LABEL_SIZE / 2.0;
        if plot.color.is_empty() || plot.kind == Kind::Graph {
            return Ok(());
        }
        page.text((left, y), &beside(&cut(&plot.color, NAME_CHARACTERS), DARK))?;
        y += LEGEND_PIXELS;
        match &plot.marks {
            Marks::Series(series) => {
                let lines = ((self.bottom - y) / LEGEND_PIXELS) as usize;
                for (number, series) in series.iter().enumerate().take(lines) {
                    let (middle, color) = ((left + 5.0, y), series_color(number));
                    match plot.kind {
                        Kind::Line => page.line(&[(left, y), (left + 12.0, y)], color, 2.0)?,
                        _ => page.circle(middle, 4.5, color)?,
                    }
                    let name = cut(&series.name, NAME_CHARACTERS);
                    page.text((left + 17.0, y), &beside(&name, INK))?;
                    y += LEGEND_PIXELS;
                }
                Ok(())
            }
            Marks::Fields(fields) => {
                let (low, high) = extent(fields);
                let (top, tall) = (y, (self.bottom - y).min(140.0));
                for step in 0..60 {
                    let edge = |step: i32| top + tall * f64::from(step) / 60.0;
                    let color = heat_color(1.0 - f64::from(step) / 59.0);
                    page.rectangle((left, edge(step)), (left + 12.0, edge(step + 1)), color)?;
                }
                page.text((left + 18.0, top + 5.0), &beside(&number(high), INK))?;
                page.text((left + 18.0, top + tall - 5.0), &beside(&number(low), INK))
            }
            _ => Ok(()),
        }
    }
}

fn label(text: &str, size: f64, color: RGBColor, align: Align) -> Label<'_> {
    Label {
        text,
        size,
        color,
        align,
    }
}

/// A text of a legend.
fn beside(text: &str, color: RGBColor) -> Label<'_> {
    label(text, LABEL_SIZE, color, Align::Right)
}

fn legend_width(plot: &Plot) -> f64 {
    if plot.color.is_empty() || plot.kind == Kind::Graph {
        return 0.0;
    }
    let wide = |text: &str| text_width(&cut(text, NAME_CHARACTERS), LABEL_SIZE);
    let names = match &plot.marks {
        Marks::Series(series) => series
            .iter()
            .map(|series| wide(&series.name))
            .fold(0.0, f64::max),
        _ => wide("1,000.00"),
    };
    wide(&plot.color).max(names + 18.0) + 22.0
}

fn shortened(mut ticks: Vec<Tick>) -> Vec<Tick> {
    for tick in &mut ticks {
        tick.label = cut(&tick.label, NAME_CHARACTERS);
    }
    ticks
}

fn widest(ticks: &[Tick]) -> f64 {
    ticks
        .iter()
        .map(|tick| text_width(&tick.label, LABEL_SIZE))
        .fold(0.0, f64::max)
}

/// Keeps every second tick, every third and so on where there is no room for all.
fn thin(ticks: &mut Vec<Tick>, pixels: f64) {
    let room = (pixels / (LABEL_SIZE + 3.0)).max(1.0);
    let every = (ticks.len() as f64 / room).ceil().max(1.0) as usize;
    let mut number: usize = 0;
    ticks.retain(|_| {
        number += 1;
        (number - 1).is_multiple_of(every)
    });
}
