//! Which trace a request belongs to: W3C Trace Context (`traceparent`), or what AWS puts in front of it
//! (`X-Amzn-Trace-Id`), or a new one.
//!
//! Whatever a client sends is bounded and checked byte by byte; what is not exactly of the form is as if it
//! had not come.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;

/// The trace that a request belongs to (W3C Trace Context §3.2).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What vendors add; it goes with a `traceparent` or not at all (§3.3).
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The trace that an answer belongs to (W3C Trace Context, level 2, §4).
pub const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");
/// The same as API Gateway, load balancers and Lambda send it.
pub const AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// The most bytes of `X-Amzn-Trace-Id` that are looked at.
const AMZN_BYTES_MAX: usize = 512;
/// `00-<32>-<16>-<2>`.
const TRACEPARENT_BYTES: usize = 55;
/// The bit of the flags that says that the trace is recorded.
const SAMPLED: u8 = 1;

/// The id of a trace: 16 bytes, not all zero; shown in lower-case hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub(super) u128);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The id of a span: 8 bytes, not all zero; shown in lower-case hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(pub(super) u64);

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a request came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Incoming {
    pub(super) trace: TraceId,
    /// The span of the caller, if it has one.
    pub(super) parent: Option<SpanId>,
    /// Whether the caller records the trace; `None` if it leaves that to us.
    pub(super) sampled: Option<bool>,
}

impl Incoming {
    /// Reads what there is; `traceparent` wins. Takes away a `tracestate` that is not of this trace.
    pub(super) fn of(headers: &mut HeaderMap) -> Option<Self> {
        let parent = one(headers, &TRACEPARENT).and_then(traceparent);
        if parent.is_none() {
            headers.remove(TRACESTATE);
        }
        parent.or_else(|| one(headers, &AMZN_TRACE_ID).and_then(amzn))
    }
}

/// The value of a field that is there once. Of two, which?
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value.as_bytes())
}

/// `version-traceid-parentid-flags`; a later version may have more behind that (§3.2.1).
fn traceparent(value: &[u8]) -> Option<Incoming> {
    let (head, rest) = value.split_at_checked(TRACEPARENT_BYTES)?;
    let (version, flags) = (hex(&head[..2])?, hex(&head[53..])?);
    let is_known = version == 0 && rest.is_empty();
    let is_later = version != 0 && version != 0xff && rest.first().is_none_or(|byte| *byte == b'-');
    let dashes = [head[2], head[35], head[52]] == [b'-'; 3];
    if !dashes || !(is_known || is_later) {
        return None;
    }
    let trace = hex(&head[3..35]).filter(|id| *id != 0)?;
    let parent = hex(&head[36..52]).filter(|id| *id != 0)?;
    let sampled = flags & u128::from(SAMPLED) != 0;
    let parent = SpanId(u64::try_from(parent).ok()?);
    Some(Incoming { trace: TraceId(trace), parent: Some(parent), sampled: Some(sampled) })
}

/// `Root=1-<8>-<24>;Parent=<16>;Sampled=1`, of which all but the root may be absent.
fn amzn(value: &[u8]) -> Option<Incoming> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= AMZN_BYTES_MAX)?;
    let field = |name: &str| {
        let fields = text.split(';').filter_map(|field| field.trim().split_once('='));
        fields.filter(|(found, _)| *found == name).map(|(_, value)| value).next()
    };
    let (seconds, rest) = field("Root")?.strip_prefix("1-")?.split_once('-')?;
    if (seconds.len(), rest.len()) != (8, 24) {
        return None;
    }
    let trace = (hex(seconds.as_bytes())? << 96) | hex(rest.as_bytes())?;
    let parent = field("Parent").filter(|id| id.len() == 16).and_then(|id| hex(id.as_bytes()));
    let parent = parent.and_then(|id| u64::try_from(id).ok()).filter(|id| *id != 0);
    let sampled = match field("Sampled") {
        Some("1") => Some(true),
        Some("0") => Some(false),
        _ => None,
    };
    let trace = Some(trace).filter(|id| *id != 0)?;
    Some(Incoming { trace: TraceId(trace), parent: parent.map(SpanId), sampled })
}

/// Lower-case hex of at most 32 digits, as the standard has it.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some((number << 4) | u128::from(value))
    })
}

