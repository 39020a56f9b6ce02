//! Writes bencode into a buffer. The caller writes the keys of a dictionary in byte order.

use std::io::Write;

/// Appends a string.
pub fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    string_head(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends what comes before the bytes of a string of this length.
pub fn string_head(out: &mut Vec<u8>, length_bytes: usize) {
    write!(out, "{length_bytes}:").expect("a Vec takes every write");
}

/// Appends a list of strings.
pub fn strings(out: &mut Vec<u8>, items: &[&str]) {
    out.push(b'l');
    for item in items {
        string(out, item.as_bytes());
    }
    out.push(b'e');
}

/// Appends one key of a dictionary and its value, both strings.
pub fn entry(out: &mut Vec<u8>, key: &str, value: &str) {
    string(out, key.as_bytes());
    string(out, value.as_bytes());
}
