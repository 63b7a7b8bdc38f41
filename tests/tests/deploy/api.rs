//! What the stand-in knows of what was created, asked for as AWS's own tools do.

use reqwest::Client;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The account and region of the stand-in.
pub(crate) const TABLE_ARN: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/";

pub(crate) struct Api {
    url: String,
    http: Client,
}

impl Api {
    pub(crate) fn new(url: String) -> Self {
        Self { url, http: rota_tests::http() }
    }

    /// The outputs of a stack that was created.
    pub(crate) async fn outputs(&self, stack: &str) -> BTreeMap<String, String> {
        let form = format!("Action=DescribeStacks&StackName={stack}&Version=2010-05-15");
        let xml = self.query("cloudformation", form).await;
        assert_eq!(between(&xml, "<StackStatus>", "<"), "CREATE_COMPLETE");
        let pairs = xml.split("<OutputKey>").skip(1).map(|output| {
            let name = output.split('<').next().unwrap().to_owned();
            (name, between(output, "<OutputValue>", "<").to_owned())
        });
        pairs.collect()
    }

    /// The only task definition.
    pub(crate) async fn task_definition(&self) -> Value {
        let list = self.ecs("ListTaskDefinitions", &json!({})).await;
        let arns = list["taskDefinitionArns"].as_array().unwrap();
        assert_eq!(arns.len(), 1, "{list}");
        let found = self.ecs("DescribeTaskDefinition", &json!({"taskDefinition": arns[0]})).await;
        found["taskDefinition"].clone()
    }

    /// The namespaces that alarms watch.
    pub(crate) async fn watched(&self) -> BTreeSet<String> {
        let form = "Action=DescribeAlarms&Version=2010-08-01".to_owned();
        let xml = self.query("monitoring", form).await;
        let found = xml.split("<Namespace>").skip(1);
        found.map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
    }

    /// The role of the function whose name has `part` in it.
    pub(crate) async fn function_role(&self, part: &str) -> String {
        let answer = self.http.get(format!("{}/2015-03-31/functions", self.url)).send().await;
        let list: Value = serde_json::from_slice(&answer.unwrap().bytes().await.unwrap()).unwrap();
        let functions = list["Functions"].as_array().unwrap();
        let named = |f: &&Value| f["FunctionName"].as_str().unwrap().contains(part);
        functions.iter().find(named).unwrap()["Role"].as_str().unwrap().to_owned()
    }

    /// An inline policy of a role.
    pub(crate) async fn policy(&self, role_arn: &str, policy: &str) -> Value {
        let role = role_arn.rsplit('/').next().unwrap();
        let form =
            format!("Action=GetRolePolicy&RoleName={role}&PolicyName={policy}&Version=2010-05-08");
        let xml = self.query("iam", form).await;
        let encoded = between(&xml, "<PolicyDocument>", "</PolicyDocument>").replace('+', "%2B");
        let (text, _) = url::form_urlencoded::parse(encoded.as_bytes()).next().unwrap();
        serde_json::from_str(&text).unwrap()
    }

    async fn ecs(&self, operation: &str, body: &Value) -> Value {
        let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
        let request = self.http.post(&self.url).header("x-amz-target", target);
        let request = request.header("content-type", "application/x-amz-json-1.1");
        let answer = request.body(body.to_string()).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    async fn query(&self, service: &str, form: String) -> String {
        let request = self.http.post(&self.url).header("authorization", signed(service));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(form).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{text}");
        text
    }
}

/// What the stand-in takes for a signature: it reads the service, and believes the rest.
pub(crate) fn signed(service: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request")
}

#[track_caller]
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("no {begin} in {text}"));
    rest.split(end).next().unwrap()
}
