//! Where a form stands in its text.

use crate::error::Span;

/// The bytes of a form and of its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanTree {
    /// The form, without metadata before it.
    pub span: Span,
    /// Its parts in the order of the text; of a map key and value in turn; of a tag its value.
    pub children: Vec<SpanTree>,
}

impl SpanTree {
    /// The span of the part at `index`, or of the whole if there is no such part.
    pub fn part(&self, index: usize) -> Span {
        self.children
            .get(index)
            .map_or(self.span, |child| child.span)
    }
}

/// A place in a text as editors count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineColumn {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// The line and column of a byte offset; an offset past the end means the end, one inside a
/// character that character.
pub fn line_column(text: &str, offset: usize) -> LineColumn {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    LineColumn {
        line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters() {
        let at = |offset| {
            let place = line_column("a\né[\n", offset);
            (place.line, place.column)
        };
        assert_eq!(
            [at(0), at(1), at(2), at(3), at(4)],
            [(1, 1), (1, 2), (2, 1), (2, 1), (2, 2)]
        );
        assert_eq!([at(5), at(6), at(99)], [(2, 3), (3, 1), (3, 1)]);
    }
}
