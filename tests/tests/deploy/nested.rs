//! What templates hand to each other and to the code, read as CloudFormation reads them.

use crate::built::{content, tool};
use crate::lint::templates;
use rota_testkit::alarm::{LINE_SECONDS, template};
use serde_json::{Map, Value, json};

const NAMESPACE: &str = "MetricsNamespace";

fn resources(template: &Value) -> impl Iterator<Item = (&String, &Value)> {
    template["Resources"].as_object().unwrap().iter()
}

fn of_type<'a>(
    template: &'a Value,
    kind: &'a str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    resources(template).filter(move |(_, made)| made["Type"] == kind)
}

fn all() -> Vec<(String, Value)> {
    let names = templates().into_iter();
    let names = names.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    names.map(|name| (name.clone(), template(&name))).collect()
}

/// The name of a stack's metrics is the stack's own: beside another one, neither answers for the other.
#[test]
fn metrics_are_told_apart_by_the_root_stack() {
    let own = json!({ "Ref": NAMESPACE });
    let (mut handed, mut watched) = (0, 0);
    for (file, template) in &all() {
        let given =
            if file == "template.yaml" { json!({ "Ref": "AWS::StackName" }) } else { own.clone() };
        for (name, stack) in of_type(template, "AWS::CloudFormation::Stack") {
            if let Some(value) = stack["Properties"]["Parameters"].get(NAMESPACE) {
                assert_eq!(*value, given, "{file}: {name}");
                handed += 1;
            }
        }
        for (name, alarm) in of_type(template, "AWS::CloudWatch::Alarm") {
            let namespace = &alarm["Properties"]["Namespace"];
            let of_aws = namespace.as_str().is_some_and(|text| text.starts_with("AWS/"));
            assert!(of_aws || *namespace == own, "{file}: {name} watches {namespace}");
            watched += 1;
        }
        let parameter = &template["Parameters"][NAMESPACE];
        assert!(parameter.get("Default").is_none(), "{file}: it would be forgotten in silence");
    }
    // Into writers, functions and watch; four writers and their two sides; four writers' alarms, the functions', the dashboard.
    assert_eq!((handed, watched), (3 + 4 + 2 + 4 + 2, 24));
}

#[test]
fn writers_and_functions_are_told_the_namespace() {
    let own = json!({ "Ref": NAMESPACE });
    let functions = template("functions.yaml");
    for (name, function) in of_type(&functions, "AWS::Lambda::Function") {
        let variables = &function["Properties"]["Environment"]["Variables"];
        assert_eq!(variables["METRICS_NAMESPACE"], own, "{name}");
    }
    assert_eq!(setting("METRICS_NAMESPACE"), own);
}

/// A setting of the writer.
fn setting(name: &str) -> Value {
    let machine = template("machine.yaml");
    let container = &machine["Resources"]["Task"]["Properties"]["ContainerDefinitions"][0];
    let settings = container["Environment"].as_array().unwrap();
    settings.iter().find(|setting| setting["Name"] == name).unwrap()["Value"].clone()
}

/// Else the tests of alarms would take a line for another time than CloudWatch does.
#[test]
fn a_line_of_the_metrics_log_stands_for_the_time_that_the_tests_of_alarms_take_it_for() {
    assert_eq!(setting("METRICS_LOG_INTERVAL"), format!("{LINE_SECONDS}s"));
}

