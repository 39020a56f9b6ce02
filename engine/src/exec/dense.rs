//! The one value of each entity of a run, found by place: a join with it is a gather.

use crate::index::{Kind, Run};

/// Values by entity, less the smallest entity.
pub(super) struct ValueTable {
    min: u64,
    kind: Kind,
    values: Vec<u64>,
    /// A bit for each place that has a value; none where all have.
    taken: Option<Vec<u64>>,
}

impl ValueTable {
    /// Places that one row may cost.
    const PER_ROW: usize = 8;

    /// None where entities have several values or lie far apart, or values are of several kinds.
    pub(super) fn of(run: &Run) -> Option<ValueTable> {
        let (first, last) = (run.first()?.e, run.last()?.e);
        let len = usize::try_from(last.abs_diff(first)).ok()?.checked_add(1)?;
        if run.len() > len || len > ValueTable::PER_ROW * run.len() {
            return None;
        }
        let kind = run.chunks().next()?.v.kind()?;
        let mut values = vec![0; len];
        let mut taken = (run.len() < len).then(|| vec![0u64; len.div_ceil(64)]);
        let mut before = None;
        for chunk in run.chunks() {
            let rises = chunk.e.windows(2).all(|pair| pair[0] < pair[1]);
            if !rises || before == chunk.e.first().copied() || chunk.v.kind() != Some(kind) {
                return None;
            }
            before = chunk.e.last().copied();
            for (&e, &bits) in chunk.e.iter().zip(chunk.v.bits()) {
                let place = (e - first) as usize;
                values[place] = bits;
                if let Some(taken) = &mut taken {
                    taken[place / 64] |= 1 << (place % 64);
                }
            }
        }
        Some(ValueTable {
            min: first as u64,
            kind,
            values,
            taken,
        })
    }

    /// What kind all values are.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Which of some entities have a value (all of them, if nothing is said), and their values.
    pub(super) fn find(&self, entities: &[u64]) -> (Option<Vec<u32>>, Vec<u64>) {
        let place = |bits: u64| bits.wrapping_sub(self.min) as usize;
        let mut have_all = true;
        let mut values = Vec::with_capacity(entities.len());
        values.extend(entities.iter().map(|&bits| {
            let value = self.values.get(place(bits));
            have_all &= value.is_some();
            value.copied().unwrap_or_default()
        }));
        if have_all && self.taken.is_none() {
            return (None, values);
        }
        let mut rows = vec![0; entities.len()];
        let mut len = 0;
        for (row, &bits) in entities.iter().enumerate() {
            let place = place(bits);
            let is_taken = match &self.taken {
                Some(taken) => taken
                    .get(place / 64)
                    .is_some_and(|word| word >> (place % 64) & 1 != 0),
                None => place < self.values.len(),
            };
            rows[len] = row as u32;
            values[len] = values[row];
            len += usize::from(is_taken);
        }
        rows.truncate(len);
        values.truncate(len);
        ((len < entities.len()).then_some(rows), values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Cell, Extra, Row, SortOrder};

    fn run(rows: &[(i64, Cell)]) -> Run {
        let rows: Vec<Row> = rows.iter().map(|&(e, v)| Row::new(e, v, 0)).collect();
        Run::from_sorted(SortOrder::ByEntity, Extra::Nothing, &rows)
    }

    #[test]
    fn entities_are_found_with_and_without_gaps() {
        let full = run(&[(-1, Cell::long(7)), (0, Cell::long(8)), (1, Cell::long(9))]);
        let table = ValueTable::of(&full).unwrap();
        let entities = [1, -1, 0, 1].map(|e: i64| e as u64);
        assert_eq!(table.find(&entities), (None, vec![9, 7, 8, 9]));
        let entities = [1, -2, 0, i64::MIN].map(|e: i64| e as u64);
        assert_eq!(table.find(&entities), (Some(vec![0, 2]), vec![9, 8]));
        let gaps = run(&[(3, Cell::long(7)), (5, Cell::long(8))]);
        let table = ValueTable::of(&gaps).unwrap();
        assert_eq!(table.find(&[5, 4, 3]), (Some(vec![0, 2]), vec![8, 7]));
        assert_eq!(table.find(&[3, 3]), (None, vec![7, 7]));
        assert_eq!(table.find(&[]), (None, vec![]));
    }

    #[test]
    fn what_is_no_function_of_entities_has_no_table() {
        let several = run(&[(3, Cell::long(7)), (3, Cell::long(8)), (5, Cell::long(8))]);
        let far = run(&[(0, Cell::long(7)), (1 << 40, Cell::long(8))]);
        let mixed = run(&[(0, Cell::long(7)), (1, Cell::bool(true))]);
        for run in [several, far, mixed, run(&[])] {
            assert!(ValueTable::of(&run).is_none());
        }
    }
}