/// `traceparent` or `traceresponse` of a span.
pub(super) fn header(trace: TraceId, span: SpanId, sampled: bool) -> Option<HeaderValue> {
    let mut text = [b'-'; TRACEPARENT_BYTES];
    write_hex(&mut text[..2], 0);
    write_hex(&mut text[3..35], trace.0);
    write_hex(&mut text[36..52], u128::from(span.0));
    write_hex(&mut text[53..], u128::from(u8::from(sampled) * SAMPLED));
    HeaderValue::from_bytes(&text).ok()
}

/// Fills `into` with the lowest digits of a number: each answer has one, and `format!` takes five times as long.
fn write_hex(into: &mut [u8], mut number: u128) {
    for digit in into.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

/// An id that nobody has. Zero stands for none, so it is none.
pub(super) fn new_trace() -> TraceId {
    TraceId(rand::random::<u128>().max(1))
}

/// An id that nobody has.
pub(super) fn new_span() -> SpanId {
    SpanId(rand::random::<u64>().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn of(name: &'static str, value: &str) -> Option<Incoming> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        Incoming::of(&mut headers)
    }

    #[test]
    fn a_caller_s_trace_goes_on() {
        for (flags, sampled) in [("01", true), ("00", false), ("ff", true), ("02", false)] {
            let found = of("traceparent", &format!("00-{TRACE}-{SPAN}-{flags}")).unwrap();
            assert_eq!((found.trace.to_string(), found.sampled), (TRACE.to_owned(), Some(sampled)));
            assert_eq!(found.parent.unwrap().to_string(), SPAN);
            let told = header(found.trace, found.parent.unwrap(), sampled).unwrap();
            assert_eq!(told, format!("00-{TRACE}-{SPAN}-0{}", u8::from(sampled)).as_str());
        }
        assert!(of("traceparent", &format!("cc-{TRACE}-{SPAN}-01-what-comes-later")).is_some());
    }

    #[test]
    fn what_is_not_exactly_a_traceparent_is_none() {
        let zeros = ("0".repeat(32), "0".repeat(16));
        for hostile in [
            String::new(),
            "00".to_owned(),
            "x".repeat(60_000),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("cc-{TRACE}-{SPAN}-01more"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{}-{SPAN}-01", zeros.0),
            format!("00-{TRACE}-{}-01", zeros.1),
            format!("00_{TRACE}_{SPAN}_01"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00-{TRACE}-{SPAN}-0\u{e9}"),
            format!("00-{}\u{e9}-{SPAN}-01", &TRACE[2..]),
        ] {
            assert_eq!(of("traceparent", &hostile), None, "{hostile}");
        }
        let mut twice = HeaderMap::new();
        for _ in 0..2 {
            twice.append(TRACEPARENT, format!("00-{TRACE}-{SPAN}-01").parse().unwrap());
        }
        assert_eq!(Incoming::of(&mut twice), None);
    }

    #[test]
    fn what_vendors_add_goes_with_the_trace_that_it_came_with() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
        for (name, value, kept) in
            [("traceparent", parent.as_str(), true), ("x-amzn-trace-id", root, false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            headers.insert(TRACESTATE, "vendor=1".parse().unwrap());
            assert!(Incoming::of(&mut headers).is_some());
            assert_eq!(headers.contains_key(TRACESTATE), kept, "{name}");
        }
    }

    #[test]
    fn what_aws_puts_in_front_is_understood() {
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
        let trace = "5759e988bd862e3fe1be46a994272793";
        for (value, parent, sampled) in [
            (root.to_owned(), None, None),
            (format!("{root};Parent={SPAN};Sampled=1"), Some(SPAN), Some(true)),
            (format!("Self=1-2-3; {root} ;Sampled=0;Lineage=a:1|b:0"), None, Some(false)),
            (format!("{root};Parent=nonsense;Sampled=?"), None, None),
        ] {
            let found = of("x-amzn-trace-id", &value).unwrap();
            assert_eq!(found.trace.to_string(), trace, "{value}");
            assert_eq!(found.parent.map(|id| id.to_string()).as_deref(), parent, "{value}");
            assert_eq!(found.sampled, sampled, "{value}");
        }
        for hostile in [
            "Root=",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a99427279",
            "Root=1-00000000-000000000000000000000000",
            "Parent=00f067aa0ba902b7",
            &format!("{}{root}", ";".repeat(AMZN_BYTES_MAX)),
        ] {
            assert_eq!(of("x-amzn-trace-id", hostile), None, "{hostile}");
        }
    }
}
