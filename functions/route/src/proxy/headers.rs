//! The fields that are between two neighbours and go no further (RFC 9110 §7.6.1), and those that a
//! proxy adds. `X-Forwarded-For` goes on as it came: it is the balancer's in front, and no writer acts on it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// What `Via` says of this hop (RFC 9110 §7.6.3).
const VIA: &str = "1.1 rota-router";
/// Who was asked for before `Host` was made the server's.
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Fields of one hop whatever `Connection` says. `Expect` is answered here; bodies are framed anew.
const OF_ONE_HOP: [HeaderName; 11] = [
    header::CONNECTION,
    header::EXPECT,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Whether a request has been here before: a writer's URL, or `READ_URL`, leads back to a router.
pub(crate) fn goes_in_circles(headers: &HeaderMap) -> bool {
    let via = headers.get_all(header::VIA).iter().filter_map(|via| via.to_str().ok());
    via.flat_map(|via| via.split(',')).any(|hop| hop.trim() == VIA)
}

/// The fields of a request as they go on. `Host` and the length are the new connection's to say.
pub(crate) fn of_request(mut headers: HeaderMap) -> HeaderMap {
    drop_hop(&mut headers);
    headers.remove(header::CONTENT_LENGTH);
    if let Some(host) = headers.remove(header::HOST) {
        headers.entry(FORWARDED_HOST).or_insert(host);
    }
    headers.append(header::VIA, HeaderValue::from_static(VIA));
    headers
}

/// The fields of an answer as they go back.
pub(crate) fn of_answer(headers: &mut HeaderMap) {
    drop_hop(headers);
    headers.append(header::VIA, HeaderValue::from_static(VIA));
}

fn drop_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|names| names.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&OF_ONE_HOP) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field =
            |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let mut headers = HeaderMap::new();
        for (name, value) in fields.iter().map(field) {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn what_is_of_one_hop_goes_no_further() {
        let mut sent = headers(&[
            ("connection", "close, X-Mine ,, bad name"),
            ("connection", "keep-alive"),
            ("x-mine", "1"),
            ("x-theirs", "2"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "secret"),
            ("expect", "100-continue"),
            ("content-length", "5"),
            ("accept", "*/*"),
            ("host", "router.example"),
        ]);
        let passed = of_request(sent.clone());
        assert_eq!(
            passed,
            headers(&[
                ("x-theirs", "2"),
                ("accept", "*/*"),
                ("x-forwarded-host", "router.example"),
                ("via", "1.1 rota-router"),
            ])
        );
        of_answer(&mut sent);
        assert_eq!(sent.get("content-length").unwrap(), "5", "HEAD has no body to measure");
        assert!(sent.get("x-mine").is_none() && sent.get("upgrade").is_none());
    }

    #[test]
    fn who_was_asked_first_stays_known_and_a_circle_is_noticed() {
        let sent = headers(&[("host", "b"), ("x-forwarded-host", "a"), ("via", "1.0 fred")]);
        let passed = of_request(sent.clone());
        assert_eq!(passed["x-forwarded-host"], "a");
        assert_eq!(passed.get_all("via").iter().count(), 2);
        assert!(goes_in_circles(&passed) && !goes_in_circles(&sent));
        assert!(goes_in_circles(&headers(&[("via", "1.0 fred, 1.1 rota-router")])));
    }
}
