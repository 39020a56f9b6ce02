//! Segments at their door: recall, determinism, edges, corruption. All data is drawn from seeds.

use std::ops::ControlFlow;

use datalith_vector::{
    Ask, Bitmap, Distance, Encoding, Error, Key, Neighbour, Parameters, Row, Scratch, Segment,
    build, nearest,
};

const DISTANCES: [Distance; 3] = [
    Distance::Euclidean,
    Distance::Cosine,
    Distance::InnerProduct,
];
const ENCODINGS: [Encoding; 4] = [Encoding::F32, Encoding::Bf16, Encoding::F16, Encoding::Int8];

/// Numbers that look random (xorshift), between -1 and 1.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.bits() >> 11) as usize % bound
    }

    fn number(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// `[count × dim]`, in clusters whose rows are near the middle of their own.
    fn rows(&mut self, count: usize, dim: usize) -> Vec<f32> {
        let middles: Vec<f32> = (0..30 * dim).map(|_| 3.0 * self.number()).collect();
        let mut rows = Vec::with_capacity(count * dim);
        for _ in 0..count {
            let cluster = self.below(30);
            rows.extend((0..dim).map(|i| middles[cluster * dim + i] + self.number()));
        }
        rows
    }
}

fn keys(count: usize) -> Vec<Key> {
    (0..count as u64).map(|row| [7, 3 * row]).collect()
}

fn built(rows: &[f32], parameters: &Parameters) -> Vec<u8> {
    let keys = keys(rows.len() / parameters.dim);
    build(rows, &keys, parameters, &|_| ControlFlow::Continue(())).expect("right input")
}

fn opened(rows: &[f32], parameters: &Parameters) -> Segment<Vec<u8>> {
    Segment::open(built(rows, parameters)).expect("whole bytes")
}

/// The caller's numbers of rows that were found.
fn given(segment: &Segment<Vec<u8>>, found: &[Neighbour]) -> Vec<usize> {
    let key = |one: &Neighbour| segment.key(one.row).expect("a row of it")[1] as usize / 3;
    found.iter().map(key).collect()
}

/// The part of the true neighbours, as counted by distance, that is among those found.
fn recall(found: &[Neighbour], truth: &[(usize, f32)]) -> f64 {
    let Some((_, farthest)) = truth.last() else {
        return 1.0;
    };
    let hits = found.iter().filter(|one| one.distance <= *farthest).count();
    hits.min(truth.len()) as f64 / truth.len() as f64
}

#[test]
fn most_neighbours_are_found_and_their_distances_are_exact() {
    let mut random = Random(1);
    let dim = 24;
    let rows = random.rows(3000, dim);
    let queries = random.rows(40, dim);
    for (distance, encoding) in DISTANCES.iter().flat_map(|d| ENCODINGS.map(|e| (*d, e))) {
        let parameters = Parameters {
            encoding,
            ..Parameters::of(dim, distance)
        };
        let segment = opened(&rows, &parameters);
        let mut scratch = Scratch::default();
        let mut sum = 0.0;
        for query in queries.chunks(dim) {
            let truth = nearest(&rows, query, 10, distance, |_| true);
            let found = segment
                .search(query, &Ask::nearest(10), &mut scratch)
                .unwrap();
            assert!(found.is_sorted_by(|a, b| (a.distance, a.row) < (b.distance, b.row)));
            for (one, row) in found.iter().zip(given(&segment, &found)) {
                let there = &rows[row * dim..][..dim];
                assert_eq!(one.distance, distance.between(query, there));
                assert_eq!(segment.vector(one.row).unwrap(), there);
            }
            sum += recall(&found, &truth);
        }
        // The inner product is no metric: a graph serves it less well.
        let floor = if distance == Distance::InnerProduct {
            0.9
        } else {
            0.97
        };
        assert!(
            sum / 40.0 > floor,
            "{distance:?} {encoding:?}: {}",
            sum / 40.0
        );
    }
}

#[test]
fn bytes_are_the_same_on_any_number_of_threads() {
    let rows = Random(2).rows(1500, 12);
    for encoding in ENCODINGS {
        let parameters = Parameters {
            encoding,
            ..Parameters::of(12, Distance::Cosine)
        };
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| built(&rows, &parameters))
        };
        let one = on(1);
        assert_eq!(one, on(2));
        assert_eq!(one, on(5));
        assert_ne!(
            one,
            built(
                &rows,
                &Parameters {
                    seed: 1,
                    ..parameters
                }
            )
        );
    }
}

