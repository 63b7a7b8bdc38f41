//! What is embedded, and under which names.

use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// The page. [`PLACEHOLDER`] stands in it wherever it names one of [`FILES`].
const PAGE: &str = include_str!("../page/index.html");
/// Where the version belongs in the page.
const PLACEHOLDER: &str = "{version}";
/// Bytes of the hash that a version shows.
const VERSION_BYTES: usize = 9;

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// A file that the page loads.
pub(crate) struct File {
    /// Its name below the version.
    pub(crate) name: &'static str,
    /// Its content type.
    pub(crate) kind: &'static str,
    /// Its content.
    pub(crate) body: &'static [u8],
}

macro_rules! files {
    ($($name:literal: $kind:expr),* $(,)?) => {
        &[$(File { name: $name, kind: $kind, body: include_bytes!(concat!("../page/", $name)) }),*]
    };
}

/// All of them.
pub(crate) const FILES: &[File] = files! {
    "style.css": STYLE,
    "app.js": SCRIPT,
    "api.js": SCRIPT,
    "bytes.js": SCRIPT,
    "check.js": SCRIPT,
    "data.js": SCRIPT,
    "dom.js": SCRIPT,
    "ed25519.js": SCRIPT,
    "entry.js": SCRIPT,
    "field.js": SCRIPT,
    "find.js": SCRIPT,
    "item.js": SCRIPT,
    "keccak.js": SCRIPT,
    "keys.js": SCRIPT,
    "process.js": SCRIPT,
    "rsa.js": SCRIPT,
    "schedule.js": SCRIPT,
    "secp256k1.js": SCRIPT,
    "signature.js": SCRIPT,
    "text.js": SCRIPT,
    "verdict.js": SCRIPT,
    "whole.js": SCRIPT,
};

/// The hash of all files: as long as it is the same, so are they.
pub(crate) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let hash = FILES.iter().fold(Sha256::new(), |hash, file| {
        let length = (file.body.len() as u64).to_be_bytes();
        hash.chain_update(file.name).chain_update([0]).chain_update(length).chain_update(file.body)
    });
    hash.finalize()[..VERSION_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
});

/// The page of this version.
pub(crate) fn page() -> String {
    PAGE.replace(PLACEHOLDER, &VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a module imports, at once or later.
    fn imports(text: &str) -> impl Iterator<Item = &str> {
        ["from \"./", "import(\"./"]
            .into_iter()
            .flat_map(|before| text.split(before).skip(1))
            .filter_map(|rest| rest.split('"').next())
    }

    #[test]
    fn every_file_that_is_named_is_embedded_and_the_reverse() {
        let mut named = vec!["app.js", "style.css"];
        for file in FILES {
            named.extend(imports(std::str::from_utf8(file.body).unwrap()));
        }
        for name in &named {
            assert!(FILES.iter().any(|file| file.name == *name), "{name} is not embedded");
        }
        for file in FILES {
            assert!(named.contains(&file.name), "nothing loads {}", file.name);
        }
    }

    #[test]
    fn the_page_names_its_files_by_version() {
        let page = page();
        for name in ["app.js", "style.css"] {
            assert!(page.contains(&format!("explorer/{}/{name}\"", *VERSION)), "{name}");
        }
        assert!(!page.contains(PLACEHOLDER));
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere_and_nothing_is_inline() {
        let page = page();
        for text in FILES.iter().map(|file| std::str::from_utf8(file.body).unwrap()).chain([&*page])
        {
            for absent in ["https://", "http://", "innerHTML", "eval(", " style=\"", " onclick="] {
                assert!(!text.contains(absent), "{absent}");
            }
        }
    }

    /// What the issue asks of the first page: everything that is ever loaded, uncompressed.
    #[test]
    fn all_of_it_is_at_most_100_kilobytes() {
        let total = page().len() + FILES.iter().map(|file| file.body.len()).sum::<usize>();
        assert!(total <= 100_000, "{total}");
    }
}
