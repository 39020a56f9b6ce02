//! What must hold when all trouble is over.

use datalith_engine::Keyword;
use datalith_engine::conn::{ChainStatus, VerifyOptions, verify_at};

use super::act::{BRANCHES, Broken, PROCESSES, Stage};
use super::world::{Change, Late, Worlds, failure};

impl Stage<'_> {
    /// Reads every branch as a process that was not there before, and writes to each.
    pub(super) fn examine(&mut self) -> Result<(), Broken> {
        let process = PROCESSES;
        if self.world.late == Late::Goes {
            self.world.branches.values_mut().for_each(Worlds::settle);
        }
        for branch in BRANCHES {
            if !self.world.branches[branch].may_exist() {
                continue;
            }
            self.look(process, branch)?;
            if let Some(conn) = self.connect(process, branch)? {
                let chain = conn.verify_chain().map_err(|e| failure(&e))?;
                if chain.status != ChainStatus::Ok {
                    return Err(format!("the chain of {branch}: {chain:?}"));
                }
            }
        }
        self.verify()?;
        let Some(conn) = self.connect(process, BRANCHES[0])? else {
            return Err("the database does not open".to_owned());
        };
        let listed = conn.branches().map_err(|e| failure(&e))?;
        let must: Vec<&str> = BRANCHES
            .into_iter()
            .filter(|name| self.world.branches[name].may_exist())
            .collect();
        let listed: Vec<&str> = listed.iter().map(Keyword::as_str).collect();
        if listed != must && self.world.late != Late::Comes {
            return Err(format!("branches {listed:?}, not {must:?}"));
        }
        Ok(())
    }

    /// Everything in the store that needs no history to be checked.
    fn verify(&self) -> Result<(), Broken> {
        let report = verify_at(&self.storage, &VerifyOptions::default());
        let report = report.map_err(|e| failure(&e))?;
        match report.errors.first() {
            Some(finding) => Err(format!("verification: {finding:?}")),
            None => Ok(()),
        }
    }

    /// Makes one more transaction on each branch.
    pub(super) fn write_on(&mut self) -> Result<(), Broken> {
        for branch in BRANCHES {
            if !self.world.branches[branch].may_exist() {
                continue;
            }
            let before = self.world.branches[branch].states().count();
            for _ in 0..=before {
                self.transact(PROCESSES, branch, &[Change::Put(99, "last".to_owned(), 0)])?;
            }
        }
        Ok(())
    }
}
