//! Who readers log in as: a role that may read and no more, and tokens in place of passwords.

use crate::house::{House, NOBODY, reader};
use rota_aws::{DatabaseLogin, stand_in};
use rota_readmodel::{DatabaseUrl, ReadModelConfig, ReaderRole, grant_reading};
use rota_schedule::{ReadError, ScheduleReader as _};
use rota_service::Setting as _;
use rota_testkit::{reader_suite, schedules};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const ROLE: &str = "rota_reader_of_tests";
/// Later than everything in the suite's schedules.
const AFTER_ALL: u64 = 10_000;

/// The same server and database, as [`ROLE`].
fn as_reader(url: &str) -> DatabaseUrl {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, server) = rest.split_once('@').unwrap();
    format!("{scheme}://{ROLE}@{server}").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reading_role_answers_everything_and_may_do_nothing_else() {
    let house = House::new().await;
    let role = ReaderRole::parse(ROLE).unwrap();
    let url = house.primary_url();
    house.primary.sql("rota", "CREATE ROLE rds_iam");
    let starters = (0..8).map(|_| {
        let (url, role) = (url.clone(), role.clone());
        tokio::spawn(async move { grant_reading(&url, &role).await })
    });
    for starter in starters.collect::<Vec<_>>() {
        starter.await.unwrap().unwrap();
    }
    let schedules = schedules();
    house.commit(&schedules, AFTER_ALL).await;
    house.replica.caught_up();
    let config = ReadModelConfig {
        replicas: vec![as_reader(&house.replica.url("rota"))],
        primary: Some(as_reader(&house.primary.url("rota"))),
        ..ReadModelConfig::default()
    };
    reader_suite(&reader(config), &schedules).await;

    let may = |sql: &str| house.primary.sql("rota", sql);
    let tables = "SELECT string_agg(table_name || ' ' || privilege_type, ', ' ORDER BY table_name) \
                  FROM information_schema.role_table_grants WHERE grantee = 'rota_reader_of_tests'";
    let all = "bodies SELECT, entries SELECT, processes SELECT, writer_progress SELECT";
    assert_eq!(may(tables), all);
    let roles = format!(
        "SELECT concat_ws(',', rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, \
         pg_has_role('{ROLE}', 'rds_iam', 'MEMBER')) FROM pg_roles WHERE rolname = '{ROLE}'"
    );
    assert_eq!(may(&roles), "t,f,f,f,t");
    house.primary.sql("rota", &format!("REVOKE SELECT ON bodies FROM {ROLE}"));
    grant_reading(&url, &role).await.unwrap();
    assert_eq!(may(tables), all, "what was taken away is given back at the next start");
}

/// A server that asks everybody for a password in clear, sends what it is told and hangs up.
fn asking_for_passwords() -> (DatabaseUrl, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, passwords) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 4];
            stream.read_exact(&mut length).unwrap();
            let mut start = vec![0; u32::from_be_bytes(length) as usize - 4];
            stream.read_exact(&mut start).unwrap();
            stream.write_all(b"R\0\0\0\x08\0\0\0\x03").unwrap(); // AuthenticationCleartextPassword
            let mut head = [0; 5]; // 'p', length
            stream.read_exact(&mut head).unwrap();
            let mut password = Vec::new();
            BufReader::new(stream).read_until(0, &mut password).unwrap();
            password.pop();
            if told.send(String::from_utf8(password).unwrap()).is_err() {
                return;
            }
        }
    });
    let url = format!("postgres://rota_reader:unused@127.0.0.1:{port}/rota?sslmode=disable");
    (url.parse().unwrap(), passwords)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_logs_in_with_a_token_of_its_own() {
    let (url, passwords) = asking_for_passwords();
    let login = DatabaseLogin::new(&stand_in("http://127.0.0.1:9").await).unwrap();
    for _ in 0..2 {
        let (primary, login) = (Some(url.clone()), Some(login.clone()));
        let model = reader(ReadModelConfig { primary, login, ..ReadModelConfig::default() });
        let answer = model.latest(NOBODY).await;
        assert!(matches!(answer, Err(ReadError::Unavailable(_))), "{answer:?}");
        let token = passwords.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(token.starts_with("127.0.0.1:"), "{token}");
        for part in
            ["Action=connect", "DBUser=rota_reader", "X-Amz-Expires=900", "X-Amz-Signature="]
        {
            assert!(token.contains(part), "{token}");
        }
    }
}
