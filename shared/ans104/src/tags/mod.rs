//! Tags: an Avro array of `{name: string, value: string}` (ANS-104 §2.2, Avro 1.8 "binary encoding").
//!
//! Decoding takes every layout Avro allows (several blocks, negative counts with a byte size) and
//! borrows from the input; nothing is allocated. The end of the bytes ends the tags, with or without
//! Avro's closing zero: arbundles takes both. Encoding writes what arbundles writes: one block and a
//! closing zero, and no bytes at all for no tags.

mod read;

pub(crate) use read::{RawTags, Tags, validate};

/// How many tags an item may have.
pub const TAGS_MAX: usize = 128;
/// How long the name of a tag may be, in bytes.
pub const TAG_NAME_BYTES_MAX: usize = 1024;
/// How long the value of a tag may be, in bytes.
pub const TAG_VALUE_BYTES_MAX: usize = 3072;
/// How long all tags of an item may be together, encoded, in bytes (`MAX_TAG_BYTES` of arbundles).
///
/// No bundler takes an item above it. The limit is for items that want a place in a schedule
/// ([`Item::parse_new`](crate::Item::parse_new)): older ones that have a place stay readable.
pub const TAGS_BYTES_MAX: usize = 4096;

/// A tag, borrowed from its item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag<'a> {
    /// Its name; may occur more than once in an item.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

/// Why bytes are not tags, or why tags may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// The tag bytes end inside a tag.
    #[error("tags are cut short")]
    Truncated,
    /// A number has more than 64 bits.
    #[error("a number in the tags has more than 64 bits")]
    NumberTooLong,
    /// A name, value or block has a negative length.
    #[error("a length in the tags is negative")]
    NegativeLength,
    /// A block ends elsewhere than its byte size says.
    #[error("a block of tags is not as long as it says")]
    BlockSize,
    /// More than [`TAGS_MAX`] tags.
    #[error("{count} tags are more than {TAGS_MAX}")]
    TooMany {
        /// How many there are, at least.
        count: u64,
    },
    /// A name longer than [`TAG_NAME_BYTES_MAX`].
    #[error("tag name of {len} bytes is longer than {TAG_NAME_BYTES_MAX}")]
    NameTooLong {
        /// Its length in bytes.
        len: u64,
    },
    /// A value longer than [`TAG_VALUE_BYTES_MAX`].
    #[error("tag value of {len} bytes is longer than {TAG_VALUE_BYTES_MAX}")]
    ValueTooLong {
        /// Its length in bytes.
        len: u64,
    },
    /// All tags together are longer than [`TAGS_BYTES_MAX`].
    #[error("the tags have {len} bytes in all, at most {TAGS_BYTES_MAX} are allowed")]
    AllTooLong {
        /// Their length in bytes, encoded.
        len: usize,
    },
    /// A name or value that is not UTF-8.
    #[error("tag name or value is not utf-8")]
    NotUtf8,
    /// The item's header announced another number of tags.
    #[error("{found} tags where the header says {header}")]
    CountMismatch {
        /// The number in the header.
        header: usize,
        /// The number of tags that are there.
        found: usize,
    },
    /// Bytes are left after the closing zero.
    #[error("{len} bytes are left after the tags")]
    TrailingBytes {
        /// How many.
        len: usize,
    },
}

/// Encodes tags as arbundles does. Limits are not checked: see [`check`].
#[must_use]
pub fn encode<S: AsRef<str>>(tags: &[(S, S)]) -> Vec<u8> {
    let mut out = encode_open(tags);
    if !tags.is_empty() {
        out.push(0);
    }
    out
}

/// The same without the closing zero, as some writers of items have it.
pub(crate) fn encode_open<S: AsRef<str>>(tags: &[(S, S)]) -> Vec<u8> {
    if tags.is_empty() {
        return Vec::new();
    }
    let text: usize =
        tags.iter().map(|(name, value)| name.as_ref().len() + value.as_ref().len()).sum();
    // A length of up to 8,191 bytes takes two bytes; longer ones only let the buffer grow.
    let mut out = Vec::with_capacity(text + 4 * tags.len() + 3);
    put_len(&mut out, tags.len());
    for (name, value) in tags {
        put_text(&mut out, name.as_ref());
        put_text(&mut out, value.as_ref());
    }
    out
}

/// Holds tags one by one against the limits of ANS-104.
///
/// # Errors
/// The first limit that is broken.
pub fn check<S: AsRef<str>>(tags: &[(S, S)]) -> Result<(), TagError> {
    if tags.len() > TAGS_MAX {
        return Err(TagError::TooMany { count: tags.len() as u64 });
    }
    tags.iter().try_for_each(|(name, value)| {
        check_name(name.as_ref().len() as u64)?;
        check_value(value.as_ref().len() as u64).map(drop)
    })
}

/// Holds the length of all tags together, encoded, against [`TAGS_BYTES_MAX`].
pub(crate) const fn check_all(len: usize) -> Result<(), TagError> {
    if len > TAGS_BYTES_MAX { Err(TagError::AllTooLong { len }) } else { Ok(()) }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// A non-negative number, zig-zag encoded: twice its value, 7 bits to a byte, lowest first.
fn put_len(out: &mut Vec<u8>, len: usize) {
    let mut value = (len as u64) << 1;
    while value > 0x7f {
        out.push(0x80 | (value & 0x7f) as u8);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
fn check_name(len: u64) -> Result<usize, TagError> {
    within(len, TAG_NAME_BYTES_MAX).ok_or(TagError::NameTooLong { len })
}

#[inline]
fn check_value(len: u64) -> Result<usize, TagError> {
    within(len, TAG_VALUE_BYTES_MAX).ok_or(TagError::ValueTooLong { len })
}

#[inline]
fn within(len: u64, max: usize) -> Option<usize> {
    usize::try_from(len).ok().filter(|len| *len <= max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_one_block_and_a_terminator() {
        assert_eq!(encode(&[("a", "bc")]), [2, 2, b'a', 4, b'b', b'c', 0]);
        assert!(encode::<&str>(&[]).is_empty());
        let long = "x".repeat(64);
        assert_eq!(encode(&[("", long.as_str())])[..4], [2, 0, 0x80, 1]);
    }

    #[test]
    fn all_tags_together_are_bounded() {
        assert_eq!(check_all(TAGS_BYTES_MAX), Ok(()));
        let error = check_all(TAGS_BYTES_MAX + 1).unwrap_err();
        assert_eq!(error.to_string(), "the tags have 4097 bytes in all, at most 4096 are allowed");
    }
}
