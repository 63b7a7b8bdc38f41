//! A client that sends exactly the bytes it is told to, and a server to send them to.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use rota_service::{Server, ServerLimits, Stop};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// No test waits longer than this for anything that should come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A server on a port of its own, until `stop`.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) stop: Stop,
    pub(crate) task: JoinHandle<std::io::Result<()>>,
}

pub(crate) async fn start(app: Router) -> Running {
    start_with(app, ServerLimits::default()).await
}

pub(crate) async fn start_with(app: Router, limits: ServerLimits) -> Running {
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), limits).unwrap();
    let (address, stop) = (server.local_addr(), Stop::new());
    let task = tokio::spawn(server.run(app, stop.wait()));
    Running { address, stop, task }
}

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    /// From an address of its own.
    pub(crate) async fn connect_from(from: &str, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
        Self { stream: socket.connect(address).await.unwrap(), read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.get_with(path, "").await
    }

    /// `headers` are whole lines, each with its line end.
    pub(crate) async fn get_with(&mut self, path: &str, headers: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n{headers}\r\n")).await;
        self.answer().await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &[u8]) -> Answer {
        let length = body.len();
        self.send(format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n"
        ))
        .await;
        self.send(body).await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        timeout(PATIENCE, self.read_answer()).await.expect("an answer in time")
    }

    /// Whether the server closes the connection within `limit` without a further byte.
    pub(crate) async fn closed_within(&mut self, limit: Duration) -> bool {
        let mut byte = [0; 1];
        matches!(timeout(limit, self.stream.read(&mut byte)).await, Ok(Ok(0) | Err(_)))
    }

    async fn read_answer(&mut self) -> Answer {
        let head = self.read_until(b"\r\n\r\n").await;
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        if let Some(length) = answer.header("content-length").map(|n| n.parse().unwrap()) {
            answer.body = self.read_exactly(length).await;
        } else if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = self.read_chunks().await;
        }
        answer
    }

    async fn read_chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = self.read_until(b"\r\n").await;
            let size = std::str::from_utf8(&line).unwrap().trim();
            let size = usize::from_str_radix(size, 16).unwrap();
            let chunk = self.read_exactly(size + 2).await;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return body;
            }
        }
    }

    async fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                return self.read.drain(..at + end.len()).collect();
            }
            self.read_more().await;
        }
    }

    async fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            self.read_more().await;
        }
        self.read.drain(..length).collect()
    }

    async fn read_more(&mut self) {
        let count = self.stream.read_buf(&mut self.read).await.unwrap();
        assert!(count > 0, "the server closed the connection within an answer");
    }
}