#[test]
fn small_and_odd_segments_answer_all_their_rows() {
    let mut scratch = Scratch::default();
    for (count, dim) in [
        (0, 3),
        (1, 1),
        (2, 384),
        (3, 3),
        (9, 1),
        (70, 384),
        (300, 17),
    ] {
        for (distance, encoding) in DISTANCES.iter().flat_map(|d| ENCODINGS.map(|e| (*d, e))) {
            let rows = Random(3).rows(count, dim);
            let parameters = Parameters {
                encoding,
                ..Parameters::of(dim, distance)
            };
            let segment = opened(&rows, &parameters);
            let query = vec![0.25; dim];
            for (k, ef) in [
                (0, 10),
                (1, 1),
                (5, 2),
                (count + 3, 1),
                (usize::MAX, usize::MAX),
            ] {
                let ask = Ask {
                    k,
                    ef,
                    filter: None,
                };
                let found = segment.search(&query, &ask, &mut scratch).unwrap();
                assert_eq!(found.len(), k.min(count), "{count} rows, {k}");
                if k > count {
                    let truth = nearest(&rows, &query, count, distance, |_| true);
                    let far: Vec<f32> = truth.iter().map(|(_, far)| *far).collect();
                    assert!(found.iter().map(|one| one.distance).eq(far));
                }
            }
            let by_key: Vec<(Key, Row)> = segment.by_key().unwrap().collect();
            assert!(by_key.iter().map(|(key, _)| *key).eq(keys(count)));
            segment.verify().unwrap();
        }
    }
}

#[test]
fn equal_rows_and_rows_of_zeros_are_found() {
    let mut scratch = Scratch::default();
    let mut rows = vec![0.0; 8 * 500];
    rows.extend(vec![1.5; 8 * 500]);
    rows.extend(Random(5).rows(500, 8));
    for (distance, encoding) in DISTANCES.iter().flat_map(|d| ENCODINGS.map(|e| (*d, e))) {
        let parameters = Parameters {
            encoding,
            ..Parameters::of(8, distance)
        };
        let segment = opened(&rows, &parameters);
        for query in [[1.5; 8], [0.0; 8], [-1.0; 8]] {
            let truth = nearest(&rows, &query, 10, distance, |_| true);
            let found = segment
                .search(&query, &Ask::nearest(10), &mut scratch)
                .unwrap();
            assert_eq!(found.len(), 10);
            if query[0] > 0.0 && distance != Distance::InnerProduct {
                let within = segment.within(&query, 1e-6, None, &mut scratch).unwrap();
                assert!(within.len() >= 500, "{distance:?} {encoding:?}");
                assert_eq!(recall(&found, &truth), 1.0, "{distance:?} {encoding:?}");
            }
        }
    }
}

#[test]
fn filters_answer_only_their_rows() {
    let mut random = Random(6);
    let (count, dim) = (4000, 16);
    let rows = random.rows(count, dim);
    let queries = random.rows(20, dim);
    let mut scratch = Scratch::default();
    for encoding in ENCODINGS {
        let parameters = Parameters {
            encoding,
            ..Parameters::of(dim, Distance::Euclidean)
        };
        let segment = opened(&rows, &parameters);
        for one_in in [1, 2, 10, 100, 5000] {
            let mut filter = Bitmap::empty(count);
            let mut kept = vec![false; count];
            for (key, row) in segment.by_key().unwrap() {
                let mut of_first = Vec::new();
                segment.rows_of(key[0], &mut of_first).unwrap();
                assert!(of_first.contains(&(key, row)));
                if random.below(one_in) == 0 {
                    filter.insert(row);
                    kept[key[1] as usize / 3] = true;
                }
            }
            let mut sum = 0.0;
            for query in queries.chunks(dim) {
                let ask = Ask {
                    filter: Some(&filter),
                    ..Ask::nearest(10)
                };
                let found = segment.search(query, &ask, &mut scratch).unwrap();
                assert!(found.iter().all(|one| filter.contains(one.row)));
                assert_eq!(found.len(), filter.count().min(10));
                let truth = nearest(&rows, query, 10, Distance::Euclidean, |row| kept[row]);
                sum += recall(&found, &truth);
            }
            assert!(
                sum / 20.0 >= 0.95,
                "{encoding:?} one in {one_in}: {}",
                sum / 20.0
            );
        }
    }
}

