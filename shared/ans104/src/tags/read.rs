//! Decoding: tags one by one from bytes that may be anything.

use super::{TAGS_MAX, Tag, TagError, check_name, check_value, within};
use std::str;

/// The most bytes of a variable-length number: 64 bits, 7 to a byte.
const LONG_BYTES_MAX: u32 = 10;

/// A name and a value as the bytes that they are in the item.
pub(crate) type RawTag<'a> = (&'a [u8], &'a [u8]);

/// The tags in tag bytes that have been read once without error, as bytes.
pub(crate) struct RawTags<'a>(TagReader<'a>);

impl<'a> RawTags<'a> {
    /// Over bytes that [`validate`] took.
    pub(crate) fn new(valid: &'a [u8]) -> Self {
        Self(TagReader::new(valid))
    }
}

impl<'a> Iterator for RawTags<'a> {
    type Item = RawTag<'a>;

    fn next(&mut self) -> Option<RawTag<'a>> {
        self.0.next_tag().ok().flatten()
    }
}

/// The same as text, and how many there are.
pub(crate) struct Tags<'a> {
    tags: RawTags<'a>,
    left: usize,
}

impl<'a> Tags<'a> {
    /// Over bytes that [`validate`] took, with the count that it was given.
    pub(crate) fn new(valid: &'a [u8], count: usize) -> Self {
        Self { tags: RawTags::new(valid), left: count }
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        let (name, value) = self.tags.next()?;
        let tag = Tag { name: str::from_utf8(name).ok()?, value: str::from_utf8(value).ok()? };
        self.left -= 1;
        Some(tag)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Tags<'_> {}

/// Checks that `bytes` are exactly `count` tags within the limits.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn validate(bytes: &[u8], count: usize) -> Result<(), TagError> {
    let mut reader = TagReader::new(bytes);
    let mut found = 0;
    while reader.next_checked()?.is_some() {
        found += 1;
    }
    if found != count {
        return Err(TagError::CountMismatch { header: count, found });
    }
    Ok(())
}

/// Most of what there is, is ASCII, which is seen quicker.
fn is_utf8(text: &[u8]) -> bool {
    text.is_ascii() || str::from_utf8(text).is_ok()
}

/// Reads tags one by one from bytes that may be anything.
struct TagReader<'a> {
    rest: &'a [u8],
    /// Tags left in the current block.
    block: u64,
    /// What must be left after the current block, if it says how long it is.
    after_block: Option<usize>,
    /// Tags in all blocks so far, the current one included.
    total: u64,
    done: bool,
}

