//! What was asked, whichever way it was written, and the entity tags that answers to it carry.
//!
//! A tag names the question and what the answer depended on besides, so equal tags mean equal answers
//! without anybody comparing bodies. Tags are weak: the same answer is sent compressed and plain.

use rota_schedule::{AssignmentId, Cursor, Entry, ProcessId};
use rota_wire::ReadQuery;
use sha2::{Digest as _, Sha256};

/// To be raised whenever the same entries are written another way: every older tag then means nothing.
const FORMAT_VERSION: u8 = 1;
/// Bytes of a question's hash that its tags show: enough that no two questions ever share them.
const SHOWN_BYTES: usize = 16;

/// What an answer depends on besides its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depends {
    /// Nothing: it can never be another one.
    Never,
    /// How long the schedule was: its newest nonce.
    OnHead(u64),
    /// Which entry was found, and whether the bytes of its message were there.
    OnEntry(AssignmentId, bool),
}

impl Depends {
    /// An answer that shows `entry` now and may show another one later.
    pub(crate) const fn on(entry: &Entry) -> Self {
        Self::OnEntry(entry.assignment_id, entry.message.is_some())
    }
}

/// A question: the route and everything of its query that the answer depends on.
#[derive(Clone, Debug)]
pub(crate) struct Question(String);

impl Question {
    /// `GET /{id}`, answered in JSON.
    pub(crate) fn find(id: [u8; 32], query: &ReadQuery) -> Self {
        let bounds = &query.page.bounds;
        Self::of("find", id)
            .process(query.process)
            .number(bounds.after_nonce)
            .number(bounds.to_nonce)
            .number(bounds.after_time)
            .number(bounds.to_time)
            .number(Some(query.page.limit.into()))
            .number(Some(query.page.bytes_max as u64))
            .flag(query.page.cursor == Cursor::Nonce)
            .flag(query.show_anchor)
            .finish()
    }

    /// `GET /{id}`, answered with a bundle.
    pub(crate) fn bundle(id: [u8; 32], process: Option<ProcessId>) -> Self {
        Self::of("bundle", id).process(process).finish()
    }

    /// `GET /{id}/latest`.
    pub(crate) fn latest(id: [u8; 32], show_anchor: bool) -> Self {
        Self::of("latest", id).flag(show_anchor).finish()
    }

    /// `GET /processes/{id}`.
    pub(crate) fn process(id: [u8; 32]) -> Self {
        Self::of("processes", id).finish()
    }

    /// `GET /raw/{id}`.
    pub(crate) fn raw(id: [u8; 32]) -> Self {
        Self::of("raw", id).finish()
    }

    fn of(route: &str, id: [u8; 32]) -> Canonical {
        Canonical(Sha256::new())
            .bytes(&[FORMAT_VERSION])
            .bytes(route.as_bytes())
            .bytes(&[0])
            .bytes(&id)
    }

    /// The opaque part of the tag of an answer.
    pub(crate) fn tag(&self, depends: Depends) -> String {
        let question = &self.0;
        match depends {
            Depends::Never => question.clone(),
            Depends::OnHead(nonce) => format!("{question}.{nonce}"),
            Depends::OnEntry(id, true) => format!("{question}.{id}"),
            Depends::OnEntry(id, false) => format!("{question}.{id}.null"),
        }
    }

    /// The head that a tag of this question names.
    pub(crate) fn head_in(&self, tag: &[u8]) -> Option<u64> {
        let rest = tag.strip_prefix(self.0.as_bytes())?.strip_prefix(b".")?;
        std::str::from_utf8(rest).ok()?.parse().ok()
    }
}

/// A question as bytes that no other question has: every field is of fixed width or has an end.
struct Canonical(Sha256);

impl Canonical {
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    fn flag(self, set: bool) -> Self {
        self.bytes(&[u8::from(set)])
    }

    fn number(self, number: Option<u64>) -> Self {
        self.flag(number.is_some()).bytes(&number.unwrap_or_default().to_be_bytes())
    }

    fn process(self, process: Option<ProcessId>) -> Self {
        let none = ProcessId::new([0; 32]);
        self.flag(process.is_some()).bytes(process.unwrap_or(none).as_bytes())
    }

    fn finish(self) -> Question {
        let hash: [u8; 32] = self.0.finalize().into();
        Question(rota_ans104::b64::encode(&hash[..SHOWN_BYTES]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const ID: [u8; 32] = [1; 32];

    fn find(raw: &str) -> Question {
        Question::find(ID, &ReadQuery::parse(Some(raw)).unwrap())
    }

    #[test]
    fn questions_that_are_answered_differently_have_different_tags() {
        let other = ProcessId::new([2; 32]);
        let mut questions: Vec<Question> = [
            "",
            "limit=1",
            "from=1",
            "to=1",
            "from-nonce=1",
            "to-nonce=1",
            "from-nonce=-1",
            "from=0",
            "to=0",
            "show-anchor",
            "bytes-max=4194304",
            "from=1&to=1",
            &format!("process-id={other}"),
        ]
        .map(find)
        .to_vec();
        questions.extend([
            Question::find([2; 32], &ReadQuery::default()),
            Question::bundle(ID, None),
            Question::bundle(ID, Some(other)),
            Question::latest(ID, false),
            Question::latest(ID, true),
            Question::process(ID),
            Question::raw(ID),
        ]);
        let dependent = |question: &Question| {
            let id = AssignmentId::new([3; 32]);
            [
                Depends::Never,
                Depends::OnHead(0),
                Depends::OnHead(10),
                Depends::OnEntry(id, true),
                Depends::OnEntry(id, false),
            ]
            .map(|depends| question.tag(depends))
        };
        let tags: BTreeSet<String> = questions.iter().flat_map(dependent).collect();
        assert_eq!(tags.len(), questions.len() * 5);
    }

    #[test]
    fn the_same_question_has_the_same_tag_however_it_is_written() {
        let id = ProcessId::new([2; 32]);
        for (one, other) in [
            ("", "limit=100"),
            ("from=1&to=2", "to=2&x=y&from=1"),
            ("limit=1000", "limit=99999"),
            ("", "bytes-max=99999999999"),
            ("from=-1", "from="),
            (&format!("process-id={id}"), &format!("proc-id={id}")),
        ] {
            assert_eq!(find(one).tag(Depends::Never), find(other).tag(Depends::Never), "{one}");
        }
    }

    /// Caches keep tags for a year: changing how they are made must be meant.
    #[test]
    fn tags_are_pinned() {
        let question = Question::find(ID, &ReadQuery::default());
        assert_eq!(question.tag(Depends::OnHead(7)), "Wz7phbHRUZLbf-hOmgiSmQ.7");
    }

    #[test]
    fn a_tag_tells_its_head_and_junk_tells_none() {
        let question = find("");
        let tag = question.tag(Depends::OnHead(u64::MAX));
        assert_eq!(question.head_in(tag.as_bytes()), Some(u64::MAX));
        assert_eq!(find("limit=2").head_in(tag.as_bytes()), None);
        let final_tag = question.tag(Depends::Never);
        for junk in ["", ".", ".-1", ".1.5", ".99999999999999999999", "1", ".\u{661}"] {
            assert_eq!(question.head_in(format!("{final_tag}{junk}").as_bytes()), None, "{junk}");
        }
        assert_eq!(question.head_in(b"\xff\xfe"), None);
    }
}
