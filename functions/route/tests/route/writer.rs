//! A writer that notes what reaches it, and answers as it is told.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use parking_lot::Mutex;
use rota_service::{Server, ServerLimits, Stop};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// The most bytes of a body that it takes.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

type Answer = dyn Fn(&Arrived) -> Response + Send + Sync;

/// A running writer. It ends with the value.
pub(crate) struct Writer {
    pub(crate) url: String,
    shared: Arc<Shared>,
    stop: Stop,
}

struct Shared {
    arrived: Mutex<Vec<Arrived>>,
    answer: Mutex<Arc<Answer>>,
}

impl Writer {
    /// One that says its name in JSON.
    pub(crate) fn start(name: &str) -> Self {
        let name = name.to_owned();
        Self::answering(move |_| {
            let body = format!("{{\"writer\":\"{name}\"}}");
            ([("content-type", "application/json")], body).into_response()
        })
    }

    /// One that answers so.
    pub(crate) fn answering(answer: impl Fn(&Arrived) -> Response + Send + Sync + 'static) -> Self {
        let answer: Arc<Answer> = Arc::new(answer);
        let shared = Arc::new(Shared { arrived: Mutex::default(), answer: Mutex::new(answer) });
        let app = Router::new().fallback(arrive).with_state(Arc::clone(&shared));
        let (url, stop) = serve(app);
        Self { url, shared, stop }
    }

    /// From now on it answers so.
    pub(crate) fn answer(&self, answer: impl Fn(&Arrived) -> Response + Send + Sync + 'static) {
        *self.shared.answer.lock() = Arc::new(answer);
    }

    /// What has arrived since the last time.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        std::mem::take(&mut self.shared.arrived.lock())
    }

    /// The one request that has arrived since the last time.
    #[track_caller]
    pub(crate) fn one(&self) -> Arrived {
        let mut arrived = self.arrived();
        assert_eq!(arrived.len(), 1, "{arrived:?}");
        arrived.remove(0)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.trigger();
    }
}

async fn arrive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return Response::new(Body::empty()); // nobody is there any more
    };
    let arrived = Arrived { method: parts.method, uri: parts.uri, headers: parts.headers, body };
    let answer = Arc::clone(&shared.answer.lock());
    let response = answer(&arrived);
    shared.arrived.lock().push(arrived);
    response
}

/// Serves on loopback until the stop; gives the URL.
pub(crate) fn serve(app: Router) -> (String, Stop) {
    let stop = Stop::new();
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(anywhere, ServerLimits::default()).unwrap();
    let url = format!("http://{}", server.local_addr());
    let until = stop.wait();
    tokio::spawn(async move { server.run(app, until).await.unwrap() });
    (url, stop)
}

/// A server of whatever: `act` gets each connection once the head of its first request has been read.
pub(crate) fn raw(act: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            act(stream);
        }
    });
    url
}

/// Writes as far as it can: the other side may be gone.
pub(crate) fn write(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}
