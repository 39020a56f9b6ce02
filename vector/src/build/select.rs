//! Which candidates become neighbours (Malkov & Yashunin 2018, algorithm 4).

use super::layer::Link;
use super::pack::{Codes, FromRow};
use crate::walk::Measure;

/// Memory of a selection.
#[derive(Default)]
pub(crate) struct Selector {
    alive: Vec<u32>,
    to: Vec<f32>,
    apart: Vec<f32>,
    code: Vec<i8>,
    products: Vec<i32>,
    spare: Vec<Link>,
}

impl Selector {
    /// What [`Selector::select`] takes of links in no order.
    pub(crate) fn pruned(&mut self, codes: &Codes, mut links: Vec<Link>, most: usize) -> Vec<Link> {
        links.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        self.select(codes, &links, most)
    }

    /// At most `most` of `near`, nearest first: those that are nearer to the row than to any one taken before.
    ///
    /// - `near`: ascending by distance.
    /// - Cost: a distance for each taken one and candidate that is still in question.
    pub(crate) fn select(&mut self, codes: &Codes, near: &[Link], most: usize) -> Vec<Link> {
        self.alive.clear();
        self.alive.extend(near.iter().map(|link| link.0));
        self.to.clear();
        self.to.extend(near.iter().map(|link| link.1));
        self.spare.clear();
        let mut taken = Vec::with_capacity(most);
        while let (Some(first), true) = (self.alive.first().copied(), taken.len() < most) {
            taken.push((first, self.to[0]));
            self.alive.remove(0);
            self.to.remove(0);
            let mut from = FromRow::new(codes, first, &mut self.code, &mut self.products);
            let measured = from.measure(&self.alive, &mut self.apart);
            measured.expect("codes in memory are not corrupt");
            let mut kept = 0;
            for i in 0..self.alive.len() {
                if self.apart[i] > self.to[i] {
                    (self.alive[kept], self.to[kept]) = (self.alive[i], self.to[i]);
                    kept += 1;
                } else {
                    self.spare.push((self.alive[i], self.to[i]));
                }
            }
            self.alive.truncate(kept);
            self.to.truncate(kept);
        }
        // Rows that were passed over fill up what is left: more ways out for the same lines of memory.
        self.spare
            .sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        taken.extend(self.spare.iter().take(most - taken.len()));
        taken
    }
}
