//! transit+json both ways: what is written reads back, and no text does harm.

use datalith::transit;
use datalith_tests::edn_corpus::{self, Random, canonical};

#[test]
fn what_is_written_reads_back() {
    let mut random = Random::new(1);
    for _ in 0..20_000 {
        let value = edn_corpus::value(&mut random, 5);
        let text = transit::write(&value);
        let again =
            transit::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(canonical(&again), canonical(&value), "{text}");
    }
}

#[test]
fn changed_texts_are_read_or_refused() {
    let mut random = Random::new(2);
    for _ in 0..30_000 {
        let mut bytes = transit::write(&edn_corpus::value(&mut random, 3)).into_bytes();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] = random.pick(b"\"\\[]{},:~^# 0a\xff");
        }
        if let Err(error) = transit::read(&bytes) {
            let span = error.span().unwrap_or_else(|| panic!("{error}: {bytes:?}"));
            assert!(span.start <= span.end && span.end <= bytes.len(), "{error}");
        }
    }
}
