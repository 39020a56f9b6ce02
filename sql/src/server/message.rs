//! Messages of clients.

use std::io::{self, ErrorKind, Read};

use super::refusal::{PROTOCOL, Refusal};

/// The only version that is spoken.
pub(super) const VERSION_3: i32 = 3 << 16;
const CANCEL: i32 = (1234 << 16) | 5678;
const TLS: i32 = (1234 << 16) | 5679;
const GSS: i32 = (1234 << 16) | 5680;

/// How a client begins.
pub(super) enum Opening {
    /// It would rather talk in secret.
    Encryption,
    /// It wants what another connection does to end.
    Cancel { process: i32, secret: i32 },
    /// It wants to ask something, in a version 3 of the protocol.
    Connect {
        version: i32,
        /// Names and values.
        settings: Vec<(String, String)>,
    },
}

/// Reads how a client begins.
///
/// Errors: `InvalidData` for what is no such message.
pub(super) fn opening(stream: &mut impl Read, bytes_max: usize) -> io::Result<Opening> {
    let body = body(stream, bytes_max)?;
    let opening = opening_of(Parts(&body));
    opening.map_err(|refusal| io::Error::new(ErrorKind::InvalidData, refusal.message))
}

fn opening_of(mut parts: Parts<'_>) -> Result<Opening, Refusal> {
    match parts.int()? {
        TLS | GSS => Ok(Opening::Encryption),
        CANCEL => Ok(Opening::Cancel {
            process: parts.int()?,
            secret: parts.int()?,
        }),
        version if version >> 16 == VERSION_3 >> 16 => {
            let mut settings = Vec::new();
            while parts.0.first().is_some_and(|first| *first != 0) {
                settings.push((parts.text()?.to_owned(), parts.text()?.to_owned()));
            }
            Ok(Opening::Connect { version, settings })
        }
        _ => Err(malformed()),
    }
}

/// Reads a message: its tag and its body.
///
/// Errors: `InvalidData` for one that is longer than allowed.
pub(super) fn next(stream: &mut impl Read, bytes_max: usize) -> io::Result<(u8, Vec<u8>)> {
    let mut tag = [0];
    stream.read_exact(&mut tag)?;
    Ok((tag[0], body(stream, bytes_max)?))
}

/// The bytes after a length; memory grows with what arrives, not with what is announced.
fn body(stream: &mut impl Read, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = i32::from_be_bytes(length);
    let wanted = usize::try_from(length).ok().and_then(|n| n.checked_sub(4));
    let wanted = wanted.filter(|wanted| *wanted <= bytes_max);
    let wanted = wanted.ok_or_else(|| {
        let message = format!("a message of {length} bytes: at most {bytes_max} are taken");
        io::Error::new(ErrorKind::InvalidData, message)
    })?;
    let mut body = Vec::new();
    if stream.take(wanted as u64).read_to_end(&mut body)? < wanted {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(body)
}

fn malformed() -> Refusal {
    Refusal::new(PROTOCOL, "a message is not of the form that its kind has")
}

/// What is left of a message.
pub(super) struct Parts<'m>(pub(super) &'m [u8]);

impl<'m> Parts<'m> {
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'m [u8], Refusal> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        self.bytes(N)?.try_into().map_err(|_| malformed())
    }

    pub(super) fn byte(&mut self) -> Result<u8, Refusal> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn short(&mut self) -> Result<i16, Refusal> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn int(&mut self) -> Result<i32, Refusal> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn long(&mut self) -> Result<i64, Refusal> {
        self.array().map(i64::from_be_bytes)
    }

    /// How many of something follow.
    pub(super) fn count(&mut self) -> Result<usize, Refusal> {
        self.array().map(u16::from_be_bytes).map(usize::from)
    }

    /// Bytes with their length before them; none for NULL.
    pub(super) fn sized(&mut self) -> Result<Option<&'m [u8]>, Refusal> {
        match self.int()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| malformed())?;
                self.bytes(length).map(Some)
            }
        }
    }

    /// A text that ends with a zero byte.
    pub(super) fn text(&mut self) -> Result<&'m str, Refusal> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let text = self.bytes(end.ok_or_else(malformed)?)?;
        self.byte()?;
        utf8(text)
    }
}

/// Bytes as text.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Refusal> {
    let wrong = |_| Refusal::new("22021", "a text is not UTF-8");
    std::str::from_utf8(bytes).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bounded_and_kept() {
        let message = |length: i32| [b"Q".as_slice(), &length.to_be_bytes(), b"abc\0"].concat();
        let (tag, body) = next(&mut message(8).as_slice(), 4).unwrap();
        assert_eq!((tag, body.as_slice()), (b'Q', b"abc\0".as_slice()));
        for (length, kind) in [
            (9, ErrorKind::InvalidData),
            (-1, ErrorKind::InvalidData),
            (3, ErrorKind::InvalidData),
        ] {
            let error = next(&mut message(length).as_slice(), 4).unwrap_err();
            assert_eq!(error.kind(), kind);
        }
        let error = next(&mut message(1 << 20).as_slice(), 1 << 30).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn parts_end_where_the_message_ends() {
        let mut parts = Parts(b"ab\0\0\x05x");
        assert_eq!(parts.text().unwrap(), "ab");
        assert_eq!(parts.count().unwrap(), 5);
        assert!(parts.int().is_err());
        assert!(parts.text().is_err());
    }
}
