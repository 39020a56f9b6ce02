//! Answers that need no cell to run: what the kernel is, what may stand at a place, whether a cell is whole.

use jupyter_protocol::{
    CodeMirrorMode, CompleteReply, CompleteRequest, HelpLink, InspectReply, InspectRequest,
    IsCompleteReply, IsCompleteRequest, KernelInfoReply, LanguageInfo, Media, MediaType,
    ReplyStatus,
};
use serde_json::json;

use crate::completion::{self, Candidate};
use crate::host::Host;
use crate::piece::{self, Standing};

/// The version of the protocol.
const PROTOCOL: &str = "5.3";
/// What a line within brackets begins with.
const INDENT: &str = "    ";

/// What the kernel is.
pub(super) fn about_kernel() -> KernelInfoReply {
    let version = env!("CARGO_PKG_VERSION");
    KernelInfoReply {
        status: ReplyStatus::Ok,
        protocol_version: PROTOCOL.to_owned(),
        implementation: "datalith".to_owned(),
        implementation_version: version.to_owned(),
        language_info: LanguageInfo {
            name: "rhai".to_owned(),
            version: version.to_owned(),
            mimetype: Some("text/x-swift".to_owned()),
            file_extension: Some(".rhai".to_owned()),
            pygments_lexer: Some("rust".to_owned()),
            codemirror_mode: Some(CodeMirrorMode::Simple("swift".to_owned())),
            nbconvert_exporter: None,
        },
        banner: format!("Datalith {version}: rhai and Datalog"),
        help_links: vec![HelpLink {
            text: "The Rhai Book".to_owned(),
            url: "https://rhai.rs/book/".to_owned(),
        }],
        debugger: false,
        error: None,
    }
}

/// What may stand at a place of a cell.
pub(super) fn complete(host: &Host, request: &CompleteRequest) -> CompleteReply {
    let at = byte_of(&request.code, request.cursor_pos);
    let found = completion::complete(host, &request.code, at);
    let start = request.code[..found.start].chars().count();
    let kinds: Vec<_> = found
        .items
        .iter()
        .map(|item| {
            json!({"text": item.text, "type": kind(item), "signature": item.note,
                   "start": start, "end": request.cursor_pos})
        })
        .collect();
    let metadata = [("_jupyter_types_experimental".to_owned(), kinds.into())];
    CompleteReply {
        matches: found.items.into_iter().map(|item| item.text).collect(),
        cursor_start: start,
        cursor_end: request.cursor_pos,
        metadata: metadata.into_iter().collect(),
        status: ReplyStatus::Ok,
        error: None,
    }
}

fn kind(item: &Candidate) -> &'static str {
    if item.text.starts_with(':') {
        "attribute"
    } else if item.note.contains('(') {
        "function"
    } else if item.note.is_empty() {
        "keyword"
    } else {
        "variable"
    }
}

/// What is known of the name at a place, or of the function whose arguments stand there.
pub(super) fn inspect(host: &Host, request: &InspectRequest) -> InspectReply {
    let text = &request.code;
    let at = byte_of(text, request.cursor_pos);
    let known = completion::inspect(host, text, at)
        .or_else(|| completion::inspect(host, text, call_around(&text[..at])?));
    let media = known.map(|text| Media::new(vec![MediaType::Plain(text)]));
    InspectReply {
        found: media.is_some(),
        data: media.unwrap_or_default(),
        ..InspectReply::default()
    }
}

/// Where the name of the function ends whose arguments a text breaks off in.
fn call_around(before: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in before.char_indices().rev() {
        match c {
            ')' => depth += 1,
            '(' if depth == 0 => return Some(before[..at].trim_end().len()),
            '(' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Whether a cell is whole.
pub(super) fn is_complete(host: &Host, request: &IsCompleteRequest) -> IsCompleteReply {
    match piece::standing(host, &request.code) {
        Standing::Whole => IsCompleteReply::complete(),
        Standing::Open => IsCompleteReply::incomplete(INDENT.to_owned()),
        Standing::Wrong => IsCompleteReply::invalid(),
    }
}

/// The byte at which a number of characters end.
fn byte_of(text: &str, characters: usize) -> usize {
    text.char_indices()
        .nth(characters)
        .map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, Sink, shown::Shown};
    use std::sync::Arc;

    struct Nobody;

    impl Sink for Nobody {
        fn print(&self, _: &str) {}
        fn show(&self, _: &Shown) {}
    }

    #[test]
    fn places_are_counted_in_characters() {
        let host = Host::new(&Settings::default(), Arc::new(Nobody));
        let code = "let é = \"ü\"; read_c".to_owned();
        let cursor_pos = code.chars().count();
        let found = complete(&host, &CompleteRequest { code, cursor_pos });
        assert_eq!(found.matches, ["read_csv"]);
        assert_eq!((found.cursor_start, found.cursor_end), (13, 19));
    }

    #[test]
    fn the_function_around_a_place_is_explained() {
        let host = Host::new(&Settings::default(), Arc::new(Nobody));
        let known = |code: &str| {
            let request = InspectRequest {
                code: code.to_owned(),
                cursor_pos: code.chars().count(),
                detail_level: None,
            };
            inspect(&host, &request).found
        };
        assert!(known("read_csv"));
        assert!(known("read_csv(f(1), "));
        assert!(!known("frobnicate("));
    }
}
