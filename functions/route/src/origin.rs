//! The address of a server that requests are pointed or passed to.
//!
//! Whatever a client puts into path and query, what comes out names this server: its base is fixed text
//! that ends before the first slash of the path, and nothing in front of that slash is the client's.

use axum::http::{HeaderValue, Uri, uri};
use rota_service::Setting;
use std::fmt::{self, Write as _};
use std::str::FromStr;

/// An absolute `http` or `https` URL without query, user or trailing slash; it may have a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    base: Box<str>,
    is_tls: bool,
}

/// A text that is no [`Origin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an absolute http or https URL without query and user")]
pub struct NotAnOrigin;

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let uri: Uri = text.parse().map_err(|_| NotAnOrigin)?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(NotAnOrigin),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.filter(|authority| !authority.host().is_empty());
        let path = uri.path().trim_end_matches('/');
        // Written back, it must be what came in, or two parties could read it differently.
        if uri.query().is_some() || text.contains('#') || !path.is_ascii() {
            return Err(NotAnOrigin);
        }
        let scheme = if is_tls { "https" } else { "http" };
        let base = format!("{scheme}://{}{path}", authority.ok_or(NotAnOrigin)?).into();
        Ok(Self { base, is_tls })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

impl Setting for Origin {
    const EXPECTS: &'static str = "an http or https URL without query and user";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Origin {
    /// Whether it is reached over TLS.
    pub(crate) const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whether a `Location` leads to this server.
    pub(crate) fn leads(&self, location: &str) -> bool {
        let rest = location.strip_prefix(&*self.base);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    }

    /// Path and query of a request at this server, as received.
    ///
    /// # Errors
    /// They are too long.
    pub(crate) fn uri(&self, asked: &Uri) -> Result<Uri, uri::InvalidUri> {
        Uri::from_maybe_shared([&self.base, path_and_query(asked)].concat())
    }

    /// The same as the text of a `Location`: what no URI in ASCII holds (RFC 3986 §2) is percent-encoded.
    pub(crate) fn location(&self, asked: &Uri) -> Option<HeaderValue> {
        let asked = path_and_query(asked);
        let mut text = String::with_capacity(self.base.len() + asked.len());
        text.push_str(&self.base);
        for byte in asked.bytes() {
            if byte.is_ascii_graphic() {
                text.push(char::from(byte));
            } else {
                // A String takes every write.
                let _ = write!(text, "%{byte:02X}");
            }
        }
        HeaderValue::try_from(text).ok()
    }
}

/// The same question for a page of at most so many bytes. One that gets too long by that stays as it is.
pub(crate) fn with_bytes_max(asked: &Uri, max: usize) -> Uri {
    let query = rota_wire::with_bytes_max(asked.query(), max);
    let path = path_and_query(asked).split('?').next().unwrap_or_default();
    Uri::from_maybe_shared(format!("{path}?{query}")).unwrap_or_else(|_| asked.clone())
}

/// What follows the origin in a request's target. `*` and what has no path name no resource: the root.
fn path_and_query(asked: &Uri) -> &str {
    let text = asked.path_and_query().map_or("/", uri::PathAndQuery::as_str);
    if text.starts_with('/') { text } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_leads_to_the_server_that_it_names_and_no_other() {
        let origin: Origin = "http://w.example:81".parse().unwrap();
        for location in ["http://w.example:81", "http://w.example:81/", "http://w.example:81/?a=b"]
        {
            assert!(origin.leads(location), "{location}");
        }
        for location in ["", "/", "http://w.example:811/", "http://w.example:81@evil.example/"] {
            assert!(!origin.leads(location), "{location}");
        }
    }

    fn location(origin: &str, asked: &str) -> String {
        let origin: Origin = origin.parse().unwrap();
        let location = origin.location(&asked.parse().unwrap()).unwrap();
        location.to_str().unwrap().to_owned()
    }

    #[test]
    fn path_and_query_are_kept_as_they_came() {
        for asked in [
            "/",
            "/a/b?c=d&e=%20+",
            "/%2e%2e/../a//b",
            "//evil.example/a",
            "/\\evil.example",
            "/@evil.example",
            "/?//evil.example",
            "/a|b{c}\"",
        ] {
            assert_eq!(location("https://w.example", asked), format!("https://w.example{asked}"));
        }
        assert_eq!(location("http://w.example:81/su/", "/a"), "http://w.example:81/su/a");
    }

    #[test]
    fn a_page_that_is_held_as_a_whole_is_asked_for_in_fewer_bytes() {
        for (asked, expected) in [
            ("/a", "/a?bytes-max=9"),
            ("/a?limit=1", "/a?limit=1&bytes-max=9"),
            ("http://other.example/a?limit=1", "/a?limit=1&bytes-max=9"),
        ] {
            assert_eq!(with_bytes_max(&asked.parse().unwrap(), 9), expected);
        }
        let long: Uri = format!("/a?{}", "x".repeat(65_520)).parse().unwrap();
        assert_eq!(with_bytes_max(&long, 9), long);
    }

    #[test]
    fn nobody_but_the_writer_is_named() {
        for (asked, expected) in [
            ("http://evil.example/a?b", "http://w.example/a?b"),
            ("http://evil.example", "http://w.example/"),
            ("*", "http://w.example/"),
            ("evil.example:443", "http://w.example/"),
            ("/caf\u{e9}?\u{1F600}", "http://w.example/caf%C3%A9?%F0%9F%98%80"),
        ] {
            assert_eq!(location("http://w.example", asked), expected, "{asked}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_origin() {
        for text in [
            "",
            "w.example",
            "//w.example",
            "ftp://w.example",
            "http://",
            "http://:80",
            "http://a@w.example",
            "http://w.example?a",
            "http://w.example/#a",
            "http://w.example\r\nx: y",
            "/a",
            "*",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(NotAnOrigin), "{text:?}");
        }
        for text in ["http://127.0.0.1:9000", "https://w.example/", "http://[::1]:80"] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!(origin.to_string(), text.trim_end_matches('/'));
            assert_eq!(origin.is_tls(), text.starts_with("https"));
        }
    }

    #[test]
    fn what_is_asked_there_is_what_was_asked_here() {
        let origin: Origin = "http://w.example:81/su".parse().unwrap();
        let asked = "//evil.example/%2e/?a=b".parse().unwrap();
        let uri = origin.uri(&asked).unwrap();
        assert_eq!(uri.authority().unwrap(), "w.example:81");
        assert_eq!(uri.path_and_query().unwrap(), "/su//evil.example/%2e/?a=b");
        let long = format!("/{}", "x".repeat(65_530)).parse().unwrap();
        assert!(origin.uri(&long).is_err());
    }
}
