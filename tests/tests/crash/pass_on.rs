//! What stores around another store have in common.

/// The operations that a store around another one, its field `inner`, leaves as they are, perhaps
/// after something of its own.
macro_rules! pass_on {
    () => {
        pass_on!(|_: &Self| ());
    };
    ($before:expr) => {
        fn list_with(
            &self,
            prefix: &str,
        ) -> datalith_engine::Result<Vec<datalith_engine::store::Listed>> {
            ($before)(self);
            self.inner.list_with(prefix)
        }

        fn delete(&self, name: &str) -> datalith_engine::Result<()> {
            ($before)(self);
            self.inner.delete(name)
        }

        fn sync(&self, name: &str) -> datalith_engine::Result<()> {
            ($before)(self);
            self.inner.sync(name)
        }

        fn settle(&self, name: &str, from: u64) -> datalith_engine::Result<()> {
            ($before)(self);
            self.inner.settle(name, from)
        }

        fn truncate(&self, name: &str, size: u64) -> datalith_engine::Result<()> {
            ($before)(self);
            self.inner.truncate(name, size)
        }
    };
}

pub(super) use pass_on;
