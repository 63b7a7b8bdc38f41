//! The HTTP/1.1 server: an accept loop over hyper with every limit a public port needs.
//!
//! One task a connection, and nothing around the router that a request would pay for. Limits: the number
//! of connections (a further one takes the place of the one that has idled longest), the time and bytes for a
//! request's head, the time that a connection may idle, the time an answer may lie unread, and the time
//! running requests get to finish when the server stops. How long a *body* may take is for the handler
//! to say, with [`crate::read_body`]. A request with a body carries who sends it, as a [`Peer`] among its
//! extensions.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::Service;

use crate::budget::Peer;
use crate::guests::{Guests, Seat};
use crate::leftover::WholeBody;
use crate::stall::WriteStall;

/// Connections that may wait in the kernel's queue before they are accepted. The usual 128 overflow when
/// some hundred clients come at once, and whoever is dropped there tries again only after a second.
const BACKLOG: u32 = 4096;
/// The most bytes a request's head may have; also the most that one read of a body takes in.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How long accepting pauses after an error that time may heal, such as too many open files.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// How long one that was asked to leave may take before the next one is asked, too: it may be at work.
const LEAVE_MAX: Duration = Duration::from_millis(10);

/// Longer than load balancers (AWS's: 60 s) and clients' pools keep connections that nobody uses: whoever
/// closes first may meet a request on its way, which the other side then takes for lost.
pub const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(75);

/// The limits of a [`Server`].
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// The longest time from the first byte a connection could send to the end of its first request's head.
    pub header_timeout: Duration,
    /// The longest time from the end of an answer to the end of the next request's head.
    pub idle_timeout: Duration,
    /// The longest time in which a client takes no byte of an answer that waits for it.
    pub write_stall: Duration,
    /// The most connections served at once. One more waits for a slot, which the one gives up that has idled
    /// longest.
    pub connections_max: usize,
    /// How long running requests may still take once the server stops.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            idle_timeout: IDLE_TIMEOUT_DEFAULT,
            write_stall: Duration::from_secs(60),
            connections_max: 4096,
            drain: Duration::from_secs(5),
        }
    }
}

/// A listening server that serves nobody yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    limits: ServerLimits,
}

impl Server {
    /// Listens at `address`; port 0 picks a free one. To be called within a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened at.
    pub fn bind(address: SocketAddr, limits: ServerLimits) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, limits })
    }

    /// Another server at the same socket. Whoever connects while neither of them runs waits for the next one
    /// to run.
    ///
    /// # Errors
    /// No file is left to open.
    pub fn again(&self) -> io::Result<Self> {
        let socket = std::net::TcpListener::from(self.listener.as_fd().try_clone_to_owned()?);
        let listener = TcpListener::from_std(socket)?;
        Ok(Self { listener, address: self.address, limits: self.limits })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves `app` until `stop`, then lets running requests finish for [`ServerLimits::drain`] and cuts
    /// the rest.
    ///
    /// # Errors
    /// The socket stopped listening. Any other failure to accept is logged and tried again.
    pub async fn run(self, app: Router, stop: impl Future<Output = ()>) -> io::Result<()> {
        let Self { listener, limits, .. } = self;
        let mut serving = Serving::new(app, &limits);
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                next = serving.accept(&listener) => {
                    let (stream, slot) = next?;
                    serving.spawn(stream, slot);
                }
            }
        }
        drop(listener);
        serving.drain(limits.drain).await;
        Ok(())
    }
}

/// The connections being served, and what is needed to serve another.
struct Serving {
    app: Router,
    http: http1::Builder,
    header_timeout: Duration,
    write_stall: Duration,
    slots: Arc<Semaphore>,
    guests: Guests,
    connections: JoinSet<()>,
}

impl Serving {
    fn new(app: Router, limits: &ServerLimits) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.idle_timeout)
            .keep_alive(true)
            .max_buf_size(HEAD_BYTES_MAX);
        Self {
            // Prepares the routes once instead of at every request.
            app: app.with_state(()),
            http,
            header_timeout: limits.header_timeout,
            write_stall: limits.write_stall,
            slots: Arc::new(Semaphore::new(limits.connections_max)),
            guests: Guests::default(),
            connections: JoinSet::new(),
        }
    }

    /// The next connection, once there is a slot for it.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
        let stream = self.accept_one(listener).await?;
        loop {
            let slot = Arc::clone(&self.slots);
            if let Ok(slot) = Arc::clone(&slot).try_acquire_owned() {
                return Ok((stream, slot));
            }
            self.guests.ask_one_to_leave();
            if let Ok(slot) = timeout(LEAVE_MAX, slot.acquire_owned()).await {
                return Ok((stream, slot.map_err(io::Error::other)?));
            }
        }
    }

    async fn accept_one(&self, listener: &TcpListener) -> io::Result<TcpStream> {
        loop {
            let error = match listener.accept().await {
                Ok((stream, _)) => return Ok(stream),
                Err(error) => error,
            };
            match error.kind() {
                // The client gave up before it was accepted.
                io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => {}
                io::ErrorKind::InvalidInput => return Err(error),
                _ => {
                    tracing::error!(%error, "cannot accept connections, trying again");
                    // It may be files that are short, and this frees one.
                    self.guests.ask_one_to_leave();
                    sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }

    fn spawn(&mut self, stream: TcpStream, slot: OwnedSemaphorePermit) {
        while self.connections.try_join_next().is_some() {}
        let (app, http) = (self.app.clone(), self.http.clone());
        let (seat, header_timeout) = (self.guests.arrive(), self.header_timeout);
        // An answer is written whole, so waiting to fill a packet only delays it. Not worth failing over.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        // One that is gone already has no address.
        let peer = stream.peer_addr().ok().map(|address| Peer::from(address.ip()));
        let io = TokioIo::new(WriteStall::new(stream, self.write_stall));
        self.connections.spawn(async move {
            serve(io, peer, &http, &seat, app, header_timeout).await;
            drop((seat, slot));
        });
    }

    /// Closes idle connections, waits for busy ones, and aborts those left after `limit`.
    async fn drain(mut self, limit: Duration) {
        self.guests.ask_all_to_leave();
        let ended = async { while self.connections.join_next().await.is_some() {} };
        if timeout(limit, ended).await.is_err() {
            while self.connections.try_join_next().is_some() {}
            tracing::warn!(connections = self.connections.len(), "cut off after the drain time");
        }
        self.connections.shutdown().await;
    }
}

async fn serve(
    io: TokioIo<WriteStall<TcpStream>>,
    peer: Option<Peer>,
    http: &http1::Builder,
    seat: &Seat,
    app: Router,
    header_timeout: Duration,
) {
    // A router is always ready, so it is called without being asked.
    let service = service_fn(|request: hyper::Request<Incoming>| {
        seat.asks();
        let mut request = WholeBody::of(request);
        if let Some(peer) = peer.filter(|_| !request.body().is_end_stream()) {
            request.extensions_mut().insert(peer);
        }
        app.clone().call(request)
    });
    let mut connection = pin!(http.serve_connection(io, service));
    let mut late = pin!(sleep(header_timeout));
    let (mut is_new, mut stays) = (true, true);
    let ended = loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => break ended,
            () = seat.leaves(), if stays => {
                stays = false;
                connection.as_mut().graceful_shutdown();
            }
            () = late.as_mut(), if is_new => {
                if !seat.has_asked() {
                    return tracing::debug!("a connection that asked for nothing");
                }
                is_new = false;
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
