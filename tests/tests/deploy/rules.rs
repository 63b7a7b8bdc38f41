//! What would wake somebody if it were wrong in a template: times that have to fit each other, and names of settings.

use crate::ROOT;
use crate::lint::templates;
use rota_service::IDLE_TIMEOUT_DEFAULT;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What a stop may take: what the command promises after a signal.
const STOP_SECONDS_MAX: u64 = rota_testkit::scheduler::STOP_MAX.as_secs();
/// An HTTP API gives up then.
const API_SECONDS_MAX: u64 = 30;
/// What the route function adds to PROXY_TIMEOUT until it gives up itself.
const ROUTE_MARGIN_SECONDS: u64 = 10;

fn infra(file: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join("infra").join(file)).unwrap()
}

/// The number behind a key at its first place after `beginning`.
#[track_caller]
fn number(text: &str, beginning: &str, key: &str) -> u64 {
    let (_, rest) = text.split_once(beginning).unwrap();
    let (_, value) = rest.split_once(&format!("{key}: ")).unwrap();
    let digits = value.trim_start_matches('"').chars().take_while(char::is_ascii_digit);
    digits.collect::<String>().parse().unwrap()
}

#[test]
fn a_machine_is_one_task_that_has_the_time_to_stop_and_to_start() {
    let text = infra("machine.yaml");
    assert!(number(&text, "ContainerDefinitions:", "StopTimeout") > 2 * STOP_SECONDS_MAX);
    assert_eq!(number(&text, "  Service:", "DesiredCount"), 1);
    assert_eq!(number(&text, "  Service:", "MaximumPercent"), 100, "never two at once");
    assert_eq!(number(&text, "  Service:", "MinimumHealthyPercent"), 0, "the old one goes first");
    let check = |key| number(&text, "HealthCheck:", key);
    assert_eq!(check("StartPeriod"), 300, "an empty disk is filled first; ECS allows no more");
    assert!(check("Interval") * check("Retries") >= 120, "a database that fails over");
    assert!(text.contains("mode: non-blocking"), "a writer that waits for its log does not write");
}

/// Whoever closes an idle connection first may meet a request on its way: the balancer has to.
#[test]
fn the_balancer_lets_go_of_idle_connections_before_the_writer_does() {
    let idle = number(&infra("fleet.yaml"), "idle_timeout.timeout_seconds", "Value");
    assert!(Duration::from_secs(idle) < IDLE_TIMEOUT_DEFAULT);
}

#[test]
fn sides_are_replaced_one_after_the_other() {
    let text = infra("writer.yaml");
    let (_, second) = text.split_once("  SideB:").unwrap();
    assert!(second.split("Properties:").next().unwrap().contains("DependsOn: SideA"));
    let root = infra("template.yaml");
    let (_, functions) = root.split_once("\n  Functions:").unwrap();
    assert!(functions.split("Properties:").next().unwrap().contains("DependsOn: Writers"));
}

#[test]
fn a_function_gives_up_by_itself_before_it_is_ended() {
    let text = infra("functions.yaml");
    let read = number(&text, "Binary: read", "Timeout");
    assert!(read > rota_read::lambda::REQUEST_MAX.as_secs(), "{read}");
    let route = number(&text, "Binary: route", "Timeout");
    let proxy = number(&text, "  ProxyTimeout:", "Default");
    assert!(proxy + ROUTE_MARGIN_SECONDS < route && route < API_SECONDS_MAX, "{proxy} {route}");
}

/// A misspelt one would be ignored in silence.
#[test]
fn every_setting_in_a_template_is_one_that_the_code_asks_for() {
    let code = code();
    let machine = infra("machine.yaml");
    let (_, list) = machine.split_once("          Environment:\n").unwrap();
    let names = list
        .lines()
        .filter_map(|line| line.split_once("Name: "))
        .map(|(_, rest)| rest.split([',', ' ', '}']).next().unwrap().to_owned());
    let mut names: Vec<String> = names.filter(|name| name.to_uppercase() == *name).collect();
    let functions = infra("functions.yaml");
    for variables in functions.split("        Variables:\n").skip(1) {
        let lines = variables.lines().take_while(|line| line.starts_with("          "));
        let lines = lines.filter(|line| !line.trim_start().starts_with('#'));
        names.extend(lines.filter_map(|line| Some(line.trim().split_once(':')?.0.to_owned())));
    }
    assert!(names.len() > 25, "{names:?}");
    // These two are read by the database driver and by AWS's SDK.
    let foreign = BTreeSet::from(["PGPASSWORD", "AWS_REGION"]);
    for name in names.iter().filter(|name| !foreign.contains(name.as_str())) {
        assert!(code.contains(&format!("\"{name}\"")), "no code asks for {name}");
    }
}

/// SAM says nothing of a parameter that the template does not have.
#[test]
fn every_parameter_of_a_profile_is_one_of_the_template() {
    let template = infra("template.yaml");
    let (template, _) = template.split_once("\nResources:").unwrap();
    let profiles = fs::read_to_string(Path::new(ROOT).join("samconfig.toml")).unwrap();
    let parameters = profiles.lines().filter_map(|line| line.trim().strip_prefix('"'));
    let names: Vec<_> = parameters.filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert!(names.len() > 25, "{names:?}");
    for name in names {
        assert!(template.contains(&format!("\n  {name}:\n    Type: ")), "there is no {name}");
    }
}

/// Whom the read function logs in as is whom the writer lets read, and nobody else.
#[test]
fn readers_log_in_as_the_role_that_the_writer_makes() {
    assert!(infra("machine.yaml").contains("{ Name: DATABASE_READER_ROLE, Value: rota_reader }"));
    let functions = infra("functions.yaml");
    assert_eq!(functions.matches("rds-db:connect").count(), 1);
    assert!(
        functions.contains("Action: rds-db:connect\n                  Resource: !Ref ConnectArns")
    );
    for file in ["database.yaml", "database-aurora.yaml"] {
        let text = infra(file);
        let users = text.matches(":dbuser:").count();
        assert!(users > 0 && users == text.matches("}/rota_reader\"").count(), "{file}");
        assert!(text.contains("EnableIAMDatabaseAuthentication: true"), "{file}");
        assert!(text.contains("rds.force_ssl: \"1\""), "{file}");
    }
}

#[test]
fn what_is_kept_outlives_a_mistake() {
    for (file, resource) in [
        ("database.yaml", "  Primary:"),
        ("database-aurora.yaml", "  Cluster:"),
        ("table.yaml", "  Table:"),
        ("buckets.yaml", "  Archive:"),
    ] {
        let text = infra(file);
        let (_, rest) = text.split_once(resource).unwrap();
        let head = rest.split("Properties:").next().unwrap();
        let kept =
            head.contains("DeletionPolicy: Snapshot") || head.contains("DeletionPolicy: Retain");
        assert!(kept && head.contains("UpdateReplacePolicy:"), "{file}: {head}");
    }
    assert!(templates().iter().all(|path| !fs::read_to_string(path).unwrap().contains("latest\n")));
}

/// All Rust code that ships.
fn code() -> String {
    let mut code = String::new();
    for part in ["functions", "shared"] {
        for crate_dir in fs::read_dir(Path::new(ROOT).join(part)).unwrap() {
            collect(&crate_dir.unwrap().path().join("src"), &mut code);
        }
    }
    code
}

fn collect(directory: &Path, code: &mut String) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, code);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
