//! What is linked into the binaries has a permissive licence, a known source, and one version: `deny.toml`. And it is
//! used.

use std::{fs, process::Stdio};

use local_stand::{aws::emulator::prepare, repository};

use crate::sources::production_sources;

#[test]
fn every_dependency_is_as_deny_toml_wants_it() {
    let mut deny = prepare().expect("cargo-deny").program("cargo-deny");
    // The advisories are looked at by a workflow of their own: their database is on no registry.
    deny.args(["--color", "never", "--locked", "check", "--deny", "warnings", "bans", "licenses", "sources"]);
    let output = deny.current_dir(repository()).stdin(Stdio::null()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_package_names_no_dependency_that_it_does_not_use() {
    let sources = production_sources();
    let functions = fs::read_dir(repository().join("functions")).expect("a folder");
    let functions = functions.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir());
    let mut looked_at = 0;
    for package in functions.chain([repository().join("shared")]) {
        let own = package.strip_prefix(repository()).expect("in the repository").display().to_string();
        let of_package = sources.iter().filter(|(path, _)| path.starts_with(&format!("{own}/")));
        let text = of_package.map(|(_, text)| text.as_str()).collect::<String>();
        let manifest = fs::read_to_string(package.join("Cargo.toml")).expect("a manifest");
        let (_, dependencies) = manifest.split_once("\n[dependencies]\n").expect("dependencies");
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        for name in
            dependencies.lines().filter_map(|line| line.split(['.', ' ']).next()).filter(|name| !name.is_empty())
        {
            // A crate's name as code writes it; md-5 is written md5.
            let written = [name.replace('-', "_"), name.replace('-', "")];
            assert!(
                written.iter().any(|name| text.contains(name)),
                "{own}/Cargo.toml names {name}, which nothing uses"
            );
            looked_at += 1;
        }
    }
    assert!(looked_at > 100, "{looked_at}");
}