/// Rows of one half of the clusters, asked for from all of them.
#[test]
fn filters_that_keep_what_lies_together_find_it() {
    let mut random = Random(16);
    let (count, dim) = (20_000, 16);
    let rows = random.rows(count, dim);
    let parameters = Parameters {
        ef_construction: 80,
        ..Parameters::of(dim, Distance::Euclidean)
    };
    let segment = opened(&rows, &parameters);
    let mut scratch = Scratch::default();
    for part in [2, 10, 40] {
        let mut far = nearest(&rows, &rows[..dim], count, Distance::Euclidean, |_| true);
        far.truncate(count / part);
        let mut kept = vec![false; count];
        far.iter().for_each(|(row, _)| kept[*row] = true);
        let mut filter = Bitmap::empty(count);
        for (key, row) in segment.by_key().unwrap() {
            if kept[key[1] as usize / 3] {
                filter.insert(row);
            }
        }
        let mut sum = 0.0;
        for query in rows.chunks(dim).skip(1).step_by(500) {
            let ask = Ask {
                filter: Some(&filter),
                ..Ask::nearest(10)
            };
            let found = segment.search(query, &ask, &mut scratch).unwrap();
            assert!(found.iter().all(|one| filter.contains(one.row)));
            let truth = nearest(&rows, query, 10, Distance::Euclidean, |row| kept[row]);
            sum += recall(&found, &truth) / 40.0;
        }
        assert!(sum >= 0.93, "one in {part}: {sum}");
    }
}

/// Small clusters of rows, and their segment.
fn clusters() -> (Vec<f32>, Segment<Vec<u8>>) {
    let mut random = Random(23);
    let middles: Vec<f32> = (0..CLUSTERED / 50 * CLUSTERED_DIM)
        .map(|_| 4.0 * random.number())
        .collect();
    let mut rows = Vec::with_capacity(CLUSTERED * CLUSTERED_DIM);
    for row in 0..CLUSTERED {
        let middle = &middles[row % (CLUSTERED / 50) * CLUSTERED_DIM..][..CLUSTERED_DIM];
        rows.extend(middle.iter().map(|x| x + random.number()));
    }
    let parameters = Parameters {
        ef_construction: 80,
        ..Parameters::of(CLUSTERED_DIM, Distance::Euclidean)
    };
    let segment = opened(&rows, &parameters);
    (rows, segment)
}

const CLUSTERED: usize = 24_000;
const CLUSTERED_DIM: usize = 24;

/// Of the ten nearest to a query that a filter keeps, the part that a search finds.
fn filtered_recall(
    (rows, segment): (&[f32], &Segment<Vec<u8>>),
    kept: &[bool],
    queries: &[&[f32]],
) -> f64 {
    let mut filter = Bitmap::empty(kept.len());
    for (key, row) in segment.by_key().expect("whole bytes") {
        if kept[key[1] as usize / 3] {
            filter.insert(row);
        }
    }
    let mut scratch = Scratch::default();
    let each = queries.iter().map(|query| {
        let ask = Ask {
            filter: Some(&filter),
            ..Ask::nearest(10)
        };
        let found = segment.search(query, &ask, &mut scratch);
        let found = found.expect("whole bytes");
        assert!(found.iter().all(|one| filter.contains(one.row)));
        let truth = nearest(rows, query, 10, Distance::Euclidean, |row| kept[row]);
        recall(&found, &truth)
    });
    each.sum::<f64>() / queries.len() as f64
}

/// Which rows are among the nearest to one of them.
fn together(rows: &[f32], middle: usize, count: usize) -> Vec<bool> {
    let from = &rows[middle * CLUSTERED_DIM..][..CLUSTERED_DIM];
    let mut kept = vec![false; CLUSTERED];
    let nearest = nearest(rows, from, count, Distance::Euclidean, |_| true);
    nearest.iter().for_each(|(row, _)| kept[*row] = true);
    kept
}

/// A filter keeps some of the clusters: from most queries its rows lie elsewhere, few links lead there.
#[test]
fn filters_of_some_clusters_find_the_nearest_of_these() {
    let (rows, segment) = clusters();
    let queries: Vec<&[f32]> = rows.chunks(CLUSTERED_DIM).skip(1).step_by(607).collect();
    for part in [3, 5] {
        let each = [11, 77, 123, 170].map(|middle| {
            let kept = together(&rows, middle, CLUSTERED / part);
            filtered_recall((&rows, &segment), &kept, &queries)
        });
        let mean = each.iter().sum::<f64>() / 4.0;
        assert!(mean >= 0.95, "one in {part}: {each:?}");
    }
}

/// A filter leaves out all that is near to the query, so that no links lead from it to the nearest.
#[test]
fn filters_that_leave_out_what_is_near_find_what_is_next() {
    let (rows, segment) = clusters();
    let each = [11, 77, 123, 170, 211, 350, 404, 475].map(|middle| {
        let kept: Vec<bool> = together(&rows, middle, CLUSTERED * 4 / 5)
            .iter()
            .map(|is_near| !is_near)
            .collect();
        let query = &rows[middle * CLUSTERED_DIM..][..CLUSTERED_DIM];
        filtered_recall((&rows, &segment), &kept, &[query])
    });
    let mean = each.iter().sum::<f64>() / 8.0;
    assert!(mean >= 0.9, "{each:?}");
}

