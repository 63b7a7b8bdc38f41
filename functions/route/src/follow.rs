//! Passing a request on until a writer answers it: no client of a proxy is pointed elsewhere.
//!
//! Writers pass on among themselves what is no more theirs, so most requests are answered at once. What is
//! left are writers of another version, and those that are gone. A redirect is followed only to a writer of
//! the list, never to a host that an answer makes up; and only [`STEPS_MAX`] servers are asked.

use crate::RouteState;
use crate::proxy::Passing;
use crate::writers::Target;
use axum::body::Body;
use axum::http::{HeaderName, Method, StatusCode, header, request};
use axum::response::Response;
use bytes::Bytes;
use rota_schedule::{Directory, ProcessId, WriterName};
use rota_wire::ApiError;

/// Servers that are asked for one request.
const STEPS_MAX: usize = 3;
/// Which writer has answered a POST, if another one passed it on.
const ANSWERED_BY: HeaderName = HeaderName::from_static("x-rota-writer");

/// Where an answer says that the request belongs.
enum Told {
    /// Nowhere else: this is the answer.
    Here,
    /// At a writer that is known.
    There(Target),
    /// At a host that is not.
    Elsewhere,
}

impl<D: Directory> RouteState<D> {
    /// Passes a write on to a writer. If that one is gone, or points elsewhere because the process was
    /// moved, the write follows the process, provided that `again` is its whole body.
    ///
    /// # Errors
    /// No writer has answered.
    pub(crate) async fn deliver(
        &self,
        process: ProcessId,
        to: &Target,
        asked: &request::Parts,
        body: Passing,
        again: Option<Bytes>,
    ) -> Result<Response, ApiError> {
        let (mut to, mut body) = (to.clone(), body);
        for _ in 1..STEPS_MAX {
            let passed = self.pass(&to, asked, body).await;
            let failed = match passed {
                Ok(answer) => match self.told(&asked.method, &answer) {
                    Told::Here => return Ok(self.learn(process, answer)),
                    Told::There(there) => {
                        self.owners.put(process, there.writer);
                        ApiError::Moving
                    }
                    Told::Elsewhere => {
                        self.owners.forget(&process);
                        ApiError::Moving
                    }
                },
                // Nothing was sent.
                Err(error @ ApiError::BadGateway(_)) => {
                    self.owners.forget(&process);
                    error
                }
                Err(error) => return Err(error),
            };
            let Some(again) = &again else { return Err(failed) };
            match self.owner_target(process).await {
                Ok(now) if now.origin != to.origin => to = now,
                Ok(_) | Err(_) => return Err(failed),
            }
            body = Passing::whole(again.clone());
        }
        let answer = self.pass(&to, asked, body).await?;
        match self.told(&asked.method, &answer) {
            Told::Here => Ok(self.learn(process, answer)),
            Told::There(_) | Told::Elsewhere => Err(ApiError::Moving),
        }
    }

    /// Passes a question on, to another writer if the first one points there.
    ///
    /// # Errors
    /// Nobody has answered.
    pub(crate) async fn ask(
        &self,
        to: &Target,
        asked: &request::Parts,
    ) -> Result<Response, ApiError> {
        let mut to = to.clone();
        for _ in 0..STEPS_MAX {
            let answer = self.pass(&to, asked, Passing::none()).await?;
            match self.told(&asked.method, &answer) {
                Told::Here => return Ok(answer),
                Told::There(there) if there.origin != to.origin => to = there,
                Told::There(_) | Told::Elsewhere => break,
            }
        }
        tracing::warn!(url = %to.origin, "a question was answered with a redirect to no writer");
        Err(ApiError::BadGateway(to.title()))
    }

    fn told(&self, method: &Method, answer: &Response) -> Told {
        let status = answer.status();
        if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
            return Told::Here;
        }
        let location = answer.headers().get(header::LOCATION);
        let location = location.and_then(|location| location.to_str().ok()).unwrap_or_default();
        // A page may have moved within the server that shows it; a client finds it by way of this one.
        if method != Method::POST && location.starts_with(['/', '.']) && !location.contains("//") {
            return Told::Here;
        }
        self.writers.led_to(location).map_or(Told::Elsewhere, Told::There)
    }

    /// Notes which writer has answered, so that the next request goes there at once.
    fn learn(&self, process: ProcessId, mut answer: Response<Body>) -> Response<Body> {
        let Some(by) = answer.headers_mut().remove(ANSWERED_BY) else { return answer };
        let name: Option<WriterName> = by.to_str().ok().and_then(|name| name.parse().ok());
        if let Some(name) = name.filter(|name| self.writers.target(name).is_some()) {
            self.owners.put(process, Some(name));
        }
        answer
    }
}
