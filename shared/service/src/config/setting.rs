//! The types a setting can have: how each is written, and how it is shown again.
//!
//! What `show` writes, `parse` reads back as the same value, except that a password within a URL is
//! never shown.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::MASK;

/// A type that a setting can have.
pub trait Setting: Sized {
    /// What a right value looks like, to end the sentence "… must be".
    const EXPECTS: &'static str;

    /// Reads a trimmed, non-empty value. `None` if it is not one of this type.
    fn parse(text: &str) -> Option<Self>;

    /// The value in readable form, for reports.
    fn show(&self) -> String;
}

/// A number of bytes, written `10485760`, `10MB` (millions) or `10MiB` (2^20).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Largest first, so that `show` finds the shortest exact form; binary units before decimal ones.
const BYTE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("", 1),
];

/// Milliseconds a unit, largest first.
const TIME_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// `10MiB` → 10 × 2^20: digits, then one of the units, with no fraction.
fn parse_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    digits.parse::<u64>().ok()?.checked_mul(*scale)
}

fn show_units(amount: u64, units: &[(&str, u64)]) -> String {
    let exact = |(_, scale): &&(&str, u64)| amount >= *scale && amount.is_multiple_of(*scale);
    let smallest = units.last().copied().unwrap_or(("", 1));
    let (name, scale) = units.iter().find(exact).copied().unwrap_or(smallest);
    format!("{}{name}", amount / scale)
}

impl Setting for ByteSize {
    const EXPECTS: &'static str = "a number of bytes such as 10485760, 10MB or 10MiB";

    fn parse(text: &str) -> Option<Self> {
        parse_units(text, &BYTE_UNITS).map(Self)
    }

    fn show(&self) -> String {
        show_units(self.0, &BYTE_UNITS)
    }
}

/// Whole milliseconds; anything finer is not shown.
impl Setting for Duration {
    const EXPECTS: &'static str = "a time such as 500ms, 30s, 5m or 2h";

    fn parse(text: &str) -> Option<Self> {
        parse_units(text, &TIME_UNITS).map(Self::from_millis)
    }

    fn show(&self) -> String {
        show_units(u64::try_from(self.as_millis()).unwrap_or(u64::MAX), &TIME_UNITS)
    }
}

impl Setting for String {
    const EXPECTS: &'static str = "text";

    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Setting for bool {
    const EXPECTS: &'static str = "true, false, 1 or 0";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for PathBuf {
    const EXPECTS: &'static str = "a path";

    fn parse(text: &str) -> Option<Self> {
        Some(text.into())
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Setting for Url {
    const EXPECTS: &'static str = "an http or https URL";

    fn parse(text: &str) -> Option<Self> {
        let url = Self::parse(text).ok()?;
        matches!(url.scheme(), "http" | "https").then_some(url)
    }

    fn show(&self) -> String {
        let mut shown = self.clone();
        // Only a URL without a host refuses a password, and then it has none to hide.
        if shown.password().is_some() && shown.set_password(Some(MASK)).is_err() {
            return MASK.to_owned();
        }
        shown.into()
    }
}

impl Setting for Vec<Url> {
    const EXPECTS: &'static str = "http or https URLs, separated by commas";

    fn parse(text: &str) -> Option<Self> {
        text.split(',').map(|part| Setting::parse(part.trim())).collect()
    }

    fn show(&self) -> String {
        self.iter().map(Setting::show).collect::<Vec<_>>().join(",")
    }
}

/// Types whose standard text form is the written one.
macro_rules! plain_settings {
    ($($type:ty: $expects:literal),+ $(,)?) => {$(
        impl Setting for $type {
            const EXPECTS: &'static str = $expects;

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

plain_settings! {
    u16: "a whole number from 0 to 65535",
    u32: "a whole number from 0 to 4294967295",
    u64: "a whole number from 0 up",
    usize: "a whole number from 0 up",
    IpAddr: "an IP address such as 127.0.0.1",
    SocketAddr: "an IP address and port such as 127.0.0.1:8080",
}
