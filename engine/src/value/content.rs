//! The name of an array by its content, as Datahike gives it.

use sha2::{Digest, Sha512};
use uuid::Uuid;

use super::Value;

/// What the bytes of an array of floats begin with, and those of one of doubles.
const FLOATS: u8 = 14;
const DOUBLES: u8 = 15;
/// From this many bytes on their digest stands for them.
const DIGESTED_BYTES: usize = 1024;
/// Bytes above 0 and below this are marked, for they could be taken for what others begin with.
const MARKED_BELOW: u8 = 30;

/// The UUID that hasch, Datahike's library for this, makes of an array of numbers; none of other values.
///
/// Numbers are taken big-endian, to the bit: equal arrays have one name, `0.0` and `-0.0` two.
pub fn content_uuid(array: &Value) -> Option<Uuid> {
    let (kind, bytes) = match array {
        Value::FloatArray(xs) => (FLOATS, xs.iter().flat_map(|x| x.to_be_bytes()).collect()),
        Value::DoubleArray(xs) => (DOUBLES, xs.iter().flat_map(|x| x.to_be_bytes()).collect()),
        _ => return None,
    };
    let bytes: Vec<u8> = bytes;
    let mut whole = Sha512::new().chain_update([kind]);
    if bytes.len() < DIGESTED_BYTES {
        let is_marked = |byte: &u8| (1..MARKED_BELOW).contains(byte);
        let marks: Vec<u8> = bytes.iter().map(|byte| u8::from(is_marked(byte))).collect();
        whole = whole.chain_update(&bytes).chain_update(marks);
    } else {
        whole = whole.chain_update(Sha512::digest(&bytes));
    }
    let digest = whole.finalize();
    let (high, low) = digest.split_at(8);
    let number = |bytes: &[u8]| bytes.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b));
    // Version 5, with the two highest bits of both halves as hasch has them.
    let high = (number(high) | 0x5000) & 0x3fff_ffff_ffff_5fff;
    let low = (number(low) | 1 << 63) & !(1 << 62);
    Some(Uuid::from_u64_pair(high, low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_have_the_names_that_hasch_gives() {
        let name = |array: Value| content_uuid(&array).map(|name| name.to_string());
        let floats = |xs: &[f32]| Value::FloatArray(xs.into());
        // Worked out apart from this code, by the definition of hasch.
        assert_eq!(
            name(floats(&[])).as_deref(),
            Some("3e47887b-c818-582e-a112-3a117180b1f7")
        );
        assert_eq!(
            name(floats(&[1.0, 0.0, 0.0, 0.0])).as_deref(),
            Some("1794c136-4e06-5f7d-a83d-535bce7be1cd")
        );
        let long: Vec<f32> = (0..384).map(|n| n as f32 / 8.0).collect();
        assert_eq!(
            name(floats(&long)).as_deref(),
            Some("0accbf6e-2066-5fa4-a55b-b71021564bd0")
        );
        let doubles = Value::DoubleArray([1.0, 0.5].into());
        assert_eq!(
            name(doubles).as_deref(),
            Some("177756d1-bee4-54fb-bf1f-969d147c47a8")
        );
        assert_ne!(name(floats(&[0.0])), name(floats(&[-0.0])));
        assert_eq!(name(Value::from("text")), None);
    }
}
