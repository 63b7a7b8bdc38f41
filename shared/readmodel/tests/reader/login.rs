//! Who readers log in as: a role that may read and no more, and tokens in place of passwords.

use crate::house::{House, NOBODY, reader};
use rota_aws::{DatabaseLogin, stand_in};
use rota_readmodel::{DatabaseUrl, ModelError, ReadModelConfig, ReaderRole, grant_reading};
use rota_schedule::{ReadError, ScheduleReader as _};
use rota_service::Setting as _;
use rota_testkit::postgres::AskingForPasswords;
use rota_testkit::{reader_suite, schedules};
use std::time::Duration;

const ROLE: &str = "rota_reader_of_tests";
/// Later than everything in the suite's schedules.
const AFTER_ALL: u64 = 10_000;

/// The same server and database, as another role.
fn as_role(role: &str, url: &str) -> DatabaseUrl {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, server) = rest.split_once('@').unwrap();
    format!("{scheme}://{role}@{server}").parse().unwrap()
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
        replicas: vec![as_role(ROLE, &house.replica.url("rota"))],
        primary: Some(as_role(ROLE, &house.primary.url("rota"))),
        ..ReadModelConfig::default()
    };
    reader_suite(&reader(config), &schedules).await;

    let may = |sql: &str| house.primary.sql("rota", sql);
    let tables = "SELECT string_agg(table_name || ' ' || privilege_type, ', ' ORDER BY table_name) \
                  FROM information_schema.role_table_grants WHERE grantee = 'rota_reader_of_tests'";
    let all = "bodies SELECT, bodies_by_hash SELECT, entries SELECT, processes SELECT, \
               writer_progress SELECT";
    assert_eq!(may(tables), all);
    let roles = format!(
        "SELECT concat_ws(',', rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, \
         rolconnlimit < current_setting('max_connections')::int AND rolconnlimit > 0, \
         pg_has_role('{ROLE}', 'rds_iam', 'MEMBER')) FROM pg_roles WHERE rolname = '{ROLE}'"
    );
    assert_eq!(may(&roles), "t,f,f,f,t,t");
    house.primary.sql("rota", &format!("REVOKE SELECT ON bodies FROM {ROLE}"));
    grant_reading(&url, &role).await.unwrap();
    assert_eq!(may(tables), all, "what was taken away is given back at the next start");
}

/// On a server whose `pg_hba.conf` asks members of `rds_iam` for a token, as Amazon's does.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_the_grant_would_lock_out_takes_it_back() {
    let house = House::new().await;
    let (role, admin) =
        (ReaderRole::parse(ROLE).unwrap(), |sql: &str| house.primary.sql("rota", sql));
    admin("CREATE ROLE rds_iam; CREATE ROLE maker LOGIN CREATEROLE");
    admin(&format!("CREATE ROLE {ROLE} LOGIN"));
    for table in ["entries", "bodies_by_hash", "bodies", "processes", "writer_progress"] {
        admin(&format!("GRANT SELECT ON {table} TO {ROLE}"));
    }
    let rules = "('host all +rds_iam all reject'), ('host all all all trust'), \
                 ('host replication all all trust')";
    let file = admin("SHOW hba_file");
    admin(&format!("COPY (VALUES {rules}) TO '{file}'"));
    admin("SELECT pg_reload_conf()");
    let maker = as_role("maker", &house.primary.url("rota"));
    let is_member = format!("SELECT pg_has_role('{ROLE}', 'rds_iam', 'MEMBER')");

    admin(&format!("GRANT {ROLE} TO maker")); // as Postgres 16 does by itself
    let refused = grant_reading(&maker, &role).await;
    assert!(matches!(&refused, Err(ModelError::LocksOut { role }) if role == ROLE), "{refused:?}");
    assert_eq!(admin(&is_member), "f");
    admin(&format!("REVOKE {ROLE} FROM maker"));
    grant_reading(&maker, &role).await.unwrap();
    assert_eq!(admin(&is_member), "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_to_a_server_logs_in_with_the_same_token() {
    let asking = AskingForPasswords::start();
    let url: DatabaseUrl = asking.url("rota_reader:unused").parse().unwrap();
    let login = DatabaseLogin::new(&stand_in("http://127.0.0.1:9").await).unwrap();
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let (primary, login) = (Some(url.clone()), Some(login.clone()));
        let model = reader(ReadModelConfig { primary, login, ..ReadModelConfig::default() });
        let answer = model.latest(NOBODY).await;
        assert!(matches!(answer, Err(ReadError::Unavailable(_))), "{answer:?}");
        let token = asking.told();
        assert!(token.starts_with("127.0.0.1:"), "{token}");
        for part in
            ["Action=connect", "DBUser=rota_reader", "X-Amz-Expires=900", "X-Amz-Signature="]
        {
            assert!(token.contains(part), "{token}");
        }
        tokens.push(token);
        tokio::time::sleep(Duration::from_millis(1_100)).await; // another second would sign another
    }
    assert_eq!(tokens[0], tokens[1]);
}
