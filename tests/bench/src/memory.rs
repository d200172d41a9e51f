//! What a memory size gives and costs. Lambda limits the processor by it: 1,769 MB are one of them (AWS: "Configure
//! Lambda function memory"). Here Linux limits a function's process alike, by a control group; only root may make one.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process,
};

use anyhow::Context as _;
use bill::LAMBDA_MB_SECONDS;

use crate::{
    cases::Case,
    measure::{Bench, median},
    upstreams::Upstreams,
};

/// The sizes that are looked at, MB.
const SIZES: [u32; 4] = [128, 256, 512, 1024];
const ONE_PROCESSOR: u32 = 1769;
/// Lambda's slices of time, µs: within each a function has its share.
const PERIOD: u32 = 20_000;
/// Cold starts and warm events of each size.
const ROUNDS: usize = 10;
const EVENTS: usize = 50;
const GROUPS: &str = "/sys/fs/cgroup";

/// The head of the table.
pub fn head() -> String {
    let columns = SIZES.map(|size| format!(" cold ms | warm ms | $ a million at {size} MB |")).concat();
    format!("| event |{columns}\n| --- |{}\n", " --: | --: | --: |".repeat(SIZES.len()))
}

/// A row of it: for each size a cold start, a warm event, and a million of those; the network of the bench between.
pub async fn row(name: &str, bench: &Bench, case: &Case, upstreams: &Upstreams) -> anyhow::Result<String> {
    let mut row = format!("| {name} |");
    for size in SIZES {
        let group = Group::new(size)?;
        // What wraps a program stands beside the logs, the floor's too: never in its place.
        let (programs, floor) = (bench.logs.clone(), bench.logs.join("floor"));
        let limited = Bench { programs, floor, logs: bench.logs.clone(), ..*bench };
        group.wrap(&bench.program(case.function), &limited.program(case.function))?;
        let (cold, warm) = limited.with_network(case, upstreams, ROUNDS, EVENTS).await?;
        let (cold, warm) = (median(cold), median(warm));
        // Lambda bills whole milliseconds.
        let dollars = warm.ceil() / 1e3 * f64::from(size) * LAMBDA_MB_SECONDS;
        row += &format!(" {cold:.0} | {warm:.0} | {dollars:.2} |");
    }
    Ok(row + "\n")
}

/// A control group with the processor's share of a memory size; dropping it removes it.
struct Group(PathBuf);

impl Group {
    fn new(size: u32) -> anyhow::Result<Self> {
        let quota = PERIOD * size / ONE_PROCESSOR;
        let own = format!("bench-{}-{size}", process::id());
        let (group, settings) = if Path::new(GROUPS).join("cgroup.controllers").exists() {
            (Path::new(GROUPS).join(own), vec![("cpu.max", format!("{quota} {PERIOD}"))])
        } else {
            let settings = vec![("cpu.cfs_period_us", PERIOD.to_string()), ("cpu.cfs_quota_us", quota.to_string())];
            (Path::new(GROUPS).join("cpu").join(own), settings)
        };
        fs::create_dir(&group).with_context(|| format!("cannot make {}: run as root, on Linux", group.display()))?;
        let group = Self(group);
        for (name, value) in settings {
            let path = group.0.join(name);
            fs::write(&path, value).with_context(|| format!("cannot limit the processor by {}", path.display()))?;
        }
        Ok(group)
    }

    /// Writes a program that joins the group and becomes the function.
    fn wrap(&self, program: &Path, wrapped: &Path) -> anyhow::Result<()> {
        let join = self.0.join("cgroup.procs");
        let script = format!("#!/bin/sh\necho $$ > {}\nexec {}\n", join.display(), program.display());
        fs::write(wrapped, script).with_context(|| format!("cannot write {}", wrapped.display()))?;
        Ok(fs::set_permissions(wrapped, Permissions::from_mode(0o755))?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its processes were ended and waited for.
        let _ = fs::remove_dir(&self.0);
    }
}
