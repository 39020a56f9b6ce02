//! Work counted, so that somebody may end it.

use crate::error::Result;

/// Asks now and then whether to go on.
pub(crate) struct Pace<'a> {
    left: usize,
    check: &'a dyn Fn() -> Result<()>,
}

impl<'a> Pace<'a> {
    /// Links looked at between two checks: about a millisecond of work.
    const WORK: usize = 1 << 17;

    /// A pace that fails as soon as `check` does.
    pub(crate) fn new(check: &'a dyn Fn() -> Result<()>) -> Pace<'a> {
        Pace { left: 0, check }
    }

    /// Counts nodes or links looked at.
    pub(crate) fn spend(&mut self, work: usize) -> Result<()> {
        match self.left.checked_sub(work) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = Self::WORK;
                (self.check)()
            }
        }
    }
}
