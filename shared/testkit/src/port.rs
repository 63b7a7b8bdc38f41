//! Ports for servers that are told theirs: nobody else may get one between its choice and the server's start,
//! or while the server restarts.

use std::net::TcpListener;
use std::ops::Range;

/// Below those that the system gives to whoever asks for any, and to outgoing connections.
const PORTS: Range<u16> = 12_000..32_000;

/// A port of 127.0.0.1 that is free now.
pub fn free_port() -> u16 {
    loop {
        let random = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port = PORTS.start + random % (PORTS.end - PORTS.start);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
