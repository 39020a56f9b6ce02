//! Passwords, by SCRAM-SHA-256: neither side sends one.
//!
//! Source: RFC 5802, RFC 7677.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datalith_engine::{Code, Error};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{hmac, pbkdf2};

use super::message::Parts;
use super::refusal::{PROTOCOL, Refusal};

/// The only mechanism.
pub(super) const MECHANISM: &str = "SCRAM-SHA-256";
/// Rounds of hashing, as PostgreSQL does them.
const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).expect("is not zero");

/// What is kept of a password.
pub(super) struct Verifier {
    salt: [u8; 16],
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

/// A client that was given a challenge.
pub(super) struct Challenge<'v> {
    verifier: &'v Verifier,
    /// What goes to the client.
    pub(super) text: String,
    /// What both sides sign, as far as it is known.
    signed: String,
    header: String,
    nonce: String,
}

impl Verifier {
    /// Errors: [`Code::ConfigInvalid`] for a password that clients would write in several ways.
    pub(super) fn new(password: &str) -> Result<Verifier, Error> {
        let is_plain = !password.is_empty() && password.chars().all(|c| matches!(c, ' '..='~'));
        if !is_plain {
            let message = "a password is of printable ASCII characters, at least one";
            return Err(Error::new(Code::ConfigInvalid, message));
        }
        let salt = random()?;
        let mut salted = [0; 32];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            ROUNDS,
            &salt,
            password.as_bytes(),
            &mut salted,
        );
        let client_key = sign(&salted, b"Client Key");
        Ok(Verifier {
            salt,
            stored_key: digest(&SHA256, &client_key).as_ref().to_vec(),
            server_key: sign(&salted, b"Server Key"),
        })
    }

    /// Answers the first message of a client.
    ///
    /// Errors: 08P01.
    pub(super) fn challenge(&self, body: &[u8]) -> Result<Challenge<'_>, Refusal> {
        let mut parts = Parts(body);
        let mechanism = parts.text()?;
        let first = parts.sized()?.unwrap_or_default();
        let first = std::str::from_utf8(first).map_err(|_| malformed())?;
        let is_binding = |flag: &&str| matches!(*flag, "n" | "y");
        let mut fields = first.splitn(3, ',');
        let flag = fields.next().filter(is_binding).ok_or_else(malformed)?;
        let identity = fields.next().ok_or_else(malformed)?;
        let bare = fields.next().ok_or_else(malformed)?;
        let nonce = bare.split(',').find_map(|field| field.strip_prefix("r="));
        let nonce = nonce.filter(|_| mechanism == MECHANISM);
        let ours = STANDARD.encode(random::<18>()?);
        let nonce = format!("{}{ours}", nonce.ok_or_else(malformed)?);
        let salt = STANDARD.encode(self.salt);
        let text = format!("r={nonce},s={salt},i={ROUNDS}");
        Ok(Challenge {
            verifier: self,
            signed: format!("{bare},{text}"),
            text,
            header: STANDARD.encode(format!("{flag},{identity},")),
            nonce,
        })
    }
}

impl Challenge<'_> {
    /// Checks the proof of a client: what proves to it that the server knows the password too.
    ///
    /// Errors: 08P01, 28P01 for a wrong password.
    pub(super) fn answer(&self, body: &[u8]) -> Result<String, Refusal> {
        let text = std::str::from_utf8(body).map_err(|_| malformed())?;
        let (unproved, proof) = text.rsplit_once(",p=").ok_or_else(malformed)?;
        let is_ours = unproved == format!("c={},r={}", self.header, self.nonce);
        let proof = STANDARD.decode(proof).map_err(|_| malformed())?;
        let signed = format!("{},{unproved}", self.signed);
        let signature = sign(&self.verifier.stored_key, signed.as_bytes());
        let client_key = proof.iter().zip(&signature).map(|(a, b)| a ^ b);
        let client_key: Vec<u8> = client_key.collect();
        let is_known = digest(&SHA256, &client_key).as_ref() == self.verifier.stored_key;
        if !is_ours || !is_known || proof.len() != signature.len() {
            return Err(Refusal::new("28P01", "the password is wrong"));
        }
        let server = sign(&self.verifier.server_key, signed.as_bytes());
        Ok(format!("v={}", STANDARD.encode(server)))
    }
}

fn malformed() -> Refusal {
    Refusal::new(PROTOCOL, "this is no answer of SCRAM-SHA-256")
}

fn sign(key: &[u8], text: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text).as_ref().to_vec()
}

/// Bytes that nobody foresees.
///
/// Errors: [`Code::Storage`] where the system gives none.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::new(Code::Storage, "The system gives no random bytes"))?;
    Ok(bytes)
}
