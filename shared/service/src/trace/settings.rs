//! Whether traces are exported, where to and how many: OpenTelemetry's own variables.

use crate::config::{ConfigError, Env, Setting};
use axum::http::{HeaderName, HeaderValue};
use url::Url;

/// Where spans go below an endpoint (OTLP/HTTP).
const TRACES_PATH: &str = "v1/traces";

/// How traces are exported.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` with the path of traces; `None`: nothing is exported.
    pub(super) endpoint: Option<Url>,
    /// `OTEL_EXPORTER_OTLP_HEADERS`.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// `OTEL_SERVICE_NAME`, or else the program's own.
    pub(super) service: String,
    /// `OTEL_RESOURCE_ATTRIBUTES`.
    pub(super) resource: Vec<(String, String)>,
    /// `OTEL_TRACES_SAMPLER` and its argument.
    pub(super) sampler: Sampler,
}

impl TraceSettings {
    /// Reads them all; `service` is the name of this program unless it is given another.
    ///
    /// # Errors
    /// One is malformed.
    pub fn read(env: &mut Env, service: &str) -> Result<Self, ConfigError> {
        let endpoint = env.get::<Endpoint>("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        env.or("OTEL_EXPORTER_OTLP_PROTOCOL", Protocol)?;
        let headers = env.secret::<Headers>("OTEL_EXPORTER_OTLP_HEADERS")?;
        let service = env.or("OTEL_SERVICE_NAME", service.to_owned())?;
        let resource = env.get::<Pairs>("OTEL_RESOURCE_ATTRIBUTES")?;
        let kind = env.or("OTEL_TRACES_SAMPLER", Kind::ParentRatio)?;
        let Ratio(ratio) = env.or("OTEL_TRACES_SAMPLER_ARG", Ratio(1.0))?;
        Ok(Self {
            endpoint: endpoint.map(|endpoint| endpoint.0),
            headers: headers.map(|headers| headers.0).unwrap_or_default(),
            service,
            resource: resource.map(|pairs| pairs.0).unwrap_or_default(),
            sampler: Sampler { kind, ratio },
        })
    }
}

/// Which traces are recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sampler {
    kind: Kind,
    ratio: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    On,
    Off,
    Ratio,
    ParentOn,
    ParentOff,
    ParentRatio,
}

impl Sampler {
    /// Whether a trace is recorded, of which the caller may have said something. Everybody who decides by a
    /// ratio decides alike, since the id decides (OpenTelemetry, TraceIdRatioBased).
    pub(super) fn samples(self, trace: u128, parent: Option<bool>) -> bool {
        const SCALE: f64 = (1_u64 << 63) as f64;
        let by_ratio = || ((trace as u64) >> 1) < (self.ratio * SCALE) as u64;
        match (self.kind, parent) {
            (Kind::On, _) | (Kind::ParentOn, None) => true,
            (Kind::Off, _) | (Kind::ParentOff, None) => false,
            (Kind::Ratio, _) | (Kind::ParentRatio, None) => by_ratio(),
            (Kind::ParentOn | Kind::ParentOff | Kind::ParentRatio, Some(parent)) => parent,
        }
    }
}

const KINDS: [(&str, Kind); 6] = [
    ("always_on", Kind::On),
    ("always_off", Kind::Off),
    ("traceidratio", Kind::Ratio),
    ("parentbased_always_on", Kind::ParentOn),
    ("parentbased_always_off", Kind::ParentOff),
    ("parentbased_traceidratio", Kind::ParentRatio),
];

impl Setting for Kind {
    const EXPECTS: &'static str =
        "always_on, always_off, traceidratio, or one of these behind parentbased_";

    fn parse(text: &str) -> Option<Self> {
        KINDS.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind)
    }

    fn show(&self) -> String {
        let name = KINDS.iter().find(|(_, kind)| kind == self).map(|(name, _)| *name);
        name.unwrap_or_default().to_owned()
    }
}

/// A share from 0 to 1.
struct Ratio(f64);

impl Setting for Ratio {
    const EXPECTS: &'static str = "a number from 0 to 1";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).map(Self)
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// The one encoding that is spoken.
struct Protocol;

impl Setting for Protocol {
    const EXPECTS: &'static str = "http/json";

    fn parse(text: &str) -> Option<Self> {
        (text == Self::EXPECTS).then_some(Self)
    }

