//! What is drawn on: a page of pixels with lines, areas and texts.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::fault::{Done, refused};

/// Parts of a pixel that places are told apart by: plotters knows whole numbers only.
const PARTS: f64 = 8.0;
/// What plotters makes smaller of a font's size.
const FONT_SCALE: f64 = 1.24;
const FONTS: &str = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif";
/// How wide a character is, as a share of the font's size.
const CHARACTER_SHARE: f64 = 0.56;

/// Dark text.
pub(super) const INK: RGBColor = RGBColor(0x37, 0x41, 0x51);
/// Titles.
pub(super) const DARK: RGBColor = RGBColor(0x11, 0x18, 0x27);
/// Lines of an axis.
pub(super) const AXIS: RGBColor = RGBColor(0x9c, 0xa3, 0xaf);
/// Lines behind everything.
pub(super) const GRID: RGBColor = RGBColor(0xe8, 0xea, 0xee);
/// Colours of series, told apart by most eyes; the same that Vega has.
const SERIES: [RGBColor; 10] = [
    RGBColor(0x4c, 0x78, 0xa8),
    RGBColor(0xf5, 0x85, 0x18),
    RGBColor(0xe4, 0x57, 0x56),
    RGBColor(0x72, 0xb7, 0xb2),
    RGBColor(0x54, 0xa2, 0x4b),
    RGBColor(0xee, 0xca, 0x3b),
    RGBColor(0xb2, 0x79, 0xa2),
    RGBColor(0xff, 0x9d, 0xa6),
    RGBColor(0x9d, 0x75, 0x5d),
    RGBColor(0xba, 0xb0, 0xac),
];
/// Colours of a heatmap from the least to the greatest number.
const HEAT: [RGBColor; 5] = [
    RGBColor(0xee, 0xf4, 0xfb),
    RGBColor(0xbf, 0xd8, 0xec),
    RGBColor(0x6d, 0xad, 0xd5),
    RGBColor(0x2a, 0x73, 0xb3),
    RGBColor(0x0b, 0x3c, 0x7d),
];

/// The colour of a series.
pub(super) fn series_color(number: usize) -> RGBColor {
    SERIES[number % SERIES.len()]
}

/// The colour of a share from 0 to 1.
pub(super) fn heat_color(share: f64) -> RGBColor {
    let at = share.clamp(0.0, 1.0) * (HEAT.len() - 1) as f64;
    let below = (at as usize).min(HEAT.len() - 2);
    let part = at - below as f64;
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * part).round() as u8;
    let (a, b) = (HEAT[below], HEAT[below + 1]);
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// How wide a text is, about, in pixels.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * CHARACTER_SHARE
}

/// A text cut to some characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text
            .chars()
            .take(most.saturating_sub(1))
            .chain(['…'])
            .collect(),
        false => text.to_owned(),
    }
}

/// Where a text is in respect to its place.
#[derive(Clone, Copy)]
pub(super) enum Align {
    /// To the right of it, in the middle.
    Right,
    /// The same, in bold.
    Title,
    /// To the left of it, in the middle.
    Left,
    /// Below it, centred.
    Below,
    /// Above it, centred.
    Above,
    /// Around it.
    Middle,
    /// Read upwards, ending there.
    UpTo,
    /// Read upwards, around it.
    Up,
}

/// A text and how it looks.
pub(super) struct Label<'a> {
    pub(super) text: &'a str,
    /// Pixels.
    pub(super) size: f64,
    pub(super) color: RGBColor,
    pub(super) align: Align,
}

/// A page of an SVG; places are in pixels from the top left.
pub(super) struct Page<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

