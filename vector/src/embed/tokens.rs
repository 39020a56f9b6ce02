//! Texts to word pieces, by the tokenizer that the model brought along.

use tokenizers::{Tokenizer, TruncationParams};

use super::directory::{Settings, Shape};
use super::error::{Code, Error};

/// A tokenizer whose every answer the model's tables can be asked with.
pub(crate) struct Pieces {
    tokenizer: Tokenizer,
    vocabulary: usize,
    lowercase: bool,
    prompt: String,
}

impl Pieces {
    /// Reads `tokenizer.json`; what it says of padding and of cutting is replaced.
    pub(crate) fn read(json: &[u8], shape: &Shape, settings: &Settings) -> Result<Pieces, Error> {
        let refused = |why: String| {
            let message = format!("tokenizer.json cannot be used: {why}");
            Error::of(Code::Model, message)
        };
        let mut tokenizer =
            Tokenizer::from_bytes(json).map_err(|error| refused(error.to_string()))?;
        let around = tokenizer.get_post_processor().map_or(0, |added| {
            tokenizers::PostProcessor::added_tokens(added, false)
        });
        if settings.tokens_max <= around {
            return Err(refused(format!(
                "at most {} word pieces are allowed, {around} of them stand around the text",
                settings.tokens_max
            )));
        }
        tokenizer.with_padding(None);
        let cut = TruncationParams {
            max_length: settings.tokens_max,
            ..TruncationParams::default()
        };
        tokenizer
            .with_truncation(Some(cut))
            .map_err(|error| refused(error.to_string()))?;
        Ok(Pieces {
            tokenizer,
            vocabulary: shape.vocabulary,
            lowercase: settings.lowercase,
            prompt: settings.prompt.clone(),
        })
    }

    /// The word pieces of a text, `[CLS]` and the like included, each below the vocabulary's size
    /// and no more than `tokens_max`. Cost: linear in the whole text, also where it is cut.
    pub(crate) fn split(&self, text: &str) -> Result<Vec<u32>, Error> {
        let encoded = match (self.lowercase, self.prompt.is_empty()) {
            (false, true) => self.tokenizer.encode_fast(text, true),
            (false, false) => self
                .tokenizer
                .encode_fast(format!("{}{text}", self.prompt), true),
            (true, _) => {
                let text = format!("{}{text}", self.prompt).to_lowercase();
                self.tokenizer.encode_fast(text, true)
            }
        };
        let encoded = encoded.map_err(|error| {
            Error::of(Code::Text, format!("the tokenizer refuses a text: {error}"))
        })?;
        let pieces = encoded.get_ids();
        match pieces
            .iter()
            .find(|piece| **piece as usize >= self.vocabulary)
        {
            None => Ok(pieces.to_vec()),
            Some(piece) => {
                let message = format!(
                    "tokenizer.json knows the word piece {piece}, the model only those below {}",
                    self.vocabulary
                );
                Err(Error::of(Code::Model, message))
            }
        }
    }
}
