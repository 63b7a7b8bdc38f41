//! `If-None-Match` (RFC 9110 §13.1.2), compared weakly (§8.8.3.2): which answers a client has already.
//!
//! What is not an entity tag is passed over: it can only fail to match. Nothing is copied, and one pass
//! over the bytes, of which the server takes a bounded number, finds everything.

use axum::http::{HeaderMap, header};

/// The tags of a request.
#[derive(Clone, Copy, Debug)]
pub struct IfNoneMatch<'a>(&'a HeaderMap);

impl<'a> IfNoneMatch<'a> {
    /// Those of these headers.
    #[must_use]
    pub const fn of(headers: &'a HeaderMap) -> Self {
        Self(headers)
    }

    /// Whether the client has an answer with this opaque tag, or (`*`) any answer at all.
    #[must_use]
    pub fn matches(&self, tag: &str) -> bool {
        let any = self.values().any(|value| value.trim_ascii() == b"*");
        any || self.tags().any(|given| given == tag.as_bytes())
    }

    /// Whether the client names this very tag.
    #[must_use]
    pub fn names(&self, tag: &str) -> bool {
        self.tags().any(|given| given == tag.as_bytes())
    }

    /// The opaque parts of all tags, weak or not.
    pub fn tags(&self) -> impl Iterator<Item = &'a [u8]> {
        self.values().flat_map(|value| Tags { rest: value })
    }

    fn values(&self) -> impl Iterator<Item = &'a [u8]> {
        self.0.get_all(header::IF_NONE_MATCH).iter().map(|value| value.as_bytes())
    }
}

/// The opaque tags of one list.
struct Tags<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let member = self.rest.trim_ascii_start();
            if let Some((tag, rest)) = quoted(member.strip_prefix(b"W/").unwrap_or(member)) {
                self.rest = rest;
                return Some(tag);
            }
            // An empty member or junk: on behind the next comma.
            let comma = member.iter().position(|byte| *byte == b',');
            self.rest = comma.map_or(&[][..], |at| &member[at + 1..]);
        }
        None
    }
}

/// What lies between the quotes that `bytes` begins with, and what comes behind them.
fn quoted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = bytes.strip_prefix(b"\"")?;
    let end = inner.iter().position(|byte| *byte == b'"')?;
    Some((&inner[..end], &inner[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let value = |bytes: &&[u8]| HeaderValue::from_bytes(bytes).unwrap();
        values.iter().map(|bytes| (header::IF_NONE_MATCH, value(bytes))).collect()
    }

    #[test]
    fn lists_weak_tags_and_several_lines_are_read() {
        for values in [
            &[&b"\"a\""[..]][..],
            &[b"W/\"a\""],
            &[b"\"b\", W/\"a\""],
            &[b"\"b\",\"c,d\",\"a\""],
            &[b",, \t\"a\" ,"],
            &[b"\"b\"", b"\"a\""],
            &[b"\"\xfc\", \"a\""],
            &[b"junk, \"a\""],
            &[b"\"b\" \"a\""],
        ] {
            assert!(IfNoneMatch::of(&headers(values)).matches("a"), "{values:?}");
            assert!(IfNoneMatch::of(&headers(values)).names("a"), "{values:?}");
        }
    }

    #[test]
    fn what_is_no_such_tag_does_not_match() {
        for values in [
            &[][..],
            &[&b""[..]],
            &[b"a"],
            &[b"\"a"],
            &[b"'a'"],
            &[b"\"A\""],
            &[b"w/\"x\", w/a"],
            &[b"\"a,\""],
            &[b"\"*\""],
            &[b"\"\xff\xfe\""],
            &[b","],
        ] {
            assert!(!IfNoneMatch::of(&headers(values)).matches("a"), "{values:?}");
        }
    }

    #[test]
    fn a_star_is_any_answer_but_names_none() {
        let star = headers(&[b" * "]);
        assert!(IfNoneMatch::of(&star).matches("a"));
        assert!(!IfNoneMatch::of(&star).names("a"));
    }

    #[test]
    fn thousands_of_tags_are_one_pass() {
        let mut list = "\"x\",".repeat(10_000);
        list.push_str("\"a\"");
        assert!(IfNoneMatch::of(&headers(&[list.as_bytes()])).matches("a"));
    }
}
