//! The rows of an answer on their way to a client.

use datafusion::arrow::array::{ArrayRef, RecordBatch};

use super::binary;
use super::column::{Column, Form, columns};
use super::refusal::{Failure, LIMIT, Refusal};
use super::reply::Replies;
use super::scalar::Scalar;

use crate::session::Answer;

/// An answer, as far as it is sent.
pub(super) struct Rows {
    pub(super) columns: Vec<Column>,
    answer: Answer,
    /// The batch of which rows are being sent, and the first that is not.
    batch: Option<(RecordBatch, usize)>,
}

/// Whether rows are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    Perhaps,
}

impl Rows {
    pub(super) fn new(answer: Answer, forms: &[Form]) -> Result<Rows, Refusal> {
        let columns = columns(answer.schema(), forms);
        if u16::try_from(columns.len()).is_err() {
            return Err(Refusal::new(
                "54011",
                "a row has more columns than can be sent",
            ));
        }
        Ok(Rows {
            columns,
            answer,
            batch: None,
        })
    }

    /// Sends rows: all, or at most so many; how many they were, and whether there may be more.
    pub(super) fn send(
        &mut self,
        replies: &mut Replies,
        most: Option<usize>,
    ) -> Result<(usize, Left), Failure> {
        let mut sent = 0;
        loop {
            let (batch, from) = match self.batch.take() {
                Some(batch) => batch,
                None => match self.answer.next() {
                    None => return Ok((sent, Left::Nothing)),
                    Some(batch) => (batch?, 0),
                },
            };
            for row in from..batch.num_rows() {
                if most.is_some_and(|most| sent >= most) {
                    self.batch = Some((batch, row));
                    return Ok((sent, Left::Perhaps));
                }
                put(&self.columns, &batch, row, replies)?;
                replies.send_much()?;
                sent += 1;
            }
        }
    }
}

/// Appends a row; none of it if a cell cannot be sent.
fn put(
    columns: &[Column],
    batch: &RecordBatch,
    row: usize,
    replies: &mut Replies,
) -> Result<(), Refusal> {
    let start = replies.bytes().len();
    let mut written = Ok(());
    replies.put(b'D', |out| {
        out.extend((columns.len() as u16).to_be_bytes());
        let mut cells = columns.iter().zip(batch.columns());
        let cell = |(column, array): (&Column, &ArrayRef)| {
            binary::cell(&Scalar::of(array.as_ref(), row)?, column.form, out)
        };
        written = cells.try_for_each(cell);
    });
    let bytes = replies.bytes();
    if written.is_ok() && i32::try_from(bytes.len() - start).is_err() {
        written = Err(Refusal::new(LIMIT, "a row is longer than can be sent"));
    }
    if written.is_err() {
        bytes.truncate(start);
    }
    written
}
