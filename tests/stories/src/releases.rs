//! What builds and deploys a release: the workflows, the role that they deploy with, and the look at the binaries.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Output},
};

use local_stand::{aws::emulator::prepare, repository};
use serde_json::Value;

use crate::template::matches;

/// The AWS CLI and SAM read the region from another variable than AWS's other SDKs, and pass over what they do not
/// know.
#[test]
fn the_workflow_that_deploys_tells_sam_what_sam_reads() {
    const WORKFLOW: &str = ".github/workflows/deploy.yaml";
    let workflow = fs::read_to_string(repository().join(WORKFLOW)).expect("the workflow");
    let mut python = prepare().expect("botocore").python();
    let program = "import json; from botocore import configprovider as c, credentials as k; \
                   known = [one[1] for one in c.BOTOCORE_DEFAUT_SESSION_VARIABLES.values()]; \
                   known += k.AssumeRoleWithWebIdentityProvider._CONFIG_TO_ENV_VAR.values(); \
                   print(json.dumps([one for one in known if isinstance(one, str)]))";
    let output = python.args(["-c", program]).output().expect("it runs");
    let known: BTreeSet<String> = serde_json::from_slice(&output.stdout).expect("JSON");
    let told: BTreeSet<&str> = workflow
        .lines()
        .filter_map(|line| line.trim().split_once(": ").map(|(name, _)| name))
        .filter(|name| name.starts_with("AWS_"))
        .collect();
    assert!(told.iter().all(|name| known.contains(*name)), "{WORKFLOW}: {told:?}");
    assert_eq!(told, ["AWS_DEFAULT_REGION", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"].into());
    // What looks at the stack afterwards finds the one that was deployed.
    let name =
        prepare().expect("Python").python().args([".github/stack-name", "default"]).current_dir(repository()).output();
    let name = String::from_utf8(name.expect("it runs").stdout).expect("a text");
    let written = fs::read_to_string(repository().join("samconfig.toml")).expect("samconfig.toml");
    assert!(!name.trim().is_empty() && written.contains(&format!("stack_name = \"{}\"\n", name.trim())), "{name:?}");
}

/// Nobody but one environment of one repository takes the role; and the role may not change itself.
#[test]
fn the_deployers_role_is_trusted_to_one_environment_and_is_none_of_those_it_makes() {
    let file = |name: &str| fs::read_to_string(repository().join(name)).expect("a file");
    let trust: Value = serde_json::from_str(&file(".github/deployer-trust.json")).expect("JSON");
    let [statement] = &trust["Statement"].as_array().expect("statements")[..] else { panic!("{trust}") };
    let conditions = statement["Condition"]["StringEquals"].as_object().expect("conditions");
    let of =
        |claim: &str| conditions[&format!("token.actions.githubusercontent.com:{claim}")].as_str().expect("a text");
    assert_eq!((conditions.len(), of("aud")), (2, "sts.amazonaws.com"));
    assert!(of("sub").starts_with("repo:") && of("sub").ends_with(":environment:default"), "{}", of("sub"));
    assert!(!trust.to_string().contains('*'), "{trust}");
    let policy = file(".github/deployer-policy.json");
    let page = file("DEPLOY.md");
    let role = page.split("create-role --role-name ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let role = role.expect("the role's name");
    for may_be_changed in policy.split("\"arn:aws:iam::*:role/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(!matches(may_be_changed, role), "{role} may change itself");
    }
}

/// `check-glibc` of a binary with these dynamic symbols, as `readelf` prints them.
fn glibc_of(symbols: &str) -> Output {
    const READELF: &str =
        r#"readelf() { case $1 in --dyn-syms) printf %s "$SYMBOLS" ;; *) echo " Machine: AArch64" ;; esac; }"#;
    let mut bash = Command::new("bash");
    bash.arg("-c").arg(format!("{READELF}; . .github/check-glibc bootstrap")).env("SYMBOLS", symbols);
    bash.current_dir(repository()).output().expect("it runs")
}

#[test]
fn a_binary_that_lambda_could_not_start_is_told_and_no_other() {
    let symbol =
        |version: &str| format!("  7: 0000000000000000 0 FUNC GLOBAL DEFAULT UND memcpy@GLIBC_{version} (2)\n");
    let of = |versions: &[&str]| versions.iter().map(|version| symbol(version)).collect::<String>();
    for (symbols, says, runs) in [
        (of(&["2.17", "2.34", "2.4"]), "AArch64, GLIBC_2.34", true),
        (of(&["2.17", "2.35"]), "AArch64, GLIBC_2.35", false),
        // A static binary has none, and needs no library.
        (String::new(), "AArch64, no glibc", true),
    ] {
        let output = glibc_of(&symbols);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(says), "{symbols:?}: {output:?}");
        assert_eq!(output.status.success(), runs, "{symbols:?}: {output:?}");
        assert_eq!(output.stderr.is_empty(), runs, "{symbols:?}: {output:?}");
    }
    let nothing = Command::new("bash").arg(".github/check-glibc").current_dir(repository()).output().expect("it runs");
    assert!(!nothing.status.success() && !nothing.stderr.is_empty(), "{nothing:?}");
}
