//! Random patterns that close a cycle.

use super::generate::{Kind, constant};
use super::query::Maker;

impl Maker<'_> {
    /// Patterns around a circle of entities, perhaps with others across it: links either way, or a
    /// value that two share.
    pub(super) fn cycle(&mut self) -> Vec<String> {
        let len = 3 + self.random.below(2);
        let around: Vec<String> = (0..len).map(|_| self.corner()).collect();
        let ends = |step: usize| (0..len).map(move |at| (at, (at + step) % len));
        let across = if self.random.percent(40) { len - 2 } else { 0 };
        let pairs = ends(1).chain(ends(2).take(across));
        let links = pairs.flat_map(|(a, b)| self.link(&around[a], &around[b]));
        links.collect()
    }

    fn corner(&mut self) -> String {
        match self.random.below(12) {
            0 => constant(self.random, Kind::Entity),
            1 | 2 => self.var(Kind::Entity),
            _ => {
                let name = format!("?corner{}", self.vars.len());
                self.vars.push((name.clone(), Kind::Entity));
                name
            }
        }
    }

    fn link(&mut self, a: &str, b: &str) -> Vec<String> {
        let attribute = *self.random.pick(self.attributes);
        let is_turned = self.random.percent(50);
        let (a, b) = if is_turned { (b, a) } else { (a, b) };
        if attribute.kind == Kind::Entity || self.random.percent(70) {
            let links = self.attributes.iter().filter(|a| a.kind == Kind::Entity);
            let ident = self.random.pick(&links.collect::<Vec<_>>()).ident;
            return vec![format!("[{}{a} {ident} {b}]", self.source())];
        }
        let value = self.term(attribute.kind);
        [a, b]
            .map(|e| format!("[{}{e} {} {value}]", self.source(), attribute.ident))
            .to_vec()
    }
}
