//! Which nodes were seen, forgotten all at once.

/// Which nodes were seen, forgotten at once by [`Marks::clear`].
pub(crate) struct Marks {
    rounds: Vec<u32>,
    round: u32,
}

impl Marks {
    /// For that many nodes, none of them seen.
    pub(crate) fn new(nodes: usize) -> Marks {
        Marks {
            rounds: vec![0; nodes],
            round: 1,
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.rounds.fill(0);
            self.round = 1;
        }
    }

    /// Marks a node; false if it was.
    pub(crate) fn insert(&mut self, node: u32) -> bool {
        let round = &mut self.rounds[node as usize];
        let is_new = *round != self.round;
        *round = self.round;
        is_new
    }

    /// Whether a node was seen.
    pub(crate) fn contains(&self, node: u32) -> bool {
        self.rounds[node as usize] == self.round
    }
}
