//! Trends: columns told from the entities of their rows, piece by piece along straight lines.
//!
//! A transaction makes entities whose numbers follow one another, and the values it interns follow
//! one another too: so the transaction of a row, and often its value, is nearly a function of its
//! entity. Sorted by value, such columns look like noise, and take as many bits as the entities.
//! What is stored instead is the differences to a trend, mostly zeros.

use crate::bytes::{Cursor, malformed, put_varint, put_zigzag};
use crate::error::Result;

/// Most pieces that are written: a directory is read whole, and a row looks its piece up.
const PIECES_MAX: usize = 1024;
/// Bits of a slope behind the point.
const SLOPE_SHIFT: u32 = 24;
/// Rows behind one that does not fit that are looked at: if most fit, it is an exception.
const LOOK_AHEAD: usize = 4;
/// Fewest bytes of a piece: entity, number, slope.
const PIECE_BYTES_MIN: usize = 3;

/// Straight lines, each from an entity on up to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trend {
    /// Ascending; there is at least one.
    starts: Vec<i64>,
    /// One for each start.
    lines: Vec<Line>,
}

/// The number at the start of a piece, and how much it grows for each entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    start: i64,
    number: u64,
    /// In parts of `2^SLOPE_SHIFT`.
    slope: i64,
}

impl Line {
    /// The number at an entity. All bits count modulo 2^64: whatever stands in a file, it is one.
    fn at(&self, e: i64) -> u64 {
        let grown = e.wrapping_sub(self.start).wrapping_mul(self.slope) >> SLOPE_SHIFT;
        self.number.wrapping_add(grown as u64)
    }
}

impl Trend {
    /// The numbers at some entities.
    pub(super) fn at<'t>(&'t self, entities: &'t [u64]) -> impl Iterator<Item = u64> + 't {
        entities.iter().map(|&e| {
            let e = e as i64;
            // What comes before the first piece belongs to it.
            let piece = self.starts.partition_point(|&start| start <= e);
            self.lines[piece.saturating_sub(1)].at(e)
        })
    }

    /// Appends: count, then for each piece its start, its number and its slope. The start is a
    /// difference to that of the piece before, the number to where that would lead, the slope to
    /// that of the piece before.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.lines.len() as u64);
        let mut last: Option<Line> = None;
        for line in &self.lines {
            let (number, slope) = match last {
                Some(last) => {
                    put_varint(out, line.start.wrapping_sub(last.start) as u64);
                    (last.at(line.start), last.slope)
                }
                None => {
                    put_zigzag(out, line.start);
                    (0, 0)
                }
            };
            put_zigzag(out, line.number.wrapping_sub(number) as i64);
            put_zigzag(out, line.slope.wrapping_sub(slope));
            last = Some(*line);
        }
    }

    /// What it takes in a directory, which is written in base64.
    pub(super) fn bytes(&self) -> usize {
        let mut out = Vec::new();
        self.put(&mut out);
        out.len() * 4 / 3
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Trend> {
        let count = cursor.count(PIECE_BYTES_MIN)?;
        let mut lines: Vec<Line> = Vec::with_capacity(count);
        for _ in 0..count {
            let (start, number, slope) = match lines.last() {
                Some(last) => {
                    let start = last.start.checked_add_unsigned(cursor.varint()?);
                    let start = start.filter(|&start| start > last.start);
                    let start = start.ok_or_else(|| malformed("a trend in it does not rise"))?;
                    (start, last.at(start), last.slope)
                }
                None => (cursor.zigzag()?, 0, 0),
            };
            lines.push(Line {
                start,
                number: number.wrapping_add(cursor.zigzag()? as u64),
                slope: slope.wrapping_add(cursor.zigzag()?),
            });
        }
        if lines.is_empty() {
            return Err(malformed("a trend in it has no pieces"));
        }
        Ok(Trend::of(lines))
    }

    fn of(lines: Vec<Line>) -> Trend {
        Trend {
            starts: lines.iter().map(|line| line.start).collect(),
            lines,
        }
    }

    /// Lines that most of the points lie at most `error_max` from; none if that takes too many.
    ///
    /// - `points`: entity and number, ascending by entity.
    /// - Cost: O(points), less where no trend is.
    /// - Source: Galakatos et al. 2019, FITing-Tree, section 3 (the shrinking cone).
    pub(super) fn fit(points: &[(i64, u64)], error_max: u32) -> Option<Trend> {
        let mut lines: Vec<Line> = Vec::new();
        let mut rest = points;
        while let [first, ..] = rest {
            if lines.len() == PIECES_MAX {
                return None;
            }
            let mut cone = Cone::at(*first, i64::from(error_max));
            let len = cone.reach(rest);
            lines.push(cone.line(lines.last()));
            rest = &rest[len..];
        }
        (!lines.is_empty()).then(|| Trend::of(lines))
    }
}

