//! Any bytes as a bundle: no panic, and what parses encodes to the same bytes.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use rota_ans104::Bundle;

fuzz_target!(|data: &[u8]| {
    if let Ok(bundle) = Bundle::parse(Bytes::copy_from_slice(data)) {
        assert_eq!(Bundle::encode(bundle.items()), data);
    }
});
