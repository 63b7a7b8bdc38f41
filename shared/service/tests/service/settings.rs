//! Settings: which source wins, what each type takes, and what reports and errors show.

use std::fmt::Debug;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rota_service::{ByteSize, ConfigError, Env, LogFormat, Setting, SettingReport, Source};
use url::Url;

const NONE: [(&str, &str); 0] = [];

fn report(name: &'static str, value: Option<&str>, source: Source) -> SettingReport {
    SettingReport { name, value: value.map(str::to_owned), source }
}

#[test]
fn the_stronger_source_wins_and_is_reported() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(
        file,
        "# a comment\nCARGO_PKG_NAME=dotenv\nROTA_TEST_A='from file'\nROTA_TEST_A=again"
    )
    .unwrap();
    writeln!(file, "export ROTA_TEST_B=1\nROTA_TEST_C=2\nROTA_TEST_D=").unwrap();
    let env = Env::load(Some(file.path())).unwrap();
    let mut env = env.with_flag("ROTA_TEST_C", "3").with_flag("ROTA_TEST_C", "4");

    let package: Option<String> = env.get("CARGO_PKG_NAME").unwrap();
    assert_eq!(package.as_deref(), Some("rota-service"), "cargo sets it for a test");
    assert_eq!(env.get::<String>("ROTA_TEST_A").unwrap().as_deref(), Some("from file"));
    assert_eq!(env.or("ROTA_TEST_B", 7_u16).unwrap(), 1);
    assert_eq!(env.or("ROTA_TEST_C", 7_u16).unwrap(), 3);
    assert_eq!(env.or("ROTA_TEST_D", 7_u16).unwrap(), 7);
    assert_eq!(env.get::<u16>("ROTA_TEST_E").unwrap(), None);
    assert_eq!(
        env.report(),
        [
            report("CARGO_PKG_NAME", Some("rota-service"), Source::Environment),
            report("ROTA_TEST_A", Some("from file"), Source::DotEnv),
            report("ROTA_TEST_B", Some("1"), Source::DotEnv),
            report("ROTA_TEST_C", Some("3"), Source::Flag),
            report("ROTA_TEST_D", Some("7"), Source::Default),
            report("ROTA_TEST_E", None, Source::Default),
        ]
    );
    assert!(std::env::var_os("ROTA_TEST_A").is_none(), "the process environment is left alone");
}

#[test]
fn a_dotenv_file_may_be_missing_but_not_malformed() {
    assert!(Env::load(Some(Path::new("/nonexistent/.env"))).is_ok());
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "GOOD=1\nSECRET hunter2").unwrap();
    let error = Env::load(Some(file.path())).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("after 1 settings") && !text.contains("hunter2"), "{text}");
    let error = Env::load(Some(Path::new("/"))).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
}

#[test]
fn an_error_names_the_variable_its_value_and_what_is_right() {
    let mut env = Env::from_pairs([("PORT", " eighty ")]);
    assert_eq!(
        env.or("PORT", 8080_u16).unwrap_err().to_string(),
        "PORT is \"eighty\" (from the environment), but must be a whole number from 0 to 65535"
    );
    assert_eq!(
        env.required::<Url>("GATEWAY_URL").unwrap_err().to_string(),
        "GATEWAY_URL is not set: it must be an http or https URL"
    );
    let mut env = env.with_flag("PORT", "-1");
    assert!(env.get::<u16>("PORT").unwrap_err().to_string().contains("command line"));
}

#[test]
fn a_secret_is_never_shown() {
    let mut env = Env::from_pairs([("KEY", "hunter2"), ("PIN", "hunter3")]);
    assert_eq!(env.secret::<String>("KEY").unwrap().as_deref(), Some("hunter2"));
    assert_eq!(env.secret::<String>("NO_KEY").unwrap(), None);
    let error = env.secret::<u16>("PIN").unwrap_err();
    let text = format!("{error} {error:?} {env:?} {:?}", env.report());
    assert!(text.contains("PIN") && text.contains("***") && !text.contains("hunter"), "{text}");
    assert_eq!(env.report()[0], report("KEY", Some("***"), Source::Environment));
}

