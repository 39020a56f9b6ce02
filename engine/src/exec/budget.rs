//! What a query may spend: time and memory, and whether somebody cancelled it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::error::{Code, Error, Result};
use crate::script::Allowance;

/// Limits of one query; checked between operators and every few thousand rows within them.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    allowance: Allowance,
}

impl Budget {
    /// Rows that an operator handles between two checks.
    pub const CHECK_ROWS: usize = 4096;

    /// That of a query within other work.
    pub(super) fn within(allowance: Allowance) -> Budget {
        Budget { allowance }
    }

    /// Ends the query after that many milliseconds from now.
    #[must_use]
    pub fn with_timeout_ms(self, timeout_ms: u64) -> Budget {
        Budget {
            allowance: self.allowance.with_timeout_ms(timeout_ms),
        }
    }

    /// Lets one relation of the query hold at most that many bytes.
    #[must_use]
    pub fn with_memory_bytes(self, memory_bytes: usize) -> Budget {
        Budget {
            allowance: self.allowance.with_memory_bytes(memory_bytes),
        }
    }

    /// Ends the query soon after the flag is set.
    #[must_use]
    pub fn with_cancel(self, cancelled: Arc<AtomicBool>) -> Budget {
        Budget {
            allowance: self.allowance.with_cancel(cancelled),
        }
    }

    /// What functions that users wrote may spend: what the query may.
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// Fails if time is up or the query was cancelled.
    pub fn check(&self) -> Result<()> {
        self.allowance.check()
    }

    /// Fails if that many rows of that many columns are more than one relation may hold.
    pub fn check_rows(&self, rows: usize, columns: usize) -> Result<()> {
        // An operator holds its input's share, row numbers and the result at the same time.
        let bytes = rows
            .saturating_mul(columns + 1)
            .saturating_mul(2 * size_of::<u64>());
        self.check_bytes(bytes, rows)
    }

    /// Fails if tuples take more bytes than one relation may.
    pub fn check_bytes(&self, bytes: usize, rows: usize) -> Result<()> {
        self.check()?;
        let limit = self.allowance.memory_bytes();
        if bytes <= limit && rows < u32::MAX as usize {
            return Ok(());
        }
        Err(Error::new(
            Code::QueryMemory,
            format!("Query needs {bytes} bytes for {rows} tuples, over its limit of {limit} bytes"),
        )
        .with("limit", limit))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn each_limit_has_its_error() {
        let code = |checked: Result<()>| checked.map_err(|error| error.code());
        let budget = Budget::default().with_memory_bytes(192);
        assert_eq!(code(budget.check_rows(4, 2)), Ok(()));
        assert_eq!(code(budget.check_rows(5, 2)), Err(Code::QueryMemory));
        let flag = Arc::new(AtomicBool::new(false));
        let budget = Budget::default().with_cancel(Arc::clone(&flag));
        assert_eq!(code(budget.check()), Ok(()));
        flag.store(true, Ordering::Relaxed);
        assert_eq!(code(budget.check()), Err(Code::QueryCanceled));
        let budget = Budget::default().with_timeout_ms(0);
        assert_eq!(code(budget.check()), Err(Code::QueryTimeout));
    }
}
