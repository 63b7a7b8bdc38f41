//! A gateway that tells a block height and answers nothing else: what a scheduler under test asks unless the test
//! has a gateway of its own.
//!
//! One for the whole test process, on a thread: most fixtures that start a scheduler are not async.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

/// The height that it tells.
pub const HEIGHT: u64 = 1_600_000;
/// A request that does not come within this time is dropped.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where it listens, as in `http://127.0.0.1:40123`.
///
/// # Panics
/// The system gives no port.
#[must_use]
pub fn url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || listener.incoming().flatten().for_each(answer));
        url
    })
}

/// Answers `GET /info`, and drops the connection on everything else: as if nobody were there.
fn answer(mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(PATIENCE)); // fails only for a time of zero
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let is_info = lines.next().is_some_and(|line| line.starts_with("GET /info "));
    // The whole head, else closing the connection resets it.
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    if is_info {
        let body = format!(r#"{{"height":{HEIGHT}}}"#);
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json";
        // Fails when the scheduler is gone: nobody waits for it then.
        let _ = write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}");
    }
}
