//! One wallet signs for a database: made by the first writer, compared by all others before they take a name.

use super::*;
use rota_readmodel::{ModelError, check, identity};

const OTHER: Address = Address::new([2; 32]);
/// How the schema looks to a database whose writers all ran before there was an identity.
const FORGET: &str = "DELETE FROM identity";

fn refused<T: std::fmt::Debug>(outcome: Result<T, ModelError>, signers: &str) -> String {
    let error = outcome.unwrap_err();
    let ModelError::OtherWallet { wallet, signers: named } = &error else { panic!("{error:?}") };
    assert_eq!((*wallet, named.to_string().as_str()), (OTHER, signers));
    error.to_string()
}

async fn take_with(url: &DatabaseUrl, wallet: Address) -> Result<Taken, ModelError> {
    Projection::take(url, 1, WRITER, Holder([1; 16]), wallet).await
}

#[tokio::test]
async fn another_wallet_gets_no_term_and_is_told_both_addresses() {
    let url = database().await;
    let first = take(&url, 1).await;
    let text = refused(take_with(&url, OTHER).await, &WALLET.to_string());
    for part in [WALLET.to_string(), OTHER.to_string(), format!("--adopt-wallet {OTHER}")] {
        assert!(text.contains(&part), "{part}: {text}");
    }
    refused(claim(&url, OTHER).await, &WALLET.to_string());
    assert_eq!(sql(&url, "SELECT term FROM writers"), "1", "the name was not taken");
    first.projection.bind(&process(1)).await.unwrap();
    assert_eq!(take(&url, 2).await.database, first.database);
    assert_eq!(claim(&url, WALLET).await.unwrap(), first.database);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_first_starts_at_once_one_wallet_wins_and_all_others_are_refused() {
    let url = database().await;
    let starters = (0..8).map(|number| {
        let url = url.clone();
        tokio::spawn(async move { claim(&url, Address::new([number % 2; 32])).await })
    });
    let (mut won, mut lost) = (Vec::new(), 0);
    for starter in starters.collect::<Vec<_>>() {
        match starter.await.unwrap() {
            Ok(database) => won.push(database),
            Err(ModelError::OtherWallet { .. }) => lost += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!((won.len(), lost), (4, 4));
    assert!(won.iter().all(|database| *database == won[0]), "it has one id: {won:?}");
}

#[tokio::test]
async fn a_database_of_an_earlier_release_stays_with_the_wallet_that_signed() {
    let url = database().await;
    take(&url, 1).await;
    sql(&url, FORGET);
    refused(claim(&url, OTHER).await, &format!("{WALLET} (writer {WRITER})"));
    refused(take_with(&url, OTHER).await, &format!("{WALLET} (writer {WRITER})"));
    assert_eq!(sql(&url, "SELECT count(*) FROM identity"), "0");
    let database = claim(&url, WALLET).await.unwrap();
    assert_eq!(claim(&url, WALLET).await.unwrap(), database);
}

/// The first release let each writer sign with a wallet of its own.
#[tokio::test]
async fn a_database_with_two_wallets_takes_the_one_that_is_adopted() {
    let url = database().await;
    take(&url, 1).await;
    let third = Address::new([3; 32]);
    sql(&url, FORGET);
    sql(&url, "INSERT INTO writers (name, term) VALUES ('w-3', 1)");
    let address = format!("decode('{}', 'hex')", "03".repeat(32));
    sql(
        &url,
        &format!(
            "INSERT INTO writer_progress SELECT id, 0, 0, {address} FROM writers WHERE name = 'w-3'"
        ),
    );
    let both = format!("{WALLET} (writer {WRITER}), {third} (writer w-3)");
    refused(claim(&url, OTHER).await, &both);
    assert!(claim(&url, WALLET).await.is_err(), "nobody knows which of the two it is to be");
    let database = adopt(&url, third).await.unwrap();
    assert_eq!(claim(&url, third).await.unwrap(), database);
    refused(claim(&url, OTHER).await, &third.to_string());
    assert_eq!(adopt(&url, OTHER).await.unwrap(), database, "it is still the same database");
    assert_eq!(claim(&url, OTHER).await.unwrap(), database);
}

#[tokio::test]
async fn looking_at_a_new_database_leaves_it_new() {
    let url = database().await;
    assert_eq!(check(&url, OTHER).await.unwrap(), None);
    assert_eq!(identity(&url).await.unwrap(), None);
    let database = claim(&url, WALLET).await.unwrap();
    refused(check(&url, OTHER).await, &WALLET.to_string());
    assert_eq!(check(&url, WALLET).await.unwrap(), Some(database));
    assert_eq!(identity(&url).await.unwrap(), Some(database));
}

#[tokio::test]
async fn two_databases_have_two_ids() {
    let (one, other) = (database().await, database().await);
    assert_ne!(claim(&one, WALLET).await.unwrap(), claim(&other, WALLET).await.unwrap());
}
