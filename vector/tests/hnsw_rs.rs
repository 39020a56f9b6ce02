//! Segments whose links the crate `hnsw_rs` made, at their door. All rows are drawn from seeds.
#![cfg(feature = "hnsw-rs")]

use std::ops::ControlFlow;

use datalith_vector::{
    Ask, Distance, Encoding, Error, Key, Parameters, Result, Scratch, Segment, build_by_hnsw_rs,
    nearest,
};

const DISTANCES: [Distance; 3] = [
    Distance::Euclidean,
    Distance::Cosine,
    Distance::InnerProduct,
];

/// `[count × dim]`, in clusters, by xorshift.
fn rows(seed: u64, count: usize, dim: usize) -> Vec<f32> {
    let mut bits = seed;
    let mut number = || {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        (bits >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let middles: Vec<f32> = (0..30 * dim).map(|_| 3.0 * number()).collect();
    let middle = |at: usize| middles[at / dim % 30 * dim + at % dim];
    (0..count * dim).map(|at| middle(at) + number()).collect()
}

fn built(rows: &[f32], parameters: &Parameters) -> Result<Segment<Vec<u8>>> {
    let count = rows.len() / parameters.dim.max(1);
    let keys: Vec<Key> = (0..count as u64).map(|row| [7, 3 * row]).collect();
    let bytes = build_by_hnsw_rs(rows, &keys, parameters, &|_| ControlFlow::Continue(()))?;
    Segment::open(bytes)
}

/// All rows that a search for all answers, each once.
fn all(segment: &Segment<Vec<u8>>, dim: usize) -> Vec<u64> {
    let ask = Ask::nearest(segment.len() + 1);
    let found = segment.search(&vec![0.5; dim], &ask, &mut Scratch::default());
    let key = |one: &datalith_vector::Neighbour| segment.key(one.row).expect("a row of it")[1] / 3;
    let mut keys: Vec<u64> = found.expect("a right query").iter().map(key).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn most_neighbours_are_found_and_every_row_is() {
    let (dim, count) = (24, 3000);
    let rows_given = rows(1, count, dim);
    let queries = rows(2, 40, dim);
    for distance in DISTANCES {
        for encoding in [Encoding::F32, Encoding::Int8] {
            let parameters = Parameters {
                encoding,
                ..Parameters::of(dim, distance)
            };
            let segment = built(&rows_given, &parameters).unwrap();
            segment.verify().unwrap();
            assert!(all(&segment, dim).into_iter().eq(0..count as u64));
            let mut scratch = Scratch::default();
            let mut hits = 0;
            for query in queries.chunks(dim) {
                let truth = nearest(&rows_given, query, 10, distance, |_| true);
                let found = segment.search(query, &Ask::nearest(10), &mut scratch);
                let near = |one: &datalith_vector::Neighbour| one.distance <= truth[9].1;
                hits += found.unwrap().into_iter().filter(near).count().min(10);
            }
            let recall = hits as f64 / 400.0;
            let floor = match distance {
                Distance::InnerProduct => 0.85,
                _ => 0.95,
            };
            assert!(recall > floor, "{distance:?} {encoding:?}: {recall}");
        }
    }
}

#[test]
fn odd_rows_are_all_answered() {
    let huge: Vec<f32> = (0..300)
        .map(|i| [f32::MAX, -f32::MAX, 1e-45, 0.0][i * i % 7 % 4])
        .collect();
    let cases = [
        Vec::new(),
        vec![1.0; 3],
        vec![0.0; 3 * 500],
        rows(3, 300, 3),
        huge,
    ];
    for given in &cases {
        for (distance, m) in DISTANCES.iter().flat_map(|d| [1, 2, 255].map(|m| (*d, m))) {
            let parameters = Parameters {
                m,
                ef_construction: 1 << 20,
                ..Parameters::of(3, distance)
            };
            let segment = built(given, &parameters).unwrap();
            segment.verify().unwrap();
            let count = given.len() as u64 / 3;
            assert!(
                all(&segment, 3).into_iter().eq(0..count),
                "{distance:?}, m {m}"
            );
        }
    }
}

#[test]
fn what_it_would_end_the_process_for_is_an_error() {
    let of = |dim| Parameters::of(dim, Distance::Cosine);
    let fails = |rows: &[f32], parameters: Parameters| built(rows, &parameters).err();
    let m = |m| Parameters { m, ..of(2) };
    let bound = |name, value, most| Some(Error::Parameter { name, value, most });
    assert_eq!(fails(&[0.0; 4], m(256)), bound("m", 256, 255));
    assert_eq!(fails(&[0.0; 4], m(0)), bound("m", 0, 512));
    assert_eq!(fails(&[0.0; 4], of(0)), bound("dim", 0, 65_000));
    let dimension = Error::Dimension {
        expected: 2,
        found: 1,
    };
    assert_eq!(fails(&[0.0; 3], of(2)), Some(dimension));
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let at = Error::NotFinite { row: 1, column: 1 };
        assert_eq!(fails(&[0.0, 1.0, 2.0, odd], of(2)), Some(at));
    }
    let go_on = |_| ControlFlow::Continue(());
    let keys = Error::Keys { rows: 2, keys: 1 };
    assert_eq!(
        build_by_hnsw_rs(&[0.0; 4], &[[0, 0]], &of(2), &go_on),
        Err(keys)
    );
}

#[test]
fn a_watch_ends_it_between_batches() {
    let given = rows(4, 5000, 4);
    let keys: Vec<Key> = (0..5000).map(|row| [0, row]).collect();
    let watch = |inserted| match inserted > 2000 {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let parameters = Parameters::of(4, Distance::Euclidean);
    let ended = build_by_hnsw_rs(&given, &keys, &parameters, &watch);
    assert_eq!(ended, Err(Error::Cancelled));
}
