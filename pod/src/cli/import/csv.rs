//! Comma-separated values, record by record, each with the text it was read from.
//!
//! A record is what [`csv_core`] takes for one, with one exception: where a quote that opens a field is never
//! closed as quotes are, the line it stands on is a record of its own, so that it spoils no line behind it.

use std::io::{self, Read};
use std::ops::Range;

use csv_core::ReadRecordResult;

/// Bytes asked for at a time.
const READ_BYTES: usize = 256 << 10;
/// Longest record of several lines, in bytes: where none ends by then, a quote is not closed.
const QUOTED_BYTES: usize = 1 << 20;
/// Longest record, in bytes.
const RECORD_BYTES: usize = 64 << 20;

/// The texts of a record's fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    text: String,
    ends: Vec<u32>,
}

impl Fields {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// One after the other.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let field = &self.text[start..*end as usize];
            start = *end as usize;
            field
        })
    }
}

/// A record.
pub(super) struct Record {
    /// Its first line, from 1.
    pub(super) line: u64,
    /// Its fields, or why there are none.
    pub(super) fields: Result<Fields, String>,
    /// Where its text lies, up to the next record.
    pub(super) text: Range<usize>,
}

/// The records of a text.
pub(super) struct Records {
    bytes: Box<dyn Read + Send>,
    core: csv_core::Reader,
    delimiter: u8,
    /// What was read and not yet passed, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    is_at_end: bool,
    line: u64,
    output: Vec<u8>,
    ends: Vec<usize>,
}

/// How far one attempt at a record came.
enum Attempt {
    /// A record up to here, with so many bytes and ends of fields.
    Whole(usize, usize, usize),
    /// None within as many bytes as a record may have.
    Endless,
    /// Nothing is left.
    End,
}

impl Records {
    pub(super) fn new(bytes: Box<dyn Read + Send>, delimiter: u8) -> io::Result<Records> {
        let mut records = Records {
            bytes,
            core: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            delimiter,
            buffer: Vec::new(),
            at: 0,
            is_at_end: false,
            line: 1,
            output: vec![0; 1 << 10],
            ends: vec![0; 64],
        };
        records.fill()?;
        if records.buffer.starts_with(b"\xEF\xBB\xBF") {
            records.at = 3;
        }
        Ok(records)
    }

    /// The text of the record read last.
    pub(super) fn text(&self, record: &Record) -> &[u8] {
        self.buffer[record.text.clone()].trim_ascii_end()
    }

    /// The next record; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        self.skip_empty_lines()?;
        let (end, fields) = match self.attempt()? {
            Attempt::End => return Ok(None),
            Attempt::Endless => match self.first_line_end() {
                Some(end) => (end, Err(OPEN_QUOTE.to_owned())),
                None => {
                    let message = format!("line {}: longer than {RECORD_BYTES} bytes", self.line);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            },
            Attempt::Whole(end, bytes, ends) => {
                let text = self.buffer[self.at..end].trim_ascii_end();
                let is_last = self.is_at_end && end == self.buffer.len();
                let is_suspect = is_last || text.contains(&b'\n');
                match is_suspect && !closes_quotes(text, self.delimiter) {
                    true => {
                        let end = self.first_line_end().unwrap_or(end);
                        (end, Err(OPEN_QUOTE.to_owned()))
                    }
                    false => (end, self.fields(bytes, ends)),
                }
            }
        };
        let record = Record {
            line: self.line,
            fields,
            text: self.at..end,
        };
        self.line += newlines(&self.buffer[self.at..end]);
        self.at = end;
        Ok(Some(record))
    }