/// A ledger that is copied less often than the alarm expects would be in alarm for ever.
#[test]
fn no_interval_of_checkpoints_is_longer_than_half_of_what_is_an_alarm() {
    let limit =
        template("alarms-writer.yaml")["Parameters"]["CheckpointSecondsMax"]["Default"].clone();
    let half = limit.as_u64().unwrap() / 2;
    let interval = template("template.yaml")["Parameters"]["CheckpointInterval"].clone();
    let pattern = interval["AllowedPattern"].as_str().unwrap();
    let all = (0..10_000).flat_map(|n| {
        [("ms", 0), ("s", 1), ("m", 60), ("h", 3_600)]
            .map(|(unit, scale)| (format!("{n}{unit}"), n * scale))
    });
    let all: Map<String, Value> = all.map(|(text, seconds)| (text, json!(seconds))).collect();
    let ask = "import json, re, sys\n\
        every = json.load(sys.stdin)\n\
        print(json.dumps([it for it in every.items() if re.fullmatch(sys.argv[1], it[0])]))";
    let asked = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(asked.path(), Value::Object(all).to_string()).unwrap();
    let mut python = tool("python3");
    python.args(["-c", ask, pattern]).stdin(asked.reopen().unwrap());
    let allowed: Vec<(String, u64)> = serde_json::from_str(&content(&mut python)).unwrap();
    assert!(allowed.iter().any(|(text, _)| *text == interval["Default"]), "{pattern}");
    assert!(allowed.iter().any(|(_, seconds)| *seconds == half), "{pattern}");
    for (text, seconds) in allowed {
        assert!((1..=half).contains(&seconds), "{text}");
    }
}

/// The router has nothing to do with the database, nor readers with writers.
#[test]
fn a_function_reaches_what_it_works_with_and_nothing_else() {
    let network = template("network.yaml");
    let group = |name: &str| network["Resources"][name]["Properties"].clone();
    for (name, ports) in [("ReadGroup", [5432, 4318, 443]), ("RouteGroup", [9000, 4318, 443])] {
        let group = group(name);
        let out = group["SecurityGroupEgress"].as_array().unwrap();
        let reached: Vec<_> = out.iter().map(|rule| rule["FromPort"].as_u64().unwrap()).collect();
        assert_eq!(reached, ports, "{name}");
        assert!(group.get("SecurityGroupIngress").is_none(), "{name}");
    }
    let database = group("DatabaseGroup");
    let from = database["SecurityGroupIngress"].as_array().unwrap().iter();
    let from: Vec<_> =
        from.map(|rule| rule["SourceSecurityGroupId"]["Ref"].as_str().unwrap()).collect();
    assert_eq!(from, ["WritersGroup", "ReadGroup"]);
    let functions = template("functions.yaml");
    let of = |name: &str| functions["Resources"][name]["Properties"]["VpcConfig"].to_string();
    assert!(of("Read").contains("\"ReadGroup\"") && !of("Read").contains("\"RouteGroup\""));
    assert!(of("Route").contains("\"RouteGroup\"") && !of("Route").contains("\"ReadGroup\""));
}

/// A caller's trace reaches the reader, and no answer is kept for each trace.
#[test]
fn cloudfront_passes_the_caller_s_trace_on_and_does_not_tell_answers_apart_by_it() {
    let cdn = template("cdn.yaml");
    let made = |name: &str| cdn["Resources"][name]["Properties"].clone();
    let behaviour = made("Site")["DistributionConfig"]["DefaultCacheBehavior"].clone();
    assert_eq!(behaviour["OriginRequestPolicyId"]["Ref"], "ReadTrace");
    let passed = &made("ReadTrace")["OriginRequestPolicyConfig"]["HeadersConfig"]["Headers"];
    assert_eq!(*passed, json!(["traceparent", "tracestate"]));
    assert_eq!(behaviour["CachePolicyId"]["Ref"], "ReadCache");
    assert!(!made("ReadCache").to_string().contains("trace"));
    // Above 0, CloudFront keeps what the readers call `private`.
    assert_eq!(made("ReadCache")["CachePolicyConfig"]["MinTTL"], 0);
}

#[test]
fn who_has_ipv6_finds_the_site_by_its_own_name() {
    let cdn = template("cdn.yaml");
    assert_eq!(cdn["Resources"]["Site"]["Properties"]["DistributionConfig"]["IPV6Enabled"], true);
    let records = of_type(&cdn, "AWS::Route53::RecordSet");
    let aliases: Vec<_> =
        records.map(|(_, made)| (&made["Condition"], &made["Properties"])).collect();
    let kinds: Vec<_> = aliases.iter().map(|(_, made)| made["Type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["A", "AAAA"]);
    let (first, second) = (aliases[0], aliases[1]);
    assert_eq!((first.0, &first.1["AliasTarget"]), (second.0, &second.1["AliasTarget"]));
}