/// Draws on a page of some pixels and gives the SVG.
pub(super) fn page(width: u32, height: u32, draw: impl Fn(&Page<'_>) -> Done<()>) -> Done<String> {
    let mut svg = String::new();
    let whole = |pixels: u32| pixels * PARTS as u32;
    {
        let backend = SVGBackend::with_string(&mut svg, (whole(width), whole(height)));
        let page = Page {
            area: backend.into_drawing_area(),
        };
        page.area.fill(&WHITE).map_err(failed)?;
        draw(&page)?;
        page.area.present().map_err(failed)?;
    }
    let parts = format!("width=\"{}\" height=\"{}\"", whole(width), whole(height));
    let pixels = format!("width=\"{width}\" height=\"{height}\"");
    Ok(svg.replacen(&parts, &pixels, 1))
}

fn failed(cause: impl std::fmt::Display) -> Box<rhai::EvalAltResult> {
    refused(format!("the chart cannot be drawn: {cause}"))
}

fn at((x, y): (f64, f64)) -> (i32, i32) {
    ((x * PARTS).round() as i32, (y * PARTS).round() as i32)
}

fn stroke(color: RGBAColor, width: f64) -> ShapeStyle {
    ShapeStyle {
        color,
        filled: false,
        stroke_width: (width * PARTS).round() as u32,
    }
}

impl Page<'_> {
    /// A line through some places.
    pub(super) fn line(
        &self,
        places: &[(f64, f64)],
        color: impl Into<RGBAColor>,
        width: f64,
    ) -> Done<()> {
        let places: Vec<(i32, i32)> = places.iter().copied().map(at).collect();
        let line = PathElement::new(places, stroke(color.into(), width));
        self.area.draw(&line).map_err(failed)
    }

    /// A filled area with straight edges.
    pub(super) fn area(&self, places: &[(f64, f64)], color: impl Into<RGBAColor>) -> Done<()> {
        let places: Vec<(i32, i32)> = places.iter().copied().map(at).collect();
        let area = Polygon::new(places, color.into().filled());
        self.area.draw(&area).map_err(failed)
    }

    /// A filled rectangle between two corners.
    pub(super) fn rectangle(
        &self,
        a: (f64, f64),
        b: (f64, f64),
        color: impl Into<RGBAColor>,
    ) -> Done<()> {
        let rectangle = Rectangle::new([at(a), at(b)], color.into().filled());
        self.area.draw(&rectangle).map_err(failed)
    }

    /// A filled circle.
    pub(super) fn circle(
        &self,
        middle: (f64, f64),
        radius: f64,
        color: impl Into<RGBAColor>,
    ) -> Done<()> {
        let radius = (radius * PARTS).round() as i32;
        let circle = Circle::new(at(middle), radius, color.into().filled());
        self.area.draw(&circle).map_err(failed)
    }

    /// A text.
    pub(super) fn text(&self, place: (f64, f64), label: &Label<'_>) -> Done<()> {
        let position = match label.align {
            Align::Right | Align::Title => Pos::new(HPos::Left, VPos::Center),
            Align::Left => Pos::new(HPos::Right, VPos::Center),
            Align::Below => Pos::new(HPos::Center, VPos::Top),
            Align::Above => Pos::new(HPos::Center, VPos::Bottom),
            Align::Middle | Align::Up => Pos::new(HPos::Center, VPos::Center),
            Align::UpTo => Pos::new(HPos::Right, VPos::Center),
        };
        let font = (FontFamily::Name(FONTS), label.size * PARTS * FONT_SCALE).into_font();
        let font = match label.align {
            Align::UpTo | Align::Up => font.transform(FontTransform::Rotate270),
            Align::Title => font.style(FontStyle::Bold),
            _ => font,
        };
        let style = TextStyle::from(font).color(&label.color).pos(position);
        let text = Text::new(label.text.to_owned(), at(place), style);
        self.area.draw(&text).map_err(failed)
    }

    /// A text that lines may run behind.
    pub(super) fn text_on_lines(&self, (x, y): (f64, f64), label: &Label<'_>) -> Done<()> {
        let behind = Label {
            color: WHITE,
            ..*label
        };
        for (dx, dy) in [(-1.3, 0.0), (1.3, 0.0), (0.0, -1.3), (0.0, 1.3)] {
            self.text((x + dx, y + dy), &behind)?;
        }
        self.text((x, y), label)
    }
}
