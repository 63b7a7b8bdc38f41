//! Which directory the environment names, and which combinations name none. Must not connect anywhere.

use super::*;

const TABLE: (&str, &str) = ("DIRECTORY_TABLE", "t");
#[cfg(feature = "postgres")]
const LIST: (&str, &str) = ("SCHEDULER_LIST_PATH", "/list.json");
#[cfg(feature = "postgres")]
const DATABASE: (&str, &str) = ("DATABASE_URL", "postgres://ann:secret@h/d");

/// What the settings lead to, in short.
fn read(pairs: &[(&str, &str)]) -> String {
    let mut env = Env::from_pairs(pairs.iter().copied());
    match DirectorySettings::read(&mut env) {
        Ok(None) => "none".to_owned(),
        Ok(Some(DirectorySettings::Dynamo { table })) => format!("table {table}"),
        #[cfg(feature = "postgres")]
        Ok(Some(DirectorySettings::Postgres { database, list })) => format!("{database} {list:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_table_means_dynamodb_and_nothing_means_no_directory() {
    assert_eq!(read(&[]), "none");
    assert_eq!(read(&[TABLE]), "table t");
    assert_eq!(read(&[("DIRECTORY", "dynamodb"), TABLE]), "table t");
    assert!(read(&[("DIRECTORY", "dynamodb")]).starts_with("DIRECTORY_TABLE is not set"));
    assert!(read(&[("DIRECTORY", "zookeeper"), TABLE]).contains("must be dynamodb"));
}

#[cfg(feature = "postgres")]
#[test]
fn a_list_means_postgres_which_needs_a_database() {
    let found = "postgres://h:5432/d";
    assert_eq!(read(&[LIST, DATABASE]), format!("{found} Some(\"/list.json\")"));
    assert_eq!(read(&[("DIRECTORY", "postgres"), DATABASE]), format!("{found} None"));
    assert_eq!(
        read(&[("DIRECTORY", "postgres"), TABLE, LIST, DATABASE]),
        format!("{found} Some(\"/list.json\")")
    );
    assert_eq!(read(&[("DIRECTORY", "dynamodb"), TABLE, LIST, DATABASE]), "table t");
    assert_eq!(read(&[DATABASE]), "none", "a database alone is no directory");
    assert!(read(&[LIST]).starts_with("DATABASE_URL is not set"));
    assert!(read(&[TABLE, LIST, DATABASE]).starts_with("DIRECTORY is not set"));
}

#[cfg(feature = "postgres")]
#[test]
fn no_password_is_shown() {
    let mut env = Env::from_pairs([LIST, DATABASE]);
    let settings = DirectorySettings::read(&mut env).unwrap();
    assert!(!format!("{settings:?} {:?}", env.report()).contains("secret"));
}