/// The lines through a point that lead past all others so far.
struct Cone {
    start: i64,
    number: u64,
    error_max: i64,
    /// The least and the largest slope.
    slopes: (i64, i64),
}

/// Farther from the start no entity and no number of a piece is: their products fit.
const REACH: i64 = 1 << 36;

impl Cone {
    fn at((start, number): (i64, u64), error_max: i64) -> Cone {
        Cone {
            start,
            number,
            error_max,
            slopes: (i64::MIN, i64::MAX),
        }
    }

    /// How many of the points, the first of which it starts at, belong to the piece.
    fn reach(&mut self, points: &[(i64, u64)]) -> usize {
        let mut at = 1;
        while let Some(&point) = points.get(at) {
            if let Some(slopes) = self.narrowed(point) {
                self.slopes = slopes;
            } else {
                let behind = &points[at + 1..];
                let behind = &behind[..behind.len().min(LOOK_AHEAD)];
                let fit = behind.iter().filter(|it| self.narrowed(**it).is_some());
                if behind.is_empty() || 4 * fit.count() < 3 * behind.len() {
                    return at;
                }
            }
            at += 1;
        }
        at
    }

    /// The slopes that also lead past a point; none if there are none.
    fn narrowed(&self, (e, number): (i64, u64)) -> Option<(i64, i64)> {
        let run = e.checked_sub(self.start).filter(|&run| run < REACH)?;
        let rise = number.wrapping_sub(self.number) as i64;
        if !(-REACH..REACH).contains(&rise) {
            return None;
        }
        if run == 0 {
            return (rise.abs() <= self.error_max).then_some(self.slopes);
        }
        let (low, high) = self.slopes;
        // Division is dear, and few points narrow the cone.
        let leads_past = |slope: i64| {
            let grown = run.checked_mul(slope)? >> SLOPE_SHIFT;
            Some((grown - rise).abs() <= self.error_max)
        };
        if leads_past(low) == Some(true) && leads_past(high) == Some(true) {
            return Some(self.slopes);
        }
        // The least slope that rounds down to what is wanted, and the one below the first too large.
        let least = |rise: i64| -(-(rise << SLOPE_SHIFT)).div_euclid(run);
        let low = low.max(least(rise - self.error_max));
        let high = high.min(least(rise + self.error_max + 1) - 1);
        (low <= high).then_some((low, high))
    }

    /// One of its lines: the slope of the one before if that is among them, else the roundest.
    fn line(&self, before: Option<&Line>) -> Line {
        let (low, high) = self.slopes;
        let among = |slope: &i64| (low..=high).contains(slope);
        let before = before.map(|line| line.slope).filter(among);
        Line {
            start: self.start,
            number: self.number,
            slope: before.unwrap_or_else(|| roundest(low, high)),
        }
    }
}

