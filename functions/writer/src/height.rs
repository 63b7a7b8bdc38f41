//! The block height that assignments are signed with. What is signed stays for ever, so an unknown height is no 0.

use rota_permaweb::HeightCache;

/// Why no item is taken while no height is known.
const HEIGHT_UNKNOWN: &str = "the block height is not known yet: no gateway has told one that is believed; \
     see the log, and check GATEWAY_URL, ARWEAVE_URL and this machine's clock";

/// What becomes of items while no block height is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithoutHeight {
    /// They are refused until one is known.
    #[default]
    Refuse,
    /// They are placed with `Block-Height` 0: for a scheduler that nobody else depends on.
    SignZero,
}

/// The height for the next assignment.
#[derive(Clone, Debug)]
pub(crate) struct SignedHeight {
    cache: HeightCache,
    without: WithoutHeight,
}

impl SignedHeight {
    pub(crate) const fn new(cache: HeightCache, without: WithoutHeight) -> Self {
        Self { cache, without }
    }

    /// The height.
    ///
    /// # Errors
    /// Why nothing may be signed now.
    pub(crate) fn get(&self) -> Result<u64, &'static str> {
        match (self.cache.get(), self.without) {
            (Some(height), _) => Ok(height),
            (None, WithoutHeight::SignZero) => Ok(0),
            (None, WithoutHeight::Refuse) => Err(HEIGHT_UNKNOWN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_height_is_refused_unless_zero_is_asked_for() {
        let cache = HeightCache::starting_at(None);
        let refuses = SignedHeight::new(cache.clone(), WithoutHeight::default());
        let signs = SignedHeight::new(cache.clone(), WithoutHeight::SignZero);
        assert_eq!((refuses.get(), signs.get()), (Err(HEIGHT_UNKNOWN), Ok(0)));
        cache.observe(0);
        assert_eq!(refuses.get(), Ok(0), "0 is a height like any other once a gateway tells it");
        cache.observe(7);
        assert_eq!((refuses.get(), signs.get()), (Ok(7), Ok(7)));
    }
}
