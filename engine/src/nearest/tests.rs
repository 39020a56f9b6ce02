//! Searches are what a plain loop over the entities finds.
