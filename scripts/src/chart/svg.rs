//! Charts as SVG.

use plotters::style::{Color, RGBColor};

use super::frame::Frame;
use super::graph::Layout;
use super::page::{Align, INK, Label, Page, cut, heat_color, page, series_color};
use super::plot::{Bin, Field, Kind, Marks, Plot, Series};
use super::text::number;
use crate::fault::Done;

/// Share of a name's room that its bars fill.
const BAR_SHARE: f64 = 0.74;
/// Most links whose direction is shown, and most nodes whose names are.
const ARROWS: usize = 400;
const NODE_NAMES: usize = 150;
const NODE_CHARACTERS: usize = 18;
const LINK: RGBColor = RGBColor(0xb6, 0xbd, 0xc8);

/// The chart as a document of SVG.
pub(super) fn svg(plot: &Plot) -> Done<String> {
    page(plot.width, plot.height, |page| {
        let frame = Frame::of(plot);
        frame.draw(page, plot)?;
        match &plot.marks {
            Marks::Series(series) if plot.kind == Kind::Bar => bars(page, &frame, plot, series)?,
            Marks::Series(series) if plot.kind == Kind::Line => lines(page, &frame, plot, series)?,
            Marks::Series(series) => points(page, &frame, plot, series)?,
            Marks::Bins(found) => bins(page, &frame, plot, found)?,
            Marks::Fields(found) => fields(page, &frame, plot, found)?,
            Marks::Graph(layout) => graph(page, &frame, layout)?,
        }
        frame.draw_base(page, plot)
    })
}

fn bars(page: &Page<'_>, frame: &Frame, plot: &Plot, series: &[Series]) -> Done<()> {
    let room = frame.width() / plot.x.scale.names().len().max(1) as f64;
    let width = room * BAR_SHARE / series.len().max(1) as f64;
    let zero = frame.y(&plot.y.scale, 0.0);
    // Bars of one name stand apart a little, unless they are as thin as that.
    let gap = if series.len() > 1 && width > 4.0 {
        1.0
    } else {
        0.0
    };
    for (number, series) in series.iter().enumerate() {
        for (x, y) in &series.points {
            let middle = frame.x(&plot.x.scale, *x);
            let left = middle - room * BAR_SHARE / 2.0 + number as f64 * width;
            let top = frame.y(&plot.y.scale, *y);
            let color = series_color(number);
            page.rectangle((left, top), (left + width - gap, zero), color)?;
        }
    }
    Ok(())
}

fn bins(page: &Page<'_>, frame: &Frame, plot: &Plot, bins: &[Bin]) -> Done<()> {
    let zero = frame.y(&plot.y.scale, 0.0);
    for bin in bins {
        let (left, right) = (
            frame.x(&plot.x.scale, bin.low),
            frame.x(&plot.x.scale, bin.high),
        );
        let top = frame.y(&plot.y.scale, bin.count);
        let gap = if right - left > 4.0 { 0.5 } else { 0.0 };
        page.rectangle((left + gap, top), (right - gap, zero), series_color(0))?;
    }
    Ok(())
}

fn lines(page: &Page<'_>, frame: &Frame, plot: &Plot, series: &[Series]) -> Done<()> {
    for (number, series) in series.iter().enumerate() {
        let place = |(x, y): &(f64, f64)| frame.place(plot, *x, *y);
        let places: Vec<(f64, f64)> = series.points.iter().map(place).collect();
        match &places[..] {
            [] => {}
            [only] => page.circle(*only, 2.5, series_color(number))?,
            places => page.line(places, series_color(number), 1.8)?,
        }
    }
    Ok(())
}

fn points(page: &Page<'_>, frame: &Frame, plot: &Plot, series: &[Series]) -> Done<()> {
    let count: usize = series.iter().map(|series| series.points.len()).sum();
    let (radius, opacity) = match count {
        0..=500 => (3.4, 0.75),
        501..=5_000 => (2.4, 0.55),
        _ => (1.6, 0.35),
    };
    for (number, series) in series.iter().enumerate() {
        let color = series_color(number).mix(opacity);
        for (x, y) in &series.points {
            page.circle(frame.place(plot, *x, *y), radius, color)?;
        }
    }
    Ok(())
}

