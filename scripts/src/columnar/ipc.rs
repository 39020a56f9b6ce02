//! Arrow's messages: a stream is one after the other; a file is such a stream between two marks.
//!
//! Lengths are checked before anything of that length is made: Arrow's own reader asks for the memory first.

use std::io::Read;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_schema_from_ipc_buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::{Message, root_as_message};
use arrow_schema::{ArrowError, Schema, SchemaRef};

use super::guard::damaged;

/// The mark at both ends of a file, and the mark before each message.
const FILE_MARK: &[u8] = b"ARROW1";
const MESSAGE_MARK: [u8; 4] = [0xFF; 4];
/// The file's mark is padded to so many bytes at least, and so many more at most.
const FILE_MARK_BYTES: usize = 8;
const PADDING_BYTES: usize = 128;
/// Longest description of a message, and longest message, packed or not, in bytes.
const DESCRIPTION_BYTES: u64 = 64 << 20;
const BODY_BYTES: u64 = 2 << 30;
/// Bytes that a packed buffer has before it: how long it is unpacked.
const PREFIX_BYTES: usize = 8;

/// The batches of a stream or a file.
pub(super) struct Messages {
    bytes: Box<dyn Read + Send>,
    /// The word before the next message, where it was read already.
    ahead: Option<[u8; 4]>,
    decoder: StreamDecoder,
    /// Whether it is a file: there the end is always said.
    is_file: bool,
    is_done: bool,
}

impl Messages {
    /// Reads up to the schema.
    pub(super) fn open(
        mut bytes: Box<dyn Read + Send>,
    ) -> Result<(Messages, SchemaRef), ArrowError> {
        let mut first = [0; 4];
        bytes.read_exact(&mut first)?;
        let mut ahead = Some(first);
        if FILE_MARK.starts_with(&first) {
            let mut rest = [0; FILE_MARK_BYTES - 4];
            bytes.read_exact(&mut rest)?;
            if !rest.starts_with(&FILE_MARK[4..]) {
                return Err(damaged(
                    "it begins like an Arrow file and goes on otherwise",
                ));
            }
            ahead = None;
        }
        let is_file = ahead.is_none();
        let mut messages = Messages {
            bytes,
            ahead,
            decoder: StreamDecoder::new(),
            is_file,
            is_done: false,
        };
        if is_file {
            messages.skip_padding()?;
        }
        let Some(description) = messages.description()? else {
            return Err(damaged("it ends before it says what it holds"));
        };
        let schema: Schema = try_schema_from_ipc_buffer(&framed(&description))?;
        messages.feed(&description, Vec::new())?;
        Ok((messages, schema.into()))
    }

    /// Passes over the zeros behind a file's mark: writers align by 8 bytes, or by more.
    fn skip_padding(&mut self) -> Result<(), ArrowError> {
        for _ in 0..PADDING_BYTES / 4 {
            self.ahead = self.word()?;
            if self.ahead != Some([0; 4]) {
                break;
            }
        }
        Ok(())
    }

    /// The next batch; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        while !self.is_done {
            let batch = match self.description()? {
                Some(description) => {
                    let body = self.body(&description)?;
                    self.feed(&description, body)?
                }
                None => {
                    self.is_done = true;
                    // What has no columns has no body, and is given only once something follows it.
                    let mut end = Buffer::from(&[0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]);
                    self.decoder.decode(&mut end)?
                }
            };
            if batch.is_some() {
                return Ok(batch);
            }
        }
        Ok(None)
    }

    fn feed(
        &mut self,
        description: &[u8],
        body: Vec<u8>,
    ) -> Result<Option<RecordBatch>, ArrowError> {
        let mut found = None;
        for part in [
            Buffer::from_vec(framed(description)),
            Buffer::from_vec(body),
        ] {
            let mut part = part;
            while !part.is_empty() {
                found = self.decoder.decode(&mut part)?.or(found);
            }
        }
        Ok(found)
    }

    /// What the next message is said to be; none at the end.
    fn description(&mut self) -> Result<Option<Vec<u8>>, ArrowError> {
        let mut word = match self.ahead.take() {
            Some(word) => word,
            None => match self.word()? {
                Some(word) => word,
                // A stream may end without saying so.
                None if !self.is_file => return Ok(None),
                None => return Err(damaged("it ends before its end")),
            },
        };
        // Streams of old have the length alone.
        if word == MESSAGE_MARK {
            word = self
                .word()?
                .ok_or_else(|| damaged("it ends within a message"))?;
        }
        let len = u64::from(u32::from_le_bytes(word));
        if len == 0 {
            return Ok(None);
        }
        if len > DESCRIPTION_BYTES {
            return Err(damaged("a message is longer than any may be"));
        }
        self.exactly(len).map(Some)
    }

    fn body(&mut self, description: &[u8]) -> Result<Vec<u8>, ArrowError> {
        let message = root_as_message(description).map_err(|cause| damaged(&cause.to_string()))?;
        let len = u64::try_from(message.bodyLength()).unwrap_or(u64::MAX);
        if len > BODY_BYTES {
            return Err(damaged("a message is longer than any may be"));
        }
        let body = self.exactly(len)?;
        check_unpacked(&message, &body)?;
        Ok(body)
    }

    /// So many bytes; memory grows with what is really there.
    fn exactly(&mut self, len: u64) -> Result<Vec<u8>, ArrowError> {
        let mut bytes = Vec::new();
        self.bytes.by_ref().take(len).read_to_end(&mut bytes)?;
        match bytes.len() as u64 == len {
            true => Ok(bytes),
            false => Err(damaged("it ends within a message")),
        }
    }

    fn word(&mut self) -> Result<Option<[u8; 4]>, ArrowError> {
        let mut word = Vec::with_capacity(4);
        self.bytes.by_ref().take(4).read_to_end(&mut word)?;
        match word.len() {
            0 => Ok(None),
            _ => {
                let whole = word.try_into().map(Some);
                whole.map_err(|_| damaged("it ends within a message"))
            }
        }
    }
}

/// A description with the mark and the length before it.
fn framed(description: &[u8]) -> Vec<u8> {
    let len = (description.len() as u32).to_le_bytes();
    [&MESSAGE_MARK[..], &len, description].concat()
}

/// Refuses packed buffers that say they are longer than they may be.
fn check_unpacked(message: &Message<'_>, body: &[u8]) -> Result<(), ArrowError> {
    let dictionary = message.header_as_dictionary_batch();
    let batch = dictionary.and_then(|dictionary| dictionary.data());
    let Some(batch) = message.header_as_record_batch().or(batch) else {
        return Ok(());
    };
    if batch.compression().is_none() {
        return Ok(());
    }
    let mut unpacked = 0u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let start = usize::try_from(buffer.offset()).unwrap_or(usize::MAX);
        let prefix = body.get(start..start.saturating_add(PREFIX_BYTES));
        let prefix = prefix.and_then(|prefix| prefix.try_into().ok());
        let len = prefix.map_or(0, i64::from_le_bytes);
        unpacked = unpacked.saturating_add(u64::try_from(len).unwrap_or(0));
    }
    match unpacked <= BODY_BYTES {
        true => Ok(()),
        false => Err(damaged("a message is longer than any may be")),
    }
}
