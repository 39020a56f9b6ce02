//! Many messages, each a little broken: nothing panics, nothing hangs, nothing is read past its end.

use datalith::bencode::cursor::Cursor;
use datalith::bencode::frame::{self, Frame};
use datalith::wire::request;
use serde_bencode::value::Value as Bencode;

use crate::client::{self, invoke, message};

/// A small generator with a fixed seed (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    /// A message with a few bytes changed, dropped, doubled or swapped for ones that mean something.
    fn mutated(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len().max(1));
            match self.below(5) {
                0 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => bytes.insert(at.min(bytes.len()), b"ilde0123456789:-"[self.below(16)]),
                3 => bytes.truncate(at),
                _ => {
                    let tail = bytes[at.min(bytes.len())..].to_vec();
                    bytes.extend(tail);
                }
            }
        }
        bytes
    }
}

fn seeds() -> Vec<Vec<u8>> {
    vec![
        message(&[("id", "1"), ("op", "describe")]),
        invoke(
            "2",
            "datahike.pod/q",
            "([:find ?e :where [?e :name \"x\"]] \"db\")",
        ),
        b"d2:id1:a2:op8:shutdown5:otherld1:ai-12eee1:z0:ee".to_vec(),
        b"lli1ei2eed1:a1:bee".to_vec(),
    ]
}

#[test]
fn frames_and_requests_bear_any_bytes() {
    let seeds = seeds();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..200_000 {
        let bytes = dice.mutated(&seeds);
        let mut rest = bytes.as_slice();
        while let Ok(Frame::Item(item)) = frame::read(&mut rest, 1 << 10) {
            let mut cursor = Cursor::new(&item);
            if cursor.skip().is_ok() {
                assert_eq!(cursor.position(), item.len(), "{}", item.escape_ascii());
                let second = serde_bencode::from_bytes::<Bencode>(&item);
                assert!(second.is_ok(), "{}", item.escape_ascii());
            }
            match request::parse(item) {
                Ok(request) => drop((request.name().len(), request.args().len())),
                Err(bad) => assert!(!bad.id.bencoded().is_empty()),
            }
        }
    }
}

#[test]
fn a_pod_answers_every_frame_it_can_follow() {
    let seeds = seeds();
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut pod = client::start();
    let mut sent = 0;
    while sent < 5_000 {
        let bytes = dice.mutated(&seeds);
        let framed = matches!(frame::read(&mut bytes.as_slice(), 1 << 10),
            Ok(Frame::Item(item)) if item.len() == bytes.len());
        let ends = String::from_utf8_lossy(&bytes).contains("8:shutdown");
        if framed && !ends {
            pod.send(&bytes);
            sent += 1;
        }
    }
    for _ in 0..sent {
        pod.reply();
    }
    pod.shut_down();
}
