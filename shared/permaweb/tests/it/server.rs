//! Servers to talk to: a [`Stub`] that answers as told and remembers who asked, and [`Fault`]s that
//! write raw bytes where a correct server could not misbehave enough.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, Response},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

/// The time-out of clients that meet a fault here.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(300);

/// A request as the stub saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Method and path, as in `GET /info`.
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A correct HTTP server on loopback.
pub(crate) struct Stub {
    pub(crate) url: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Stub {
    /// Answers every request with `status` and `body`.
    pub(crate) async fn answering(status: u16, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self::with(move |_| reply(status, body.clone())).await
    }

    /// Answers every request with what `answer` makes of it.
    pub(crate) async fn with<F>(answer: F) -> Self
    where
        F: Fn(&Seen) -> Response<Body> + Clone + Send + Sync + 'static,
    {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        let router = Router::new().fallback(move |request: Request| async move {
            let line = format!("{} {}", request.method(), request.uri());
            let headers = request.headers().clone();
            let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
            let request = Seen { line, headers, body };
            let response = answer(&request);
            record.lock().unwrap().push(request);
            response
        });
        let (listener, url) = listen().await;
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Method and path of the requests so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }
}

/// An answer with `status` and `body`.
pub(crate) fn reply(status: u16, body: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).body(body.into()).unwrap()
}

/// A redirect with `status` to `location`.
pub(crate) fn redirect(status: u16, location: &str) -> Response<Body> {
    let builder = Response::builder().status(status).header("location", location);
    builder.body(Body::empty()).unwrap()
}

/// A way for a server to be useless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody listens.
    Refused,
    /// Takes the request and says nothing.
    Silent,
    /// Takes the request and resets the connection.
    Reset,
    /// Redirects to itself.
    RedirectLoop,
    /// Status 500.
    Broken,
    /// Status 200 and a page for people.
    Html,
    /// Status 200, half of the announced bytes, end of connection.
    Truncated,
    /// Status 200, a chunk, a broken chunk header.
    BadChunk,
    /// Status 200 and the announcement of more than anyone takes.
    Oversized,
    /// Status 200 and a byte now and then, without end.
    Dripping,
    /// Status 200 and bytes as fast as they go, without end.
    Endless,
}

impl Fault {
    /// Faults that show before the headers are through.
    pub(crate) const NO_ANSWER: [Self; 5] =
        [Self::Refused, Self::Silent, Self::Reset, Self::RedirectLoop, Self::Broken];

    /// Faults of the body behind a status 200.
    pub(crate) const BAD_BODY: [Self; 6] = [
        Self::Html,
        Self::Truncated,
        Self::BadChunk,
        Self::Oversized,
        Self::Dripping,
        Self::Endless,
    ];

    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::NO_ANSWER.into_iter().chain(Self::BAD_BODY)
    }

    /// Starts a server with this fault.
    pub(crate) async fn serve(self) -> Url {
        let (listener, url) = listen().await;
        if self != Self::Refused {
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(self.answer(stream));
                }
            });
        }
        url
    }

    async fn answer(self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut request = [0; 16 * 1024];
        let _ = stream.read(&mut request).await?;
        match self {
            Self::Refused | Self::Silent => std::future::pending::<()>().await,
            Self::Reset => stream.set_zero_linger()?,
            _ => stream.write_all(self.head()).await?,
        }
        while let Self::Dripping | Self::Endless = self {
            let piece: &[u8] = if self == Self::Endless { &[b' '; 4096] } else { b" " };
            stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
            stream.write_all(piece).await?;
            stream.write_all(b"\r\n").await?;
            if self == Self::Dripping {
                tokio::time::sleep(TIMEOUT / 10).await;
            }
        }
        Ok(())
    }

    fn head(self) -> &'static [u8] {
        match self {
            Self::Refused | Self::Silent | Self::Reset => b"",
            Self::RedirectLoop => {
                b"HTTP/1.1 307 R\r\nlocation: /\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            }
            Self::Broken => b"HTTP/1.1 500 E\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            Self::Html => {
                b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\nconnection: close\r\n\r\n<html>hi</html>"
            }
            Self::Truncated => b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"height\": 1",
            Self::Oversized => b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
            Self::BadChunk => {
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\nZZ\r\n"
            }
            Self::Dripping | Self::Endless => {
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            }
        }
    }
}

async fn listen() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, Url::parse(&url).unwrap())
}