/// The number of a range with the most zeros at its end, in bits; zero if it is among them.
fn roundest(low: i64, high: i64) -> i64 {
    if low <= 0 && high >= 0 {
        return 0;
    }
    (0..i64::BITS - 1)
        .rev()
        .map(|zeros| high >> zeros << zeros)
        .find(|&slope| slope >= low)
        .unwrap_or(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fits points; answers the pieces, and how many points lie farther off than asked.
    fn fitted(points: &[(i64, u64)], error_max: u32) -> Option<(usize, usize)> {
        let trend = Trend::fit(points, error_max)?;
        let mut out = Vec::new();
        trend.put(&mut out);
        let mut cursor = Cursor::new(&out);
        assert_eq!(Trend::read(&mut cursor).unwrap(), trend);
        assert_eq!(cursor.left(), 0);
        let entities: Vec<u64> = points.iter().map(|&(e, _)| e as u64).collect();
        let far = trend.at(&entities).zip(points).filter(|(at, (_, number))| {
            (at.wrapping_sub(*number) as i64).unsigned_abs() > u64::from(error_max)
        });
        Some((trend.lines.len(), far.count()))
    }

    fn points(number: impl Fn(i64) -> i64) -> Vec<(i64, u64)> {
        (0..5000)
            .map(|n| 1000 + n * 3 + n % 2)
            .map(|e| (e, number(e) as u64))
            .collect()
    }

    #[test]
    fn lines_and_steps_take_a_piece_each() {
        for (number, pieces) in [
            (Box::new(|_| 7i64) as Box<dyn Fn(i64) -> i64>, 1),
            (Box::new(|e| e + 59), 1),
            (Box::new(|e| 3 * e - 7), 1),
            (Box::new(|e| -2 * e), 1),
            (Box::new(|e| e.div_euclid(5)), 1),
            (Box::new(|e| (1 << 29) + e / 4000), 4),
            (Box::new(|e| 2 * e + e / 8000 * 100), 2),
        ] {
            let (got, far) = fitted(&points(number), 0).unwrap();
            assert!(got <= pieces && far == 0, "{got} {pieces} {far}");
        }
        assert_eq!(
            fitted(&[(i64::MIN, 3), (i64::MAX, u64::MAX)], 0),
            Some((2, 0))
        );
        assert_eq!(fitted(&[(5, u64::MAX)], 0), Some((1, 0)));
        assert_eq!(fitted(&[], 0), None);
    }

    #[test]
    fn exceptions_stay_exceptions() {
        let one_off = |e: i64| if e % 100 == 0 { 1 << 20 } else { e };
        let (pieces, far) = fitted(&points(one_off), 0).unwrap();
        assert!(pieces <= 3 && far <= 100, "{pieces} {far}");
    }

    #[test]
    fn rough_lines_need_few_pieces_and_noise_has_none() {
        let noise = |e: i64| xxhash_rust::xxh3::xxh3_64(&e.to_le_bytes()) as i64;
        let rough = points(|e| e * 2 + noise(e) % 60);
        assert_eq!(fitted(&rough, 0), None);
        assert_eq!(fitted(&rough, 127), Some((1, 0)));
        assert_eq!(fitted(&points(noise), 127), None);
    }

    #[test]
    fn hostile_trends_are_refused() {
        let read = |numbers: &[i64], count: u64| {
            let mut out = Vec::new();
            put_varint(&mut out, count);
            for (at, &n) in numbers.iter().enumerate() {
                match at >= 3 && at % 3 == 0 {
                    true => put_varint(&mut out, n as u64),
                    false => put_zigzag(&mut out, n),
                }
            }
            Trend::read(&mut Cursor::new(&out))
        };
        assert!(read(&[], 0).is_err());
        assert!(read(&[1, 2, 3], u64::MAX).is_err());
        assert!(read(&[1, 2, 3, 0, 2, 3], 2).is_err());
        assert!(read(&[1, 2, 3, i64::MAX, 2, 3], 2).is_err());
        assert!(read(&[1, 2, 3, -1, 2, 3], 2).is_err());
        let wild = read(&[i64::MIN, i64::MAX, i64::MIN, -1, -1, -1], 2).unwrap();
        assert_eq!(wild.at(&[0, 1 << 63, u64::MAX]).count(), 3);
    }
}
