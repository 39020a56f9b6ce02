//! The rows that are inserted, as codes of 8 bits, and distances between them.

use rayon::prelude::*;

use crate::ask::Parameters;
use crate::codes::{Coded, Quantiser, Term, asked, stored};
use crate::error::Result;
use crate::simd::{self, Rows};
use crate::walk::Measure;

/// Rows as codes, in the order of insertion.
pub(crate) struct Codes {
    bytes: Vec<u8>,
    stride: usize,
    dim: usize,
    pub(crate) terms: Vec<Term>,
    pub(crate) quantiser: Quantiser,
}

impl Codes {
    pub(crate) fn of_rows(rows: &[f32], parameters: &Parameters, order: &[u32]) -> Codes {
        let dim = parameters.dim;
        let stride = dim.next_multiple_of(64);
        let quantiser = Quantiser::of_rows(rows, dim, parameters.distance);
        let mut bytes = vec![0; stride * order.len()];
        let places = bytes.par_chunks_exact_mut(stride).zip(order);
        let terms = places.map_init(
            || vec![0; dim],
            |code, (place, row)| {
                let term = quantiser.encode(&rows[dim * *row as usize..][..dim], code);
                place
                    .iter_mut()
                    .zip(code)
                    .for_each(|(place, code)| *place = stored(*code));
                term
            },
        );
        let terms = terms.collect();
        Codes {
            bytes,
            stride,
            dim,
            terms,
            quantiser,
        }
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            bytes: &self.bytes,
            stride: self.stride,
            width: self.dim,
        }
    }

    /// The code of a row as it is stored.
    pub(crate) fn code(&self, row: u32) -> &[u8] {
        self.rows().row(row)
    }
}

/// Distances from one of the rows.
pub(crate) struct FromRow<'a> {
    codes: &'a Codes,
    code: &'a [i8],
    coded: Coded,
    products: &'a mut Vec<i32>,
}

impl<'a> FromRow<'a> {
    /// - `code`, `products`: memory.
    pub(crate) fn new(
        codes: &'a Codes,
        row: u32,
        code: &'a mut Vec<i8>,
        products: &'a mut Vec<i32>,
    ) -> FromRow<'a> {
        code.clear();
        code.extend(codes.code(row).iter().map(|code| asked(*code)));
        let coded = codes.quantiser.coded(code, codes.terms[row as usize]);
        FromRow {
            codes,
            code,
            coded,
            products,
        }
    }
}

impl Measure for FromRow<'_> {
    fn measure(&mut self, rows: &[u32], apart: &mut Vec<f32>) -> Result<()> {
        simd::gather_codes(self.code, self.codes.rows(), rows, self.products);
        apart.clear();
        let pairs = rows.iter().zip(self.products.iter());
        apart.extend(
            pairs.map(|(row, product)| self.coded.apart(*product, self.codes.terms[*row as usize])),
        );
        Ok(())
    }
}
