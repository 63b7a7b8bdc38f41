//! `docs/settings.md` has a line for every setting that a program reads, with who reads it, and no other line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

use rota_lambda::Platform;
use rota_service::Env;
use rota_testkit::scheduler::command;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const PAGE: &str = include_str!("../../docs/settings.md");
const EXAMPLE: &str = include_str!("../../.env.example");
const BIN: &str = env!("CARGO_BIN_EXE_rota-under-test");
const READERS: [&str; 5] = ["local", "writer", "router", "read", "route"];

/// Who reads each setting.
type Settings = BTreeMap<String, BTreeSet<String>>;

/// The rows of the page's tables: the name comes first, the readers last. Libraries are no readers of ours.
fn page() -> Settings {
    let mut settings = Settings::new();
    for line in PAGE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _meaning, _form, _default, readers] = &cells[..] else {
            panic!("docs/settings.md: a line has five cells, and this has {}: {line}", cells.len());
        };
        let readers = readers.split(' ').filter(|reader| READERS.contains(reader));
        let before = settings.insert(name.replace('`', ""), readers.map(str::to_owned).collect());
        assert_eq!(before, None, "docs/settings.md has two lines for {name}");
    }
    settings
}

/// What a command of `rota` says that it was asked for.
fn shown(args: &[&str], envs: &[(&str, &str)]) -> Vec<String> {
    let output = command(Path::new(BIN)).args(args).envs(envs.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("note: "));
    lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

fn asked(read: impl FnOnce(&mut Env), envs: &[(&str, &str)]) -> Vec<String> {
    let mut env = Env::from_pairs(envs.iter().copied());
    read(&mut env);
    env.report().iter().map(|setting| setting.name.to_owned()).collect()
}

/// What the programs read, whatever is set.
fn code() -> Settings {
    let database = ("DATABASE_URL", "postgres://rota@127.0.0.1:9/rota");
    let table = [database, ("DIRECTORY_TABLE", "rota")];
    let postgres = [database, ("DIRECTORY", "postgres")];
    let started = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9");
    let read = |env: &mut Env| {
        Platform::read(env).unwrap();
        rota_read::lambda::Settings::read(env).unwrap();
    };
    let route = |env: &mut Env| {
        Platform::read(env).unwrap();
        rota_route::lambda::Settings::read(env).unwrap();
    };
    let mut route = asked(route, &[started, table[1]]);
    // The function is built without the directory in Postgres. All tests are built with it.
    route.retain(|name| name != "SCHEDULER_LIST_PATH");
    let programs = [
        ("local", shown(&["config"], &[])),
        ("writer", shown(&["writer", "--show-config"], &table)),
        ("writer", shown(&["writer", "--show-config"], &postgres)),
        ("router", shown(&["router", "--show-config"], &table)),
        ("router", shown(&["router", "--show-config"], &postgres)),
        ("read", asked(read, &[started, database])),
        ("route", route),
    ];
    let mut settings = Settings::new();
    for (reader, names) in programs {
        for name in names {
            settings.entry(name).or_default().insert(reader.to_owned());
        }
    }
    settings
}

#[test]
fn page_has_a_line_for_every_setting_of_the_code_and_for_no_other() {
    let (page, code) = (page(), code());
    let mut wrong = Vec::new();
    for (name, readers) in &code {
        let readers = READERS.into_iter().filter(|reader| readers.contains(*reader));
        let readers = readers.collect::<Vec<_>>().join(" ");
        let wanted = format!("| `{name}` | … | … | … | {readers} |");
        match page.get(name) {
            None => wrong.push(format!("add the line: {wanted}")),
            Some(listed) if listed != &code[name] => {
                wrong.push(format!("correct the last cell: {wanted}"));
            }
            Some(_) => {}
        }
    }
    for (name, readers) in &page {
        if !readers.is_empty() && !code.contains_key(name) {
            wrong.push(format!("remove the line of `{name}`: no program reads it"));
        }
    }
    assert!(wrong.is_empty(), "docs/settings.md:\n{}", wrong.join("\n"));
}

#[test]
fn example_file_has_names_of_the_page_only() {
    let page = page();
    let mut names = 0;
    for line in EXAMPLE.lines() {
        let Some((name, _)) = line.trim_start_matches("# ").split_once('=') else { continue };
        if name.contains(' ') {
            continue;
        }
        assert!(page.contains_key(name), "{name} in .env.example is not in docs/settings.md");
        names += 1;
    }
    assert!(names > 5, "{names}");
}
