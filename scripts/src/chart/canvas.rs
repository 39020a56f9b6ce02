//! Dots of Braille and characters in the cells of a terminal.

/// Bits of a Braille character's dots, by row and column.
const DOTS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// A grid of cells, each with eight dots or a character.
pub(super) struct Canvas {
    columns: usize,
    lines: usize,
    dots: Vec<u8>,
    characters: Vec<Option<char>>,
}

impl Canvas {
    /// An empty grid.
    pub(super) fn new(columns: usize, lines: usize) -> Canvas {
        Canvas {
            columns,
            lines,
            dots: vec![0; columns * lines],
            characters: vec![None; columns * lines],
        }
    }

    /// A dot at a share across and a share down.
    pub(super) fn dot(&mut self, (x, y): (f64, f64)) {
        if !(0.0..=1.0).contains(&x) || !(0.0..=1.0).contains(&y) {
            return;
        }
        let x = (x * (self.columns * 2 - 1) as f64).round() as usize;
        let y = (y * (self.lines * 4 - 1) as f64).round() as usize;
        self.dots[y / 4 * self.columns + x / 2] |= DOTS[y % 4][x % 2];
    }

    /// Dots from one place to another.
    pub(super) fn line(&mut self, (x, y): (f64, f64), (to_x, to_y): (f64, f64)) {
        let across = (to_x - x).abs() * (self.columns * 2) as f64;
        let down = (to_y - y).abs() * (self.lines * 4) as f64;
        let steps = across.max(down).ceil().max(1.0);
        let mut step = 0.0;
        while step <= steps {
            let part = step / steps;
            self.dot((x + (to_x - x) * part, y + (to_y - y) * part));
            step += 1.0;
        }
    }

    /// A character at a share across and a share down.
    pub(super) fn mark(&mut self, (x, y): (f64, f64), mark: char) {
        let x = (x * (self.columns - 1) as f64).round() as usize;
        let y = (y * (self.lines - 1) as f64).round() as usize;
        self.characters[y.min(self.lines - 1) * self.columns + x.min(self.columns - 1)] =
            Some(mark);
    }

    /// A text around a share across, in the line of a share down, if there is room.
    pub(super) fn write(&mut self, (x, y): (f64, f64), text: &str) {
        let len = text.chars().count();
        if len > self.columns {
            return;
        }
        let middle = (x * (self.columns - 1) as f64).round() as usize;
        let start = middle.saturating_sub(len / 2).min(self.columns - len);
        let line = ((y * (self.lines - 1) as f64).round() as usize).min(self.lines - 1);
        let cells = line * self.columns + start..line * self.columns + start + len;
        if self.characters[cells.clone()].iter().any(Option::is_some) {
            return;
        }
        for (cell, c) in self.characters[cells].iter_mut().zip(text.chars()) {
            *cell = Some(c);
        }
    }

    /// The lines as text.
    pub(super) fn lines(&self) -> Vec<String> {
        let cell = |at: usize| match (self.characters[at], self.dots[at]) {
            (Some(c), _) => c,
            (None, 0) => ' ',
            (None, dots) => char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' '),
        };
        let line = |line: usize| {
            (0..self.columns)
                .map(|x| cell(line * self.columns + x))
                .collect()
        };
        (0..self.lines).map(line).collect()
    }
}
