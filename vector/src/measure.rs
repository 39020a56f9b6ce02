//! Distances of a query to rows of a segment, as the walk and as the answer need them.

use crate::ask::{Encoding, Parameters};
use crate::codes::{Coded, Term, scaling};
use crate::distance::{Distance, inverse_norm};
use crate::error::Result;
use crate::format::{TERM_BYTES, f32_at};
use crate::segment::View;
use crate::simd::{self, Rows, Sum};
use crate::walk::Measure;

/// Rows whose lower halves are asked for before they are joined.
const AHEAD: usize = 8;

/// Distances to the rows as they were given.
pub(crate) struct Exact<'a> {
    view: View<'a>,
    query: &'a [f32],
    inverse: f32,
}

impl<'a> Exact<'a> {
    pub(crate) fn new(view: View<'a>, query: &'a [f32]) -> Exact<'a> {
        Exact {
            view,
            query,
            inverse: inverse_norm(query),
        }
    }

    /// From products to distances.
    fn finish(&self, rows: &[u32], apart: &mut [f32]) -> Result<()> {
        let View { header, bytes, .. } = self.view;
        match header.parameters.distance {
            Distance::Euclidean => {}
            Distance::InnerProduct => apart.iter_mut().for_each(|apart| *apart = 1.0 - *apart),
            Distance::Cosine => {
                for (apart, row) in apart.iter_mut().zip(rows) {
                    let at = self.view.layout.inverse.start + 4 * *row as usize;
                    self.view.check(at, 4)?;
                    *apart = 1.0 - *apart * (self.inverse * f32_at(bytes, at));
                }
            }
        }
        Ok(())
    }
}

impl Measure for Exact<'_> {
    fn measure(&mut self, rows: &[u32], apart: &mut Vec<f32>) -> Result<()> {
        let Parameters {
            distance, encoding, ..
        } = self.view.header.parameters;
        if encoding == Encoding::Bf16 {
            let mut whole = Vec::with_capacity(self.query.len());
            apart.clear();
            let first = rows.iter().take(AHEAD);
            first.for_each(|row| self.view.prefetch_lower(*row));
            for (at, row) in rows.iter().enumerate() {
                if let Some(next) = rows.get(at + AHEAD) {
                    self.view.prefetch_lower(*next);
                }
                self.view.join(*row, &mut whole)?;
                let row = simd::bytes_of(&whole);
                apart.push(match distance {
                    Distance::Euclidean => simd::squared(self.query, row),
                    _ => simd::dot(self.query, row),
                });
            }
            return self.finish(rows, apart);
        }
        let layout = self.view.layout;
        let given = Rows {
            bytes: &self.view.bytes[layout.rows.clone()],
            stride: layout.row_stride,
            width: layout.row_width,
        };
        check_rows(self.view, layout.rows.start, &given, rows)?;
        let sum = match distance {
            Distance::Euclidean => Sum::SquaresF32,
            _ => Sum::ProductsF32,
        };
        simd::gather(sum, self.query, given, rows, apart);
        self.finish(rows, apart)
    }
}

/// Distances to the codes of rows: near enough to order them. Not in the unit of the answer.
pub(crate) enum Near<'a> {
    /// The rows are not coded.
    Exact(Exact<'a>),
    /// Numbers without their lower halves; the exact distances follow from the same sums.
    Upper(Exact<'a>),
    /// Halves; the query is scaled as they are.
    Halves(View<'a>, &'a [f32]),
    /// Codes of 8 bits.
    Codes(View<'a>, &'a [i8], Coded, &'a mut Vec<i32>),
}

impl<'a> Near<'a> {
    /// - `scaled`, `code`, `products`: memory.
    pub(crate) fn new(
        view: View<'a>,
        query: &'a [f32],
        scaled: &'a mut Vec<f32>,
        code: &'a mut Vec<i8>,
        products: &'a mut Vec<i32>,
    ) -> Near<'a> {
        match (view.header.parameters.encoding, view.quantiser) {
            (Encoding::Bf16, _) => Near::Upper(Exact::new(view, query)),
            (Encoding::F16, _) => {
                let factor = view.header.factor * scaling(view.header.parameters.distance, query);
                scaled.clear();
                scaled.extend(query.iter().map(|x| x * factor));
                Near::Halves(view, scaled)
            }
            (Encoding::Int8, Some(quantiser)) => {
                code.clear();
                code.resize(query.len(), 0);
                let term = quantiser.encode(query, code);
                let coded = quantiser.coded(code, term);
                Near::Codes(view, code, coded, products)
            }
            _ => Near::Exact(Exact::new(view, query)),
        }
    }

    /// Whether its distances are those of the answer.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self, Near::Exact(_))
    }
}

impl Measure for Near<'_> {
    fn measure(&mut self, rows: &[u32], apart: &mut Vec<f32>) -> Result<()> {
        match self {
            Near::Exact(exact) => exact.measure(rows, apart),
            Near::Upper(exact) => {
                let codes = codes(exact.view);
                check_rows(exact.view, exact.view.layout.codes.start, &codes, rows)?;
                let sum = match exact.view.header.parameters.distance {
                    Distance::Euclidean => Sum::SquaresBf16,
                    _ => Sum::ProductsBf16,
                };
                simd::gather(sum, exact.query, codes, rows, apart);
                exact.finish(rows, apart)
            }
            Near::Halves(view, query) => {
                let codes = codes(*view);
                check_rows(*view, view.layout.codes.start, &codes, rows)?;
                if view.header.parameters.distance == Distance::Euclidean {
                    simd::gather(Sum::SquaresF16, query, codes, rows, apart);
                } else {
                    simd::gather(Sum::ProductsF16, query, codes, rows, apart);
                    apart.iter_mut().for_each(|apart| *apart = -*apart);
                }
                Ok(())
            }
            Near::Codes(view, code, coded, products) => {
                let codes = codes(*view);
                check_rows(*view, view.layout.codes.start, &codes, rows)?;
                simd::gather_codes(code, codes, rows, products);
                apart.clear();
                for (row, product) in rows.iter().zip(products.iter()) {
                    let at = view.layout.terms.start + TERM_BYTES * *row as usize;
                    view.check(at, TERM_BYTES)?;
                    let scale = f32_at(view.bytes, at);
                    let start = f32_at(view.bytes, at + 4);
                    apart.push(coded.apart(*product, Term { scale, start }));
                }
                Ok(())
            }
        }
    }
}

/// The codes of a segment that has them.
fn codes(view: View<'_>) -> Rows<'_> {
    Rows {
        bytes: &view.bytes[view.layout.codes.clone()],
        stride: view.layout.code_stride,
        width: view.layout.code_width,
    }
}

/// Checks the blocks of some rows of the section that begins at `start`.
#[inline]
fn check_rows(view: View, start: usize, section: &Rows, rows: &[u32]) -> Result<()> {
    if view.sums.is_done() {
        return Ok(());
    }
    let of = |row: &u32| start + section.stride * *row as usize;
    rows.iter()
        .try_for_each(|row| view.check(of(row), section.width))
}
