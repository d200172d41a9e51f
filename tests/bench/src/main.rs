//! How fast and how small the functions are, beside the least that a function can be. `tests/README.md` has the
//! command, what its variables do, and what it said.

mod cases;
mod measure;
mod memory;
mod table;
mod tls;
mod upstreams;

use std::{env, fs, path::PathBuf, process::Command, str::FromStr};

use anyhow::{Context as _, bail, ensure};
use local_stand::repository;
use time::OffsetDateTime;

use crate::{
    cases::{Case, FUNCTIONS, cases},
    measure::Bench,
    upstreams::Upstreams,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => measure(Look::Speed).await,
        ["memory"] => measure(Look::Memory).await,
        ["compare", earlier, later] => {
            print!("{}", table::compared(&fs::read_to_string(earlier)?, &fs::read_to_string(later)?)?);
            Ok(())
        }
        _ => bail!("nothing, or: memory, or: compare EARLIER.md LATER.md"),
    }
}

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Each function, as fast as the machine is.
    Speed,
    /// Each function at each of the memory sizes.
    Memory,
}

async fn measure(look: Look) -> anyhow::Result<()> {
    let only = env::var("ONLY").unwrap_or_default();
    let wanted = |function: &str| only.is_empty() || only.split(' ').any(|word| function.contains(word));
    let built = build(wanted)?;
    let logs = built.join("bench-logs");
    fs::create_dir_all(&logs)?;
    let upstreams = Upstreams::start().await?;
    let system = fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    let ours = upstreams.tls.certificate();
    let ours = format!("-----BEGIN CERTIFICATE-----\n{ours}\n-----END CERTIFICATE-----\n");
    fs::write(logs.join("extra-roots.pem"), &ours)?;
    fs::write(logs.join("roots.pem"), format!("{system}\n{ours}"))?;

    let bench = |programs| Bench {
        programs,
        floor: built.join("floor"),
        logs: logs.clone(),
        rounds: variable("ROUNDS", 20),
        events: variable("EVENTS", 2000),
    };
    let mut subjects = vec![("", bench(built.clone()))];
    if let Some(against) = env::var_os("AGAINST") {
        subjects.push((" (against)", bench(PathBuf::from(against))));
    }
    let head = match look {
        Look::Speed => table::head(),
        Look::Memory => memory::head(),
    };
    let mut text = format!("{}\n\n{head}", machine());
    print!("{text}");
    let cases = cases(&subjects[0].1, &upstreams).await?;
    // How much work there is matters elsewhere: there the lightest of each function are enough.
    let is_light = |case: &Case| case.weight == 1 || case.orders_a_day == 1;
    let wanted =
        |case: &&Case| (case.function == "floor" || wanted(case.function)) && (look == Look::Speed || is_light(case));
    for case in cases.iter().filter(wanted) {
        for (suffix, bench) in &subjects {
            let name = format!("{}{suffix}", case.name);
            let row = match look {
                Look::Speed => table::row(&name, &bench.figures(case, &upstreams).await?),
                Look::Memory => memory::row(&name, bench, case, &upstreams).await?,
            };
            print!("{row}");
            text.push_str(&row);
        }
    }
    let file = logs.join("table.md");
    fs::write(&file, text)?;
    eprintln!("\nwritten: {}", file.display());
    Ok(())
}

/// Builds the release of the functions that are measured; returns its directory.
fn build(wanted: impl Fn(&str) -> bool) -> anyhow::Result<PathBuf> {
    let mut packages = vec!["bench", "order-finished"];
    packages.extend(FUNCTIONS.iter().filter(|name| wanted(name) && **name != "order-finished"));
    if env::var_os("BUILT").is_none() {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // One at a time: so each has the features that it has in its own release.
        for package in packages {
            let mut build = Command::new(&cargo);
            build.args(["build", "--release", "--bins", "-p", package]);
            ensure!(build.current_dir(repository()).status()?.success(), "{package} does not build");
        }
    }
    // target/release/deps/functions-…
    let here = env::current_exe()?;
    let target = here.ancestors().nth(3).context("no target directory")?;
    Ok(env::var_os("BUILT").map_or_else(|| target.join("release"), PathBuf::from))
}

fn machine() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let (date, name) = (OffsetDateTime::now_utc().date(), model.map_or("?", |(_, name)| name.trim()));
    format!("{date}, {cores} cores of {name} ({}), load {load} at the start", env::consts::ARCH)
}

fn variable<T: FromStr>(name: &str, default: T) -> T {
    env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
