//! A segment of vectors to write, damage and search.

use std::sync::Arc;

use datalith_engine::Result;
use datalith_engine::datom::{AttrId, EntityId};
use datalith_engine::segment::{Cover, SegmentStamp, Segments, write_vectors};
use datalith_engine::store::Storage;
use datalith_vector::{Ask, Distance, Neighbour, Parameters, Scratch};

use crate::noise;

pub(crate) const ROWS_OF_VECTORS: usize = 300;

fn vectors() -> Vec<f32> {
    let number = |at| (noise(at) % 1000) as f32;
    (0..8 * ROWS_OF_VECTORS as u64).map(number).collect()
}

pub(crate) fn write_graph(storage: &dyn Storage) -> Result<SegmentStamp> {
    let keys: Vec<[u64; 2]> = (0..ROWS_OF_VECTORS as u64).map(|e| [e, 0]).collect();
    let parameters = Parameters::of(8, Distance::Euclidean);
    let go = |_| std::ops::ControlFlow::Continue(());
    let bytes =
        datalith_vector::build(&vectors(), &keys, &parameters, &go).expect("rows are sound");
    write_vectors(storage, &bytes, keys.len())
}

/// The entities nearest to that of a row, nearest first.
pub(crate) fn search_near(
    storage: &Arc<dyn Storage>,
    stamp: &SegmentStamp,
    row: usize,
    count: usize,
) -> Result<Vec<u64>> {
    let cover = Cover {
        index: EntityId(1),
        attribute: AttrId(1),
        after: 0,
        upto: 1,
    };
    let graph = Segments::new(storage.clone()).vectors(stamp, cover);
    let vector = &vectors()[8 * row..8 * row + 8];
    graph.read(|segment| {
        // A search reads what it needs and no more; here all is to be read.
        segment.verify()?;
        let ask = Ask {
            ef: count,
            ..Ask::nearest(count)
        };
        let found = segment.search(vector, &ask, &mut Scratch::default())?;
        let entity = |neighbour: &Neighbour| Ok(segment.key(neighbour.row)?[0]);
        found.iter().map(entity).collect()
    })
}
