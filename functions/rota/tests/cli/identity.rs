//! One wallet for a database, one database for a ledger: what differs is refused before anything is signed.

use crate::command::{BIN, Ran, after, rota, rota_under};
use rota_testkit::postgres::PostgresCluster;
use rota_testkit::scheduler::RotaProcess;
use std::path::Path;
use tempfile::TempDir;

/// A machine: its directory, in which the scheduler works.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// With a wallet of its own; gives its address, too.
    fn with_wallet() -> (Self, String) {
        let machine = Self::new();
        let made = machine.rota(&["wallet", "new", "--kind", "ed25519"]).ok();
        let address = after(&made, "address").to_owned();
        (machine, address)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn has(&self, file: &str) -> bool {
        self.path().join("rota-data").join(file).exists()
    }

    fn rota(&self, args: &[&str]) -> Ran {
        rota(self.path(), args)
    }

    /// A start that must be refused; gives why.
    fn refuses(&self, database: Option<&str>, flags: &[&str]) -> String {
        let mut settings = vec![("PORT", "0".to_owned()), ("RUST_LOG", "off".to_owned())];
        settings.extend(database.map(|url| ("DATABASE_URL", url.to_owned())));
        rota_under(self.path(), &settings, &[&["local"], flags].concat()).explains()
    }

    /// A start that must succeed.
    fn starts(&self, database: Option<&str>, flags: &[&str]) -> RotaProcess {
        let data = self.path().join("rota-data");
        let start = ["local", "--port", "0", "--data-dir", data.to_str().unwrap()];
        let settings: Vec<_> = database.map(|url| ("DATABASE_URL", url)).into_iter().collect();
        let args = [&start[..], flags].concat();
        RotaProcess::try_start_as(Path::new(BIN), &args, &settings, "rota is ready at ").unwrap()
    }

    /// The same, and a stop.
    fn runs(&self, database: Option<&str>, flags: &[&str]) {
        assert!(self.starts(database, flags).stop_gently().success());
    }
}

fn database() -> String {
    PostgresCluster::shared().fresh_database()
}

fn sql(url: &str, query: &str) -> String {
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap();
    PostgresCluster::shared().sql(name, query)
}

