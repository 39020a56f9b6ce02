//! Entities as numbers from 0, in their order.

/// Widest range of ids, against how many there are, that has a table of its own.
const RANGE_PER_ID: u64 = 8;
/// Ranges that always have one.
const RANGE_SMALL: u64 = 1 << 16;
const NONE: u32 = u32::MAX;

/// Some entities, each once and rising, and the number of each.
pub(crate) struct Numbering {
    ids: Vec<i64>,
    /// The first id, and a number for each place from there on; none where ids lie far apart.
    table: Option<(i64, Vec<u32>)>,
}

impl Numbering {
    /// Numbers everything that the columns hold.
    ///
    /// Cost: O(ids) where they lie close together, else O(ids · log ids).
    pub(crate) fn new(columns: &[&[i64]]) -> Numbering {
        let all = || columns.iter().flat_map(|column| column.iter().copied());
        let count = columns
            .iter()
            .map(|column| column.len() as u64)
            .sum::<u64>();
        let (Some(first), Some(last)) = (all().min(), all().max()) else {
            return Numbering {
                ids: Vec::new(),
                table: None,
            };
        };
        let range = last.abs_diff(first);
        if range >= count.saturating_mul(RANGE_PER_ID).max(RANGE_SMALL) {
            let mut ids: Vec<i64> = all().collect();
            ids.sort_unstable();
            ids.dedup();
            return Numbering { ids, table: None };
        }
        let mut table = vec![NONE; range as usize + 1];
        all().for_each(|id| table[id.abs_diff(first) as usize] = 0);
        let mut ids = Vec::new();
        for (at, number) in table.iter_mut().enumerate() {
            if *number != NONE {
                *number = ids.len() as u32;
                ids.push(first + at as i64);
            }
        }
        Numbering {
            ids,
            table: Some((first, table)),
        }
    }

    /// The entities, by number.
    pub(crate) fn ids(&self) -> &[i64] {
        &self.ids
    }

    /// The number of an entity, if it has one.
    pub(crate) fn find(&self, id: i64) -> Option<u32> {
        match &self.table {
            Some((first, _)) if id < *first => None,
            Some((first, table)) => {
                let number = *table.get(usize::try_from(id.abs_diff(*first)).ok()?)?;
                (number != NONE).then_some(number)
            }
            None => self.ids.binary_search(&id).ok().map(|at| at as u32),
        }
    }

    /// The numbers of entities, all of which have one.
    pub(crate) fn number(&self, ids: &[i64]) -> Vec<u32> {
        let number = |id: &i64| self.find(*id).expect("all of them were numbered");
        ids.iter().map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_rank_whether_close_or_far_apart() {
        for ids in [[7, 5, 9, 7], [i64::MIN, i64::MAX, 0, 0]] {
            let numbering = Numbering::new(&[&ids[..2], &ids[2..]]);
            let mut sorted = ids.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(numbering.ids(), sorted);
            let numbers: Vec<i64> = numbering
                .number(&ids)
                .iter()
                .map(|&n| sorted[n as usize])
                .collect();
            assert_eq!(numbers, ids);
            assert_eq!((numbering.find(6), numbering.find(-1)), (None, None));
        }
        assert_eq!(Numbering::new(&[]).find(0), None);
    }
}