/// `text` is `value`, which is shown as `shown`, which is `value` again.
fn reads<T: Setting + PartialEq + Debug>(text: &str, value: &T, shown: &str) {
    let mut env = Env::from_pairs([("NAME", text)]);
    assert_eq!(env.required::<T>("NAME").unwrap(), *value, "{text}");
    assert_eq!(value.show(), shown);
    assert_eq!(T::parse(shown).as_ref(), Some(value));
}

fn refuses<T: Setting + Debug>(texts: &[&str]) {
    for text in texts {
        let mut env = Env::from_pairs([("NAME", *text)]);
        let error = env.required::<T>("NAME").expect_err(text);
        assert!(error.to_string().ends_with(T::EXPECTS), "{error}");
    }
}

#[test]
fn sizes_and_times_have_units() {
    reads("10485760", &ByteSize(10 << 20), "10MiB");
    reads("10MB", &ByteSize(10_000_000), "10MB");
    reads("10 MiB", &ByteSize(10 << 20), "10MiB");
    reads("1500", &ByteSize(1500), "1500");
    reads("0", &ByteSize(0), "0");
    reads("1GiB", &ByteSize(1 << 30), "1GiB");
    reads("18446744073709551615", &ByteSize(u64::MAX), "18446744073709551615");
    refuses::<ByteSize>(&[
        "10mb",
        "MB",
        "1.5MB",
        "-1",
        "10 MB of it",
        "18446744073709551616",
        "20000000000GiB",
    ]);
    reads("500ms", &Duration::from_millis(500), "500ms");
    reads("90s", &Duration::from_secs(90), "90s");
    reads("5m", &Duration::from_secs(300), "5m");
    reads("120m", &Duration::from_secs(7200), "2h");
    reads("0s", &Duration::ZERO, "0ms");
    refuses::<Duration>(&["30", "s", "1.5s", "5 minutes", "-5s"]);
}

#[test]
fn urls_are_http_and_hide_passwords() {
    let url = |text: &str| Url::parse(text).unwrap();
    reads("https://arweave.net", &url("https://arweave.net/"), "https://arweave.net/");
    reads(
        "http://a, https://b/c",
        &vec![url("http://a"), url("https://b/c")],
        "http://a/,https://b/c",
    );
    refuses::<Url>(&["arweave.net", "ftp://arweave.net", "https://", "postgres://user@host/db"]);
    refuses::<Vec<Url>>(&["http://a,", ",", "http://a http://b"]);
    assert_eq!(Setting::show(&url("https://me:hunter2@host/")), "https://me:***@host/");
}

#[test]
fn plain_types_are_written_plainly() {
    reads("true", &true, "true");
    reads("0", &false, "false");
    refuses::<bool>(&["yes", "TRUE", "2"]);
    reads("4294967295", &u32::MAX, "4294967295");
    reads("7", &7_u64, "7");
    reads("7", &7_usize, "7");
    refuses::<u32>(&["4294967296", "1e3", "0x10"]);
    reads("/var/lib/rota", &PathBuf::from("/var/lib/rota"), "/var/lib/rota");
    reads("::1", &"::1".parse::<IpAddr>().unwrap(), "::1");
    reads("127.0.0.1:80", &SocketAddr::from(([127, 0, 0, 1], 80)), "127.0.0.1:80");
    refuses::<SocketAddr>(&["localhost:80", "127.0.0.1"]);
    reads("json", &LogFormat::Json, "json");
    reads("auto", &LogFormat::Auto, "auto");
    refuses::<LogFormat>(&["xml"]);
    assert_eq!(Env::from_pairs(NONE).or("LOG_FORMAT", LogFormat::Text).unwrap(), LogFormat::Text);
}