    fn show(&self) -> String {
        Self::EXPECTS.to_owned()
    }
}

/// A collector's base with the path of traces behind it.
struct Endpoint(Url);

impl Setting for Endpoint {
    const EXPECTS: &'static str = "an http or https URL";

    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_known = matches!(url.scheme(), "http" | "https") && url.query().is_none();
        let base = url.as_str().trim_end_matches('/');
        is_known.then(|| Url::parse(&format!("{base}/{TRACES_PATH}")).ok().map(Self))?
    }

    fn show(&self) -> String {
        Setting::show(&self.0) // without the password
    }
}

/// `name=value,name=value`, the values percent-encoded (W3C Baggage).
struct Pairs(Vec<(String, String)>);

impl Setting for Pairs {
    const EXPECTS: &'static str = "name=value, several separated by commas";

    fn parse(text: &str) -> Option<Self> {
        let pair = |part: &str| {
            let (name, value) = part.split_once('=')?;
            Some((decoded(name.trim())?, decoded(value.trim())?))
        };
        text.split(',').map(pair).collect::<Option<_>>().map(Self)
    }

    fn show(&self) -> String {
        let pairs: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join(",")
    }
}

/// The same as HTTP fields.
struct Headers(Vec<(HeaderName, HeaderValue)>);

impl Setting for Headers {
    const EXPECTS: &'static str = Pairs::EXPECTS;

    fn parse(text: &str) -> Option<Self> {
        let Pairs(pairs) = Pairs::parse(text)?;
        let field = |(name, value): (String, String)| {
            let mut value = HeaderValue::try_from(value).ok()?;
            value.set_sensitive(true); // nothing that shows fields shows it
            Some((HeaderName::try_from(name).ok()?, value))
        };
        pairs.into_iter().map(field).collect::<Option<_>>().map(Self)
    }

    fn show(&self) -> String {
        crate::config::MASK.to_owned()
    }
}

/// Text with its percent escapes undone; `None` if one is none, or the bytes are no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<TraceSettings, ConfigError> {
        TraceSettings::read(&mut Env::from_pairs(pairs.iter().copied()), "rota-test")
    }

    #[test]
    fn the_standard_variables_are_read() {
        let none = read(&[]).unwrap();
        assert_eq!((none.endpoint, none.service.as_str()), (None, "rota-test"));
        let all = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20a2V5, x-tenant = 7"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_SERVICE_NAME", "mine"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=prod,zone=eu%2C1"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ])
        .unwrap();
        assert_eq!(all.endpoint.unwrap().as_str(), "http://collector:4318/v1/traces");
        assert_eq!(all.headers[0].1, "Basic a2V5");
        assert_eq!(all.headers[1].0, "x-tenant");
        assert_eq!(all.resource[1], ("zone".to_owned(), "eu,1".to_owned()));
        assert_eq!((all.service.as_str(), all.sampler.ratio), ("mine", 0.25));
        assert!(!format!("{:?}", all.headers).contains("a2V5"));
    }

    #[test]
    fn wrong_values_are_named_and_secrets_are_not_shown() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=secret%0"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
            ("OTEL_TRACES_SAMPLER_ARG", "nan"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn samplers_decide_as_opentelemetry_says() {
        let sampler = |kind, ratio| Sampler { kind, ratio };
        for trace in [1, u128::MAX] {
            assert!(sampler(Kind::On, 0.0).samples(trace, Some(false)));
            assert!(!sampler(Kind::Off, 1.0).samples(trace, Some(true)));
            assert!(sampler(Kind::ParentOn, 0.0).samples(trace, None));
            assert!(!sampler(Kind::ParentOff, 1.0).samples(trace, None));
            for parent in [true, false] {
                for kind in [Kind::ParentOn, Kind::ParentOff, Kind::ParentRatio] {
                    assert_eq!(sampler(kind, 0.5).samples(trace, Some(parent)), parent);
                }
            }
        }
        let quarter = sampler(Kind::ParentRatio, 0.25);
        let step = u128::from(u64::MAX / 1_000);
        let sampled = (0..1_000).filter(|index| quarter.samples(index * step, None)).count();
        assert!((249..=251).contains(&sampled), "{sampled}");
        assert!(sampler(Kind::Ratio, 1.0).samples(u128::MAX, None));
        assert!(!sampler(Kind::Ratio, 0.0).samples(0, None));
    }
}
