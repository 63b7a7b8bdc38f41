//! A TCP proxy on loopback that can do to a connection what networks do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Bytes that are forwarded at once.
const CHUNK_BYTES: usize = 64 << 10;

/// How often a stalled connection looks whether it may go on; there can be many.
const STALL_POLL: Duration = Duration::from_millis(20);

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Requests arrive; the connection is cut when the answer to one comes back, and nobody sees it.
    CutAnswers,
    /// The connection is cut after this many more bytes of requests, over all connections.
    CutRequestsAfter(usize),
    /// Connections are cut, and new ones are closed at once.
    Refuse,
    /// Connections stay and nothing arrives any more, in either direction, until [`FaultProxy::heal`].
    Stall,
    /// Every chunk of an answer waits this long.
    Delay(Duration),
}

/// A running proxy. It ends with the value.
pub struct FaultProxy {
    port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    target: u16,
    fault: Fault,
    ended: bool,
    streams: Vec<TcpStream>,
}

impl FaultProxy {
    /// Forwards connections to a port of 127.0.0.1.
    #[must_use]
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { target, fault: Fault::None, ended: false, streams: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let accepting = Arc::clone(&state);
        thread::spawn(move || accept(&listener, &accepting));
        Self { port, state }
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `url`, but through this proxy: its port is replaced.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let (before, after) = url.split_once("127.0.0.1:").expect("a URL of loopback");
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
        format!("{before}127.0.0.1:{}{after}", self.port)
    }

    /// From now on this goes wrong, and nothing else.
    pub fn set(&self, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        state.fault = fault;
        if fault == Fault::Refuse {
            state.cut();
        }
    }

    /// Leads to another port of 127.0.0.1 from now on, as a name does after a fail-over. Connections are cut.
    pub fn lead_to(&self, target: u16) {
        let mut state = self.state.lock().unwrap();
        state.target = target;
        state.cut();
    }

    /// From now on nothing goes wrong. Connections that were cut stay so.
    pub fn heal(&self) {
        self.set(Fault::None);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap();
        state.ended = true;
        state.cut();
        drop(state);
        let _ = TcpStream::connect(("127.0.0.1", self.port)); // so that the listener looks
    }
}

impl State {
    fn cut(&mut self) {
        for stream in self.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both); // an error: it is cut already
        }
    }
}

fn accept(listener: &TcpListener, state: &Arc<Mutex<State>>) {
    for client in listener.incoming().map_while(Result::ok) {
        let mut locked = state.lock().unwrap();
        if locked.ended {
            return;
        }
        if locked.fault == Fault::Refuse {
            continue; // dropping the client closes it
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", locked.target)) else {
            continue;
        };
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
            locked.streams.push(stream.try_clone().unwrap());
        }
        drop(locked);
        pump(client.try_clone().unwrap(), server.try_clone().unwrap(), state, request_fate);
        pump(server, client, state, answer_fate);
    }
}

/// What becomes of a chunk: how much of it passes, whether the connection is cut then.
type Fate = fn(&mut State, usize) -> Passes;

enum Passes {
    All,
    ThenCut(usize),
    Later(Duration),
    NotNow,
}

fn request_fate(state: &mut State, bytes: usize) -> Passes {
    match &mut state.fault {
        Fault::CutRequestsAfter(left) if *left <= bytes => Passes::ThenCut(*left),
        Fault::CutRequestsAfter(left) => {
            *left -= bytes;
            Passes::All
        }
        Fault::Stall => Passes::NotNow,
        _ => Passes::All,
    }
}

fn answer_fate(state: &mut State, _: usize) -> Passes {
    match state.fault {
        Fault::CutAnswers => Passes::ThenCut(0),
        Fault::Delay(time) => Passes::Later(time),
        Fault::Stall => Passes::NotNow,
        _ => Passes::All,
    }
}

/// Forwards one direction until an end is closed or the connection is cut.
fn pump(mut from: TcpStream, mut to: TcpStream, state: &Arc<Mutex<State>>, fate: Fate) {
    let state = Arc::clone(state);
    thread::spawn(move || {
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(bytes @ 1..) = from.read(&mut chunk) {
            let passes = wait_for_fate(&state, fate, bytes);
            let (bytes, cut) = match passes {
                Passes::ThenCut(bytes) => (bytes, true),
                _ => (bytes, false),
            };
            if to.write_all(&chunk[..bytes]).is_err() || cut {
                break;
            }
        }
        for stream in [from, to] {
            let _ = stream.shutdown(Shutdown::Both); // an error: it is cut already
        }
    });
}

fn wait_for_fate(state: &Mutex<State>, fate: Fate, bytes: usize) -> Passes {
    loop {
        let mut locked = state.lock().unwrap();
        if locked.ended {
            return Passes::ThenCut(0);
        }
        let passes = fate(&mut locked, bytes);
        drop(locked);
        match passes {
            Passes::NotNow => thread::sleep(STALL_POLL),
            Passes::Later(time) => {
                thread::sleep(time);
                return Passes::All;
            }
            decided => return decided,
        }
    }
}