impl<'a> TagReader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, block: 0, after_block: None, total: 0, done: bytes.is_empty() }
    }

    /// The next name and value, which are UTF-8.
    fn next_checked(&mut self) -> Result<Option<RawTag<'a>>, TagError> {
        let tag = self.next_tag()?;
        let is_text = tag.is_none_or(|(name, value)| is_utf8(name) && is_utf8(value));
        if is_text { Ok(tag) } else { Err(TagError::NotUtf8) }
    }

    /// The same, which may be no UTF-8.
    fn next_tag(&mut self) -> Result<Option<RawTag<'a>>, TagError> {
        if self.block == 0 && !self.done {
            self.next_block()?;
        }
        if self.done {
            return Ok(None);
        }
        self.block -= 1;
        let name = self.text(check_name)?;
        let value = self.text(check_value)?;
        Ok(Some((name, value)))
    }

    /// Enters the next block, which is never empty, or finds the end.
    fn next_block(&mut self) -> Result<(), TagError> {
        if self.after_block.take().is_some_and(|rest| rest != self.rest.len()) {
            return Err(TagError::BlockSize);
        }
        // The end of the bytes closes the tags as a zero does.
        let count = if self.rest.is_empty() { 0 } else { self.long()? };
        if count == 0 {
            self.done = true;
            return match self.rest.len() {
                0 => Ok(()),
                len => Err(TagError::TrailingBytes { len }),
            };
        }
        if count < 0 {
            let size = self.len()?;
            let rest = within(size, self.rest.len()).ok_or(TagError::Truncated)?;
            self.after_block = Some(self.rest.len() - rest);
        }
        self.block = count.unsigned_abs();
        self.total = self.total.saturating_add(self.block);
        if self.total > TAGS_MAX as u64 {
            return Err(TagError::TooMany { count: self.total });
        }
        Ok(())
    }

    fn text(&mut self, check: fn(u64) -> Result<usize, TagError>) -> Result<&'a [u8], TagError> {
        let len = check(self.len()?)?;
        let (text, rest) = self.rest.split_at_checked(len).ok_or(TagError::Truncated)?;
        self.rest = rest;
        Ok(text)
    }

    fn len(&mut self) -> Result<u64, TagError> {
        u64::try_from(self.long()?).map_err(|_| TagError::NegativeLength)
    }

    /// A zig-zag number of at most 64 bits.
    fn long(&mut self) -> Result<i64, TagError> {
        let mut value = 0_u64;
        for shift in (0..LONG_BYTES_MAX).map(|byte| 7 * byte) {
            let (&byte, rest) = self.rest.split_first().ok_or(TagError::Truncated)?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(TagError::NumberTooLong);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(TagError::NumberTooLong)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{TAG_NAME_BYTES_MAX, TAG_VALUE_BYTES_MAX, check, encode, encode_open};
    use super::*;
    use proptest::prelude::*;

    fn decode(bytes: &[u8]) -> Result<Vec<(String, String)>, TagError> {
        let mut reader = TagReader::new(bytes);
        let mut tags = Vec::new();
        let text = |bytes: &[u8]| str::from_utf8(bytes).unwrap().to_owned();
        while let Some((name, value)) = reader.next_checked()? {
            tags.push((text(name), text(value)));
        }
        Ok(tags)
    }

    fn owned(tags: &[(&str, &str)]) -> Vec<(String, String)> {
        tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn reads_every_layout_of_avro() {
        let tags = owned(&[("a", "b"), ("c", "d")]);
        let one_block = [4, 2, b'a', 2, b'b', 2, b'c', 2, b'd', 0];
        let two_blocks = [2, 2, b'a', 2, b'b', 2, 2, b'c', 2, b'd', 0];
        let sized = [3, 16, 2, b'a', 2, b'b', 2, b'c', 2, b'd', 0];
        let mixed = [1, 8, 2, b'a', 2, b'b', 2, 2, b'c', 2, b'd', 0];
        for bytes in [&one_block[..], &two_blocks, &sized, &mixed] {
            assert_eq!(decode(bytes), Ok(tags.clone()), "{bytes:?}");
            assert_eq!(validate(bytes, 2), Ok(()));
            assert_eq!(Tags::new(bytes, 2).len(), 2);
            assert_eq!(Tags::new(bytes, 2).count(), 2);
        }
        assert_eq!(decode(&[]), Ok(Vec::new()));
        assert_eq!(decode(&[0]), Ok(Vec::new()));
    }

    #[test]
    fn end_of_bytes_closes_tags_like_a_zero() {
        let tags = owned(&[("a", "b"), ("c", "d")]);
        let one_block = [4, 2, b'a', 2, b'b', 2, b'c', 2, b'd'];
        let two_blocks = [2, 2, b'a', 2, b'b', 2, 2, b'c', 2, b'd'];
        let sized = [3, 16, 2, b'a', 2, b'b', 2, b'c', 2, b'd'];
        for bytes in [&one_block[..], &two_blocks, &sized] {
            assert_eq!(decode(bytes), Ok(tags.clone()), "{bytes:?}");
            assert_eq!(decode(&[bytes, &[0]].concat()), Ok(tags.clone()), "{bytes:?}");
            assert_eq!(Tags::new(bytes, 2).count(), 2);
        }
        assert_eq!(encode_open(&tags), one_block);
        // A block that says it is longer than what is there.
        assert_eq!(decode(&[1, 10, 2, b'a', 2, b'b']), Err(TagError::Truncated));
        // A block that says it is shorter.
        assert_eq!(decode(&[1, 6, 2, b'a', 4, b'b', b'c']), Err(TagError::BlockSize));
    }

    #[test]
    fn names_what_is_wrong() {
        let cases: [(&[u8], TagError); 14] = [
            (&[4, 2, b'a', 2, b'b'], TagError::Truncated),
            (&[2, 2, b'a', 2, b'b', 0x80], TagError::Truncated),
            (&[2, 2, b'a', 9, b'b', 0], TagError::NegativeLength),
            (&[2, 2, b'a', 4, b'b'], TagError::Truncated),
            (&[2, 1, 0], TagError::NegativeLength),
            (&[2, 2, 0xff, 0, 0], TagError::NotUtf8),
            (&[2, 0, 2, 0xff, 0], TagError::NotUtf8),
            (&[1, 6, 2, b'a', 2, b'b', 0], TagError::BlockSize),
            (&[1, 99, 2, b'a', 2, b'b', 0], TagError::NegativeLength),
            (&[1, 98, 2, b'a', 2, b'b', 0], TagError::Truncated),
            (&[0, 0, 0], TagError::TrailingBytes { len: 2 }),
            (&[0x82, 2, 0, 0], TagError::TooMany { count: 129 }),
            (&[2, 0x82, 0x10], TagError::NameTooLong { len: 1025 }),
            (&[2, 0, 0x82, 0x30], TagError::ValueTooLong { len: 3073 }),
        ];
        for (bytes, error) in cases {
            assert_eq!(decode(bytes), Err(error), "{bytes:?}");
        }
        assert_eq!(validate(&[0], 1), Err(TagError::CountMismatch { header: 1, found: 0 }));
    }

    #[test]
    fn numbers_end_at_64_bits() {
        let lowest = [[0xff; 9].as_slice(), &[1]].concat();
        assert_eq!(
            decode(&[&lowest, &[0][..]].concat()),
            Err(TagError::TooMany { count: 1 << 63 })
        );
        assert_eq!(decode(&[[0xff; 9].as_slice(), &[2]].concat()), Err(TagError::NumberTooLong));
        assert_eq!(decode(&[0x80; 11]), Err(TagError::NumberTooLong));
    }

    #[test]
    fn limits_are_the_last_lengths_that_pass() {
        let name = "n".repeat(TAG_NAME_BYTES_MAX);
        let value = "v".repeat(TAG_VALUE_BYTES_MAX);
        let tags = vec![(name.clone(), value.clone()); TAGS_MAX];
        assert_eq!(check(&tags), Ok(()));
        assert_eq!(decode(&encode(&tags)), Ok(tags.clone()));
        assert_eq!(check(&vec![("", ""); 129]), Err(TagError::TooMany { count: 129 }));
        let (long_name, long_value) = (format!("{name}n"), format!("{value}v"));
        assert_eq!(check(&[(long_name, value)]), Err(TagError::NameTooLong { len: 1025 }));
        assert_eq!(check(&[(name, long_value)]), Err(TagError::ValueTooLong { len: 3073 }));
    }

    proptest! {
        #[test]
        fn codec_round_trips(tags in prop::collection::vec((".{0,80}", ".{0,200}"), 0..20)) {
            let bytes = encode(&tags);
            prop_assert_eq!(validate(&bytes, tags.len()), Ok(()));
            prop_assert_eq!(decode(&bytes), Ok(tags));
        }

        #[test]
        fn arbitrary_bytes_end_in_a_result(bytes: Vec<u8>, count in 0_usize..4) {
            if validate(&bytes, count).is_ok() {
                prop_assert_eq!(Tags::new(&bytes, count).count(), count);
            }
        }
    }
}
