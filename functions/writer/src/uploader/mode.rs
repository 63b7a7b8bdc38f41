//! How items go to the bundler, as configuration names it.

use std::fmt;
use std::str::FromStr;

/// In what shape committed items are uploaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UploadMode {
    /// `items`: every message and every assignment is posted by itself, byte for byte.
    #[default]
    Items,
    /// `bundle`: many of them are packed into one bundle, in an item signed by the scheduler's wallet.
    Bundle,
}

/// A name that is no [`UploadMode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown upload mode: expected items or bundle")]
pub struct UnknownUploadMode;

impl fmt::Display for UploadMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Items => "items",
            Self::Bundle => "bundle",
        })
    }
}

impl FromStr for UploadMode {
    type Err = UnknownUploadMode;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "items" => Ok(Self::Items),
            "bundle" => Ok(Self::Bundle),
            _ => Err(UnknownUploadMode),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for mode in [UploadMode::Items, UploadMode::Bundle] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        for name in ["", "Items", "bundles"] {
            assert_eq!(name.parse::<UploadMode>(), Err(UnknownUploadMode));
        }
        assert_eq!(UploadMode::default().to_string(), "items");
    }
}