#[track_caller]
fn names(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn a_fresh_machine_makes_no_wallet_for_a_database() {
    let (machine, url) = (Machine::new(), database());
    let why = machine.refuses(Some(&url), &[]);
    names(&why, &["no wallet at rota-data/wallet.json", "SU_WALLET_PATH", "rota wallet new"]);
    assert!(!machine.has("wallet.json") && !machine.has("ledger"), "nothing was made");
    assert_eq!(sql(&url, "SELECT count(*) FROM pg_tables WHERE tablename = 'writers'"), "0");
}

#[test]
fn a_writer_never_makes_a_wallet() {
    let machine = Machine::new();
    let settings = [
        ("DATABASE_URL", "postgres://nobody@127.0.0.1:9/rota".to_owned()),
        ("DIRECTORY", "postgres".to_owned()),
    ];
    let writer = rota_under(machine.path(), &settings, &["writer", "--name", "w", "--port", "0"]);
    names(&writer.explains(), &["no wallet at rota-data/wallet.json", "SU_WALLET_PATH"]);
    assert!(!machine.has("wallet.json"));
}

#[test]
fn another_wallet_is_refused_by_the_database_before_it_takes_the_name() {
    let ((first, signer), url) = (Machine::with_wallet(), database());
    first.runs(Some(&url), &[]);
    let terms = "SELECT sum(term) FROM writers";
    assert_eq!(sql(&url, terms), "1");

    let (other, stranger) = Machine::with_wallet();
    for flags in [&[][..], &["--adopt-wallet", &signer]] {
        let why = other.refuses(Some(&url), flags);
        names(&why, &[&signer, &stranger]);
    }
    names(&other.refuses(Some(&url), &[]), &["SU_WALLET_PATH", "--adopt-wallet"]);
    assert!(!other.has("ledger"), "its ledger was not begun");
    assert_eq!(sql(&url, terms), "1", "the name was not taken");

    first.runs(Some(&url), &[]);
    other.runs(Some(&url), &["--adopt-wallet", &stranger]);
    other.runs(Some(&url), &[]);
    names(&first.refuses(Some(&url), &[]), &[&signer, &stranger]);
}

#[test]
fn a_ledger_whose_wallet_is_gone_is_refused_and_gets_no_new_one() {
    let (machine, signer) = Machine::with_wallet();
    machine.runs(None, &[]);
    let wallet = machine.path().join("rota-data/wallet.json");
    std::fs::rename(&wallet, machine.path().join("kept.json")).unwrap();
    let why = machine.refuses(None, &[]);
    names(&why, &["rota-data/wallet.json", &signer, "SU_WALLET_PATH", "--adopt-wallet"]);
    assert!(!wallet.exists(), "no wallet was made");
    std::fs::rename(machine.path().join("kept.json"), &wallet).unwrap();
    machine.runs(None, &[]);
}

#[test]
fn another_wallet_is_refused_by_a_ledger_until_it_is_adopted() {
    let (machine, signer) = Machine::with_wallet();
    machine.runs(None, &[]);
    std::fs::remove_file(machine.path().join("rota-data/wallet.json")).unwrap();
    let made = machine.rota(&["wallet", "new", "--kind", "ed25519"]).ok();
    let stranger = after(&made, "address");
    names(&machine.refuses(None, &[]), &[&signer, stranger, "SU_WALLET_PATH"]);
    names(&machine.refuses(None, &["--adopt-wallet", &signer]), &[&signer, stranger]);
    // A database that nobody has signed for does not make it right, and is not changed.
    let url = database();
    names(&machine.refuses(Some(&url), &[]), &[&signer, stranger]);
    assert_eq!(sql(&url, "SELECT count(*) FROM identity"), "0");
    machine.runs(None, &["--adopt-wallet", stranger]);
    machine.runs(None, &[]);
}

#[test]
fn a_ledger_that_has_a_database_starts_with_no_other_and_not_alone() {
    let ((machine, _), url, other) = (Machine::with_wallet(), database(), database());
    machine.runs(None, &[]);
    machine.runs(Some(&url), &[]); // a ledger that worked alone may get a database
    let why = machine.refuses(None, &[]);
    names(&why, &["DATABASE_URL is not set", "--detach-database"]);
    let id = after(&why, "the ledger's database:").to_owned();
    let why = machine.refuses(Some(&other), &[]);
    names(
        &why,
        &[&format!("the ledger's database: {id}"), "the database here: ", "--detach-database"],
    );
    assert_eq!(sql(&other, "SELECT count(*) FROM writers"), "0", "no name was taken there");
    machine.runs(Some(&url), &[]);

    machine.runs(None, &["--detach-database"]);
    machine.runs(None, &[]);
    names(&machine.refuses(None, &["--detach-database"]), &["nothing to do", "for one start"]);
    machine.runs(Some(&url), &[]);
    machine.runs(Some(&other), &["--detach-database"]);
    machine.refuses(Some(&url), &[]);
}

#[test]
fn the_banner_shows_the_database_and_never_its_password() {
    let ((machine, _), url) = (Machine::with_wallet(), database());
    let (scheme, rest) = url.split_once("://").unwrap();
    let server = rest.split_once('@').map_or(rest, |(_, server)| server);
    let url = format!("{scheme}://postgres:s3cret@{server}");
    let scheduler = machine.starts(Some(&url), &[]);
    let said = scheduler.printed_with("uploads") + &scheduler.logged();
    let shown = server.split('?').next().unwrap();
    names(&said, &[&format!("  database postgres://{shown}\n")]);
    assert!(!said.contains("s3cret"), "{said}");

    let (alone, _) = Machine::with_wallet();
    names(
        &alone.starts(None, &[]).printed_with("uploads"),
        &["  database none, DATABASE_URL is not"],
    );
}
