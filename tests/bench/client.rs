//! A load client that costs little: blocking sockets, requests made beforehand, no parsing beyond the
//! status line and the length of the answer.

use anyhow::Context as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);

/// A request as it goes over the wire.
pub(crate) type Request = Vec<u8>;

/// A POST of an item.
pub(crate) fn post(item: &[u8]) -> Request {
    let mut request =
        format!("POST / HTTP/1.1\r\nhost: rota\r\ncontent-length: {}\r\n\r\n", item.len())
            .into_bytes();
    request.extend_from_slice(item);
    request
}

/// A GET of a path.
pub(crate) fn get(path: &str) -> Request {
    format!("GET {path} HTTP/1.1\r\nhost: rota\r\n\r\n").into_bytes()
}

/// The same, of somebody who has an answer with this tag already.
pub(crate) fn get_if_changed(path: &str, etag: &str) -> Request {
    format!("GET {path} HTTP/1.1\r\nhost: rota\r\nif-none-match: {etag}\r\n\r\n").into_bytes()
}

/// What a load did.
pub(crate) struct Load {
    /// Answers with 200, 304 or 307.
    pub answers: usize,
    /// How long the whole took, in seconds.
    pub seconds: f64,
    /// Seconds of each answer, sorted.
    pub latencies: Vec<f64>,
    /// Bytes of the last body.
    pub body_bytes: usize,
}

impl Load {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.answers as f64 / self.seconds
    }

    /// The latency that `percent` of the answers stayed under, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let index =
            (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(index).map_or(0.0, |seconds| seconds * 1e3)
    }
}

/// Sends each connection's requests one after the other, all connections at once, until they are used
/// up or `time` is over. Any answer but 200, 304 and 307 is an error.
pub(crate) fn run(
    address: SocketAddr,
    connections: &[Vec<Request>],
    time: Duration,
    repeat: bool,
) -> anyhow::Result<Load> {
    let start = Instant::now();
    let outcomes = std::thread::scope(|scope| {
        let handles: Vec<_> = connections
            .iter()
            .map(|requests| {
                scope.spawn(move || connection(address, requests, start + time, repeat))
            })
            .collect();
        handles.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let seconds = start.elapsed().as_secs_f64();
    let (mut latencies, mut body_bytes) = (Vec::new(), 0);
    for outcome in outcomes {
        let (times, bytes) = outcome.map_err(|_| anyhow::anyhow!("a load thread panicked"))??;
        latencies.extend(times);
        body_bytes = body_bytes.max(bytes);
    }
    latencies.sort_unstable_by(f64::total_cmp);
    Ok(Load { answers: latencies.len(), seconds, latencies, body_bytes })
}

fn connection(
    address: SocketAddr,
    requests: &[Request],
    until: Instant,
    repeat: bool,
) -> anyhow::Result<(Vec<f64>, usize)> {
    let mut connection = Connection::open(address)?;
    let (mut latencies, mut body_bytes) = (Vec::new(), 0);
    loop {
        for request in requests {
            let start = Instant::now();
            if start >= until {
                return Ok((latencies, body_bytes));
            }
            body_bytes = connection.ask(request)?;
            latencies.push(start.elapsed().as_secs_f64());
        }
        if !repeat {
            return Ok((latencies, body_bytes));
        }
    }
}

/// One connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Of the last answer.
    head: String,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        Ok(Self { stream, buffer: vec![0; 1 << 20], head: String::new() })
    }

    /// Sends a request and reads its answer; gives the length of the body.
    pub(crate) fn ask(&mut self, request: &[u8]) -> anyhow::Result<usize> {
        self.stream.write_all(request)?;
        let mut filled = 0;
        let (head, length) = loop {
            let read = self.stream.read(&mut self.buffer[filled..])?;
            anyhow::ensure!(read > 0, "the server closed the connection");
            filled += read;
            if let Some(end) = self.buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n")
            {
                std::str::from_utf8(&self.buffer[..end + 4])?.clone_into(&mut self.head);
                break (end + 4, content_length(&self.head)?);
            }
        };
        let mut missing = (head + length).saturating_sub(filled);
        while missing > 0 {
            let room = missing.min(self.buffer.len());
            let read = self.stream.read(&mut self.buffer[..room])?;
            anyhow::ensure!(read > 0, "the server closed the connection");
            missing -= read;
        }
        Ok(length)
    }

    /// The tag of the answer to a GET of a path.
    pub(crate) fn etag(&mut self, path: &str) -> anyhow::Result<String> {
        self.ask(&get(path))?;
        let etag = self.head.lines().find_map(|line| line.strip_prefix("etag: "));
        Ok(etag.context("the answer has no etag")?.to_owned())
    }
}

fn content_length(head: &str) -> anyhow::Result<usize> {
    if head.starts_with("HTTP/1.1 304") {
        return Ok(0);
    }
    let good = ["HTTP/1.1 200", "HTTP/1.1 307"];
    anyhow::ensure!(good.iter().any(|status| head.starts_with(status)), "not 200: {head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Ok(length.context("the answer has no content-length")?.trim().parse()?)
}
