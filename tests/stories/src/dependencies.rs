//! What is linked into the binaries has a permissive licence, a known source, and one version: `deny.toml`.

use std::process::Stdio;

use local_stand::{aws::emulator::prepare, repository};

#[test]
fn every_dependency_is_as_deny_toml_wants_it() {
    let mut deny = prepare().expect("cargo-deny").program("cargo-deny");
    // The advisories are looked at by a workflow of their own: their database is on no registry.
    deny.args(["--color", "never", "--locked", "check", "--deny", "warnings", "bans", "licenses", "sources"]);
    let output = deny.current_dir(repository()).stdin(Stdio::null()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