#[test]
fn all_rows_within_a_radius_are_found() {
    let mut random = Random(7);
    let (count, dim) = (3000, 8);
    let rows = random.rows(count, dim);
    let segment = opened(&rows, &Parameters::of(dim, Distance::Euclidean));
    let mut scratch = Scratch::default();
    for radius in [0.0, 0.5, 2.0, 8.0, 50.0, f32::INFINITY] {
        let (mut expected, mut total) = (0, 0);
        for query in random.rows(10, dim).chunks(dim) {
            let all = nearest(&rows, query, count, Distance::Euclidean, |_| true);
            let inside = all.iter().filter(|(_, far)| *far <= radius).count();
            let found = segment.within(query, radius, None, &mut scratch).unwrap();
            assert!(found.iter().all(|one| one.distance <= radius));
            (expected, total) = (expected + inside, total + found.len());
        }
        assert!(radius.is_finite() || total == expected);
        assert!(
            total as f64 >= 0.97 * expected as f64,
            "{radius}: {total} of {expected}"
        );
    }
}

#[test]
fn wrong_input_is_named() {
    let parameters = Parameters::of(2, Distance::Euclidean);
    let go_on = |_: usize| ControlFlow::Continue(());
    let fails = |rows: &[f32], keys: &[Key], parameters: &Parameters| {
        build(rows, keys, parameters, &go_on).unwrap_err()
    };
    assert_eq!(
        fails(&[1.0], &keys(1), &parameters),
        Error::Dimension {
            expected: 2,
            found: 1
        }
    );
    assert_eq!(
        fails(&[1.0, 2.0], &keys(3), &parameters),
        Error::Keys { rows: 1, keys: 3 }
    );
    let none = fails(&[1.0, 2.0, 3.0, f32::NAN], &keys(2), &parameters);
    assert_eq!(none, Error::NotFinite { row: 1, column: 1 });
    for wrong in [
        Parameters {
            dim: 0,
            ..parameters
        },
        Parameters { m: 0, ..parameters },
        Parameters {
            ef_construction: 0,
            ..parameters
        },
    ] {
        assert!(matches!(fails(&[], &[], &wrong), Error::Parameter { .. }));
    }
    let stop = |rows: usize| match rows < 100 {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    };
    let rows = Random(8).rows(1000, 2);
    let cancelled = build(&rows, &keys(1000), &parameters, &stop);
    assert_eq!(cancelled.unwrap_err(), Error::Cancelled);
    let segment = opened(&[1.0, 2.0], &parameters);
    let mut scratch = Scratch::default();
    let mut ask = |query: &[f32], filter: Option<&Bitmap>| {
        let ask = Ask {
            filter,
            ..Ask::nearest(1)
        };
        segment.search(query, &ask, &mut scratch).unwrap_err()
    };
    assert_eq!(
        ask(&[1.0], None),
        Error::Dimension {
            expected: 2,
            found: 1
        }
    );
    let infinite = ask(&[1.0, f32::INFINITY], None);
    assert_eq!(infinite, Error::NotFinite { row: 0, column: 1 });
    let filter = Bitmap::full(2);
    assert_eq!(
        ask(&[1.0, 1.0], Some(&filter)),
        Error::Filter {
            expected: 1,
            found: 2
        }
    );
    assert_eq!(
        segment.key(Row(1)),
        Err(Error::NoSuchRow { row: 1, len: 1 })
    );
    assert!(segment.vector(Row(1)).is_err());
}

/// Asks everything; whatever it answers, it must answer.
fn exercise(bytes: &[u8], query: &[f32]) -> Result<(), Error> {
    let segment = Segment::open(bytes)?;
    let mut scratch = Scratch::default();
    let searched = segment.search(query, &Ask::nearest(5), &mut scratch);
    let within = segment.within(query, 1.0, None, &mut scratch);
    let listed = segment.by_key().map(|keys| keys.count());
    let verified = segment.verify();
    assert!(verified.is_err() || (searched.is_ok() && within.is_ok() && listed.is_ok()));
    verified
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let mut random = Random(9);
    for encoding in ENCODINGS {
        let rows = random.rows(200, 5);
        let parameters = Parameters {
            encoding,
            ..Parameters::of(5, Distance::Cosine)
        };
        let whole = built(&rows, &parameters);
        exercise(&whole, &rows[..5]).unwrap();
        for _ in 0..600 {
            let mut bytes = whole.clone();
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
            assert!(exercise(&bytes, &rows[..5]).is_err(), "byte {at}");
        }
        for _ in 0..50 {
            let end = random.below(whole.len());
            assert!(exercise(&whole[..end], &rows[..5]).is_err(), "cut at {end}");
        }
    }
}