    fn attempt(&mut self) -> io::Result<Attempt> {
        self.core.reset();
        let (mut read, mut written, mut ended) = (0, 0, 0);
        loop {
            let input = &self.buffer[self.at + read..];
            let (result, taken, put, ends) =
                self.core
                    .read_record(input, &mut self.output[written..], &mut self.ends[ended..]);
            (read, written, ended) = (read + taken, written + put, ended + ends);
            match result {
                ReadRecordResult::Record => {
                    return Ok(Attempt::Whole(self.at + read, written, ended));
                }
                ReadRecordResult::End => return Ok(Attempt::End),
                ReadRecordResult::OutputFull => self.output.resize(2 * self.output.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::InputEmpty if self.is_at_end => {}
                ReadRecordResult::InputEmpty => {
                    let held = self.buffer.len() - self.at;
                    let is_long = held > QUOTED_BYTES && self.first_line_end().is_some();
                    if is_long || held > RECORD_BYTES {
                        return Ok(Attempt::Endless);
                    }
                    self.fill()?;
                }
            }
        }
    }

    fn fields(&self, bytes: usize, ends: usize) -> Result<Fields, String> {
        let not_utf8 = || "the row is not UTF-8".to_owned();
        let text = std::str::from_utf8(&self.output[..bytes]).map_err(|_| not_utf8())?;
        let ends = &self.ends[..ends];
        // The bytes of a character may lie in two fields.
        if !ends.iter().all(|end| text.is_char_boundary(*end)) {
            return Err(not_utf8());
        }
        Ok(Fields {
            text: text.to_owned(),
            ends: ends.iter().map(|end| *end as u32).collect(),
        })
    }

    fn skip_empty_lines(&mut self) -> io::Result<()> {
        loop {
            match self.buffer.get(self.at) {
                Some(byte @ (b'\n' | b'\r')) => {
                    self.line += u64::from(*byte == b'\n');
                    self.at += 1;
                }
                Some(_) => return Ok(()),
                None if self.is_at_end => return Ok(()),
                None => self.fill()?,
            }
        }
    }

    /// Where the line at hand ends, if that was read.
    fn first_line_end(&self) -> Option<usize> {
        let rest = &self.buffer[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        end.map(|end| self.at + end + 1)
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let wanted = READ_BYTES as u64;
        let read = self
            .bytes
            .by_ref()
            .take(wanted)
            .read_to_end(&mut self.buffer)?;
        self.is_at_end = read == 0;
        Ok(())
    }
}

const OPEN_QUOTE: &str = "a quote is opened and not closed";

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Whether each quote that opens a field is closed before what separates fields or ends the text.
fn closes_quotes(text: &[u8], delimiter: u8) -> bool {
    let ends_field = |byte: Option<&u8>| {
        byte.is_none_or(|byte| *byte == delimiter || matches!(byte, b'\r' | b'\n'))
    };
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'"' {
            at += 1;
            loop {
                match text.get(at) {
                    None => return false,
                    Some(b'"') if text.get(at + 1) == Some(&b'"') => at += 2,
                    Some(b'"') => break,
                    Some(_) => at += 1,
                }
            }
            at += 1;
            if !ends_field(text.get(at)) {
                return false;
            }
        } else {
            at += text[at..]
                .iter()
                .position(|byte| ends_field(Some(byte)))
                .unwrap_or(text.len() - at);
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Vec<String> {
        let mut records = Records::new(Box::new(text.as_bytes()), b',').unwrap();
        let mut shown = Vec::new();
        while let Some(record) = records.next().unwrap() {
            let fields = match &record.fields {
                Ok(fields) => fields.iter().collect::<Vec<_>>().join("|"),
                Err(message) => message.clone(),
            };
            let text = String::from_utf8_lossy(records.text(&record));
            shown.push(format!("{}: {fields} <{text}>", record.line));
        }
        shown
    }

    #[test]
    fn records_have_their_lines_and_texts() {
        assert_eq!(
            read("a,b\r\n\r\n\"x\ny\",\"\"\"z\"\nlast"),
            [
                "1: a|b <a,b>",
                "3: x\ny|\"z <\"x\ny\",\"\"\"z\">",
                "5: last <last>"
            ]
        );
        assert!(read("").is_empty() && read("\n\n").is_empty());
    }

    #[test]
    fn a_quote_that_stays_open_spoils_one_line() {
        let open = "a quote is opened and not closed";
        assert_eq!(
            read("1,\"a,x\n2,\"b\",y\n3,c\"d,\"e\"\n4,\"f,z\n5,g,w\n"),
            [
                format!("1: {open} <1,\"a,x>"),
                "2: 2|b|y <2,\"b\",y>".to_owned(),
                "3: 3|c\"d|e <3,c\"d,\"e\">".to_owned(),
                format!("4: {open} <4,\"f,z>"),
                "5: 5|g|w <5,g,w>".to_owned(),
            ]
        );
    }
}
