//! Charts as PNG: the document of SVG, drawn.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::{Database, ID, Source};
use resvg::usvg::{FontResolver, Options, Tree};

use super::plot::Plot;
use super::svg::svg;
use crate::fault::{Done, refused};

/// Dots for each unit of the chart, as screens of today have them.
const SCALE: f32 = 2.0;

/// The chart as the bytes of a PNG.
pub(super) fn png(plot: &Plot) -> Done<Vec<u8>> {
    let failed =
        |cause: &dyn std::fmt::Display| refused(format!("the chart cannot be drawn: {cause}"));
    let options = Options {
        font_resolver: fonts(),
        ..Options::default()
    };
    let tree = Tree::from_str(&svg(plot)?, &options).map_err(|cause| failed(&cause))?;
    let dots = |units: f32| (units * SCALE).round() as u32;
    let (width, height) = (dots(tree.size().width()), dots(tree.size().height()));
    let mut image = Pixmap::new(width, height).ok_or_else(|| failed(&"it has no size"))?;
    resvg::render(
        &tree,
        Transform::from_scale(SCALE, SCALE),
        &mut image.as_mut(),
    );
    image.encode_png().map_err(|cause| failed(&cause))
}

/// The font that comes with the product, so that a chart looks the same everywhere; those of the system are
/// looked through only for characters that it lacks.
fn fonts() -> FontResolver<'static> {
    let mut known = Database::new();
    let own = known.load_font_source(Source::Binary(Arc::new(epaint_default_fonts::UBUNTU_LIGHT)));
    let own: Option<ID> = own.first().copied();
    let by_system = FontResolver::default_fallback_selector();
    FontResolver {
        select_font: Box::new(move |_, database| {
            if database.is_empty() {
                *database = Arc::new(known.clone());
            }
            own
        }),
        select_fallback: Box::new(move |character, used, database| {
            if database.len() == used.len() {
                Arc::make_mut(database).load_system_fonts();
            }
            by_system(character, used, database)
        }),
    }
}
