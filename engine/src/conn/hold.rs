//! Holds: what refs name stays while it is read.
//!
//! A value that was opened pins its segments. Who reads records needs logs and roots as well, for as
//! long as it takes, while the branches go on and leave them behind.

use std::collections::BTreeSet;

use super::pin::{Pin, hold_still};
use super::reference::{Place, Ref};
use crate::error::Result;
use crate::root;
use crate::value::Keyword;

/// Refs, and the promise that what they name is not collected while this is held.
///
/// A store that takes no locks promises nothing: there only the age of objects spares them.
pub(super) struct Hold {
    /// The branch that was asked for comes first, if it is there.
    pub(super) refs: Vec<(Keyword, Ref)>,
    _pin: Option<Pin>,
}

impl Hold {
    /// Holds what all branches name.
    pub(super) fn all(place: &Place) -> Result<Hold> {
        Hold::on(place, || {
            let mut refs = place.all()?;
            refs.sort_by_key(|(branch, _)| *branch != place.branch);
            Ok(refs)
        })
    }

    /// Holds what one branch names.
    pub(super) fn branch(place: &Place) -> Result<Hold> {
        Hold::on(place, || {
            let found = place.load()?.reference;
            let named = found.map(|reference| (place.branch.clone(), reference));
            Ok(named.into_iter().collect())
        })
    }

    fn on(place: &Place, load: impl Fn() -> Result<Vec<(Keyword, Ref)>>) -> Result<Hold> {
        let _still = hold_still(&*place.storage)?;
        let refs = load()?;
        let mut names = BTreeSet::new();
        for (_, reference) in &refs {
            // Damage to one branch does not hide what another one has.
            let _ = mark(place, reference, &mut names);
        }
        let _pin = Pin::of_objects(&place.storage, &names);
        Ok(Hold { refs, _pin })
    }
}

/// Adds the names of all objects that a branch needs.
pub(super) fn mark(place: &Place, reference: &Ref, marked: &mut BTreeSet<String>) -> Result<()> {
    marked.insert(reference.log.clone());
    marked.extend(reference.base.iter().map(|piece| piece.log.clone()));
    if let Some(digest) = reference.root
        && marked.insert(root::name(digest))
    {
        let root = root::load(&*place.storage, digest)?;
        marked.extend(root.stamps().map(|stamp| stamp.name()));
    }
    Ok(())
}
