//! What AWS's own tools say of the templates, and hadolint of the Dockerfile.

use crate::ROOT;
use crate::built::{content, tool};
use std::fs;
use std::path::{Path, PathBuf};

/// Every template.
pub(crate) fn templates() -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(ROOT).join("infra")).unwrap();
    let files = entries.map(|entry| entry.unwrap().path().canonicalize().unwrap());
    let yaml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml");
    let mut found: Vec<PathBuf> = files.filter(yaml).collect();
    found.sort();
    assert!(found.len() > 10, "{found:?}");
    found
}

#[test]
fn sam_takes_the_template_with_both_sets_of_parameters() {
    for set in ["dev", "prod"] {
        let said = content(tool("sam").args(["validate", "--lint", "--config-env", set]));
        assert!(said.contains("is a valid SAM Template"), "{said}");
    }
}

#[test]
fn cfn_lint_finds_nothing_in_any_template() {
    let mut lint = tool("cfn-lint");
    lint.args(["-a", "cfn_lint_serverless.rules", "--"]).args(templates());
    assert_eq!(content(&mut lint).trim(), "");
}

#[test]
fn hadolint_finds_nothing_in_the_dockerfile() {
    assert_eq!(content(tool("hadolint").arg("Dockerfile")).trim(), "");
}

#[test]
fn a_template_can_be_read_in_one_go() {
    for path in templates() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().count() < 500, "{}", path.display());
        let parameters = text.matches("\n    Type: ").count();
        assert!(text.matches("Description: ").count() > 0 && parameters > 0, "{}", path.display());
    }
}