fn fields(page: &Page<'_>, frame: &Frame, plot: &Plot, fields: &[Field]) -> Done<()> {
    let (across, down) = (plot.x.scale.names().len(), plot.y.scale.names().len());
    let (wide, tall) = (
        frame.width() / across.max(1) as f64,
        frame.height() / down.max(1) as f64,
    );
    let (low, high) = extent(fields);
    let gap = if wide.min(tall) > 8.0 { 1.0 } else { 0.0 };
    for field in fields {
        let (left, top) = (
            frame.left + field.x as f64 * wide,
            frame.top + field.y as f64 * tall,
        );
        let share = (field.value - low) / (high - low);
        let corner = (left + wide - gap, top + tall - gap);
        page.rectangle((left, top), corner, heat_color(share))?;
        let text = number(field.value);
        if wide > 8.0 + 6.5 * text.len() as f64 && tall > 16.0 {
            let color = if share > 0.45 {
                RGBColor(255, 255, 255)
            } else {
                INK
            };
            let label = Label {
                text: &text,
                size: 11.0,
                color,
                align: Align::Middle,
            };
            page.text((left + wide / 2.0, top + tall / 2.0), &label)?;
        }
    }
    Ok(())
}

/// The least and the greatest number of a heatmap, never the same.
pub(super) fn extent(fields: &[Field]) -> (f64, f64) {
    let values = fields.iter().map(|field| field.value);
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    match low < high {
        true => (low, high),
        false if low.is_finite() => (low - 1.0, high),
        false => (0.0, 1.0),
    }
}

fn graph(page: &Page<'_>, frame: &Frame, layout: &Layout) -> Done<()> {
    let place = |node: usize| {
        let node = &layout.nodes[node];
        (
            frame.left + node.x * frame.width(),
            frame.top + node.y * frame.height(),
        )
    };
    let small = if layout.nodes.len() > 300 { 0.5 } else { 1.0 };
    let radius =
        |node: usize| ((3.5 + 1.5 * (layout.nodes[node].links as f64).sqrt()) * small).min(14.0);
    for (from, to) in &layout.links {
        let (a, b) = (place(*from), place(*to));
        page.line(
            &[a, b],
            LINK.mix(0.8),
            if layout.links.len() > 1_000 { 0.5 } else { 1.0 },
        )?;
        if layout.links.len() <= ARROWS && from != to {
            arrow(page, a, b, radius(*to))?;
        }
    }
    for at in 0..layout.nodes.len() {
        page.circle(place(at), radius(at) + 1.0, RGBColor(255, 255, 255))?;
        page.circle(place(at), radius(at), series_color(0))?;
    }
    if layout.nodes.len() > NODE_NAMES {
        return Ok(());
    }
    for (at, node) in layout.nodes.iter().enumerate() {
        let (x, y) = place(at);
        let text = cut(&node.name, NODE_CHARACTERS);
        let label = Label {
            text: &text,
            size: if layout.nodes.len() > 60 { 9.0 } else { 11.0 },
            color: INK,
            align: Align::Above,
        };
        page.text_on_lines((x, y - radius(at) - 2.0), &label)?;
    }
    Ok(())
}

/// A head at the end of a link, in front of its node.
fn arrow(page: &Page<'_>, from: (f64, f64), to: (f64, f64), radius: f64) -> Done<()> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy);
    if length < radius + 8.0 {
        return Ok(());
    }
    let (dx, dy) = (dx / length, dy / length);
    let tip = (to.0 - dx * (radius + 1.0), to.1 - dy * (radius + 1.0));
    let back = (tip.0 - dx * 6.0, tip.1 - dy * 6.0);
    let side = |sign: f64| (back.0 - dy * 2.6 * sign, back.1 + dx * 2.6 * sign);
    page.area(&[tip, side(1.0), side(-1.0)], LINK)
}
