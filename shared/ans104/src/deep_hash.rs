//! Deep hash: a SHA-384 over a tree of byte strings that cannot be confused with another tree
//! (ANS-104 §1.4, after Arweave's transaction format 2).

use sha2::{Digest, Sha384};

/// Length of a deep hash in bytes.
pub const DEEP_HASH_BYTES: usize = 48;

/// A node of the tree that is hashed.
#[derive(Clone, Copy, Debug)]
pub enum Chunk<'a> {
    /// A byte string.
    Blob(&'a [u8]),
    /// A list of nodes.
    List(&'a [Chunk<'a>]),
}

/// The deep hash of a tree. Bytes are hashed where they lie.
///
/// Recurses as deep as the tree, which is the caller's and not read from input.
#[must_use]
pub fn deep_hash(chunk: &Chunk<'_>) -> [u8; DEEP_HASH_BYTES] {
    match chunk {
        Chunk::Blob(bytes) => pair(&tagged("blob", bytes.len()), &Sha384::digest(bytes).into()),
        Chunk::List(chunks) => chunks
            .iter()
            .fold(tagged("list", chunks.len()), |hash, chunk| pair(&hash, &deep_hash(chunk))),
    }
}

/// The hash of a kind and a length in decimal.
fn tagged(kind: &str, len: usize) -> [u8; DEEP_HASH_BYTES] {
    Sha384::digest(format!("{kind}{len}")).into()
}

fn pair(left: &[u8; DEEP_HASH_BYTES], right: &[u8; DEEP_HASH_BYTES]) -> [u8; DEEP_HASH_BYTES] {
    Sha384::new().chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out step by step from the definition, without this module's helpers.
    #[test]
    fn follows_the_definition() {
        let sha = |bytes: &[u8]| -> [u8; 48] { Sha384::digest(bytes).into() };
        let blob = sha(&[sha(b"blob2"), sha(b"ab")].concat());
        assert_eq!(deep_hash(&Chunk::Blob(b"ab")), blob);
        assert_eq!(deep_hash(&Chunk::List(&[])), sha(b"list0"));
        let list = sha(&[sha(b"list1"), blob].concat());
        assert_eq!(deep_hash(&Chunk::List(&[Chunk::Blob(b"ab")])), list);
        let nested = sha(&[sha(&[sha(b"list2"), blob].concat()), list].concat());
        let tree = [Chunk::Blob(b"ab"), Chunk::List(&[Chunk::Blob(b"ab")])];
        assert_eq!(deep_hash(&Chunk::List(&tree)), nested);
    }
}
