//! How it is measured: function and floor in turn, each in processes of its own, so that a busy moment of the machine
//! meets both. Every figure is a median.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use flate2::{Compression, write::DeflateEncoder};
use local_stand::{
    aws::{one_process::OneProcess, process::processor_time},
    wire::steps,
};
use serde_json::{Value, json};

use crate::{
    cases::{Case, is_well},
    upstreams::Upstreams,
};

/// A network as between Lambda and what it calls: to connect, and a call.
const NETWORK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(5));
/// With this for each call, one that follows another is told from one beside it.
const SLOW: Duration = Duration::from_millis(100);
/// Warm events come in so many turns.
const TURNS: usize = 10;
/// Of the heaviest events at least so many.
const MIN_EVENTS: usize = 20;

/// What is measured, and how often.
pub struct Bench {
    /// Where the programs are.
    pub programs: PathBuf,
    /// Where the floor is.
    pub floor: PathBuf,
    /// Where the functions log.
    pub logs: PathBuf,
    /// Cold starts of each.
    pub rounds: usize,
    /// Warm events of the lightest kind.
    pub events: usize,
}

/// One row.
#[derive(Debug, Default)]
pub struct Figures {
    /// From the start to the first event's being asked for, ms.
    pub init: f64,
    /// From the start to the first answer, ms.
    pub cold: f64,
    /// The same, beside the floor.
    pub cold_ratio: f64,
    /// Processor time of that, ms.
    pub cold_cpu: f64,
    /// The most memory that it used, MB.
    pub memory: f64,
    /// A warm event, ms: the median.
    pub warm: f64,
    /// The same, beside the floor.
    pub warm_ratio: f64,
    /// The slowest in a hundred, ms.
    pub warm_p99: f64,
    /// Processor time of one, µs.
    pub warm_cpu: f64,
    /// The same for each call that it makes, beside the floor's whole event.
    pub call_cpu_ratio: f64,
    /// Calls, connections made, calls one after the other.
    pub cold_calls: [usize; 3],
    /// Calls, calls one after the other.
    pub warm_calls: [usize; 2],
    /// A cold start with a network between, ms.
    pub network: f64,
    /// The same, beside one connection, one call before the event, and the event's calls.
    pub network_ratio: f64,
    /// The program, MB.
    pub size: f64,
    /// The same, compressed as for an upload, MB.
    pub zip: f64,
}

/// A cold start.
struct Cold {
    init: f64,
    cold: f64,
    cpu: f64,
}

impl Bench {
    /// Where a function's program is.
    pub fn program(&self, function: &str) -> PathBuf {
        if function == "floor" { self.floor.clone() } else { self.programs.join(function) }
    }

    /// Its variables.
    pub fn variables(&self, upstreams: &Upstreams, function: &str) -> BTreeMap<String, String> {
        let mut variables = upstreams.variables();
        variables.insert("EXTRA_ROOTS_FILE".to_owned(), self.logs.join("extra-roots.pem").display().to_string());
        // For versions that had ours in a variable, or read the system's roots: all of them, and ours.
        variables.insert("EXTRA_ROOT_CERTIFICATE".to_owned(), upstreams.tls.certificate());
        variables.insert("SSL_CERT_FILE".to_owned(), self.logs.join("roots.pem").display().to_string());
        variables.insert("AWS_LAMBDA_LOG_FORMAT".to_owned(), "JSON".to_owned());
        variables.insert("AWS_SDK_UA_APP_ID".to_owned(), function.to_owned());
        variables
    }

    /// Its log, begun anew.
    pub fn log(&self, function: &str) -> anyhow::Result<File> {
        let path = self.logs.join(format!("{function}.log"));
        File::create(&path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Measures one case.
    pub async fn figures(&self, case: &Case, upstreams: &Upstreams) -> anyhow::Result<Figures> {
        let mut figures = Figures::default();
        upstreams.set_orders_a_day(case.orders_a_day);
        upstreams.set_line_hangs(case.line_hangs);
        self.count_calls(case, upstreams, &mut figures).await?;
        let (mut ours, mut ratios) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            let floor = self.start("floor", &json!({}), upstreams).await?.1;
            let (_, cold) = self.start(case.function, &case.event, upstreams).await?;
            ratios.push(cold.cold / floor.cold);
            ours.push(cold);
        }
        figures.init = median(ours.iter().map(|one| one.init));
        figures.cold = median(ours.iter().map(|one| one.cold));
        figures.cold_cpu = median(ours.iter().map(|one| one.cpu));
        figures.cold_ratio = median(ratios);
        self.run_warm(case, upstreams, &mut figures).await?;

        figures.network = median(self.with_network(case, upstreams, self.rounds.div_ceil(2), 0).await?.0);
        let steps = u32::try_from(1 + figures.warm_calls[1]).unwrap_or(u32::MAX);
        figures.network_ratio = figures.network / ms(NETWORK.0 + NETWORK.1 * steps);

        let program = fs::read(self.program(case.function))?;
        let mut zip = DeflateEncoder::new(Vec::new(), Compression::best());
        zip.write_all(&program)?;
        (figures.size, figures.zip) = (megabytes(program.len()), megabytes(zip.finish()?.len()));
        Ok(figures)
    }

    /// So many cold starts, and warm events of the last process, with a network between: the milliseconds of each.
    pub async fn with_network(
        &self,
        case: &Case,
        upstreams: &Upstreams,
        rounds: usize,
        events: usize,
    ) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
        upstreams.set_network(NETWORK.0, NETWORK.1);
        let (mut cold, mut warm) = (Vec::new(), Vec::new());
        for round in 1..=rounds {
            let (one, first) = self.start(case.function, &case.event, upstreams).await?;
            cold.push(first.cold);
            if round == rounds && events > 0 {
                warm = times(&one, &case.event, events).await?.0;
            }
        }
        upstreams.set_network(Duration::ZERO, Duration::ZERO);
        Ok((cold, warm))
    }

    /// Starts a process and hands it an event.
    async fn start(&self, function: &str, event: &Value, upstreams: &Upstreams) -> anyhow::Result<(OneProcess, Cold)> {
        let variables = self.variables(upstreams, function);
        let one = OneProcess::start(&self.program(function), &variables, self.log(function)?).await?;
        let answer = one.invoke(event).await.with_context(|| format!("{function}: see {}", self.logs.display()))?;
        let cold = one.started().elapsed();
        let process = one.process().context("the process has ended")?;
        ensure!(is_well(&answer), "{function} did not do its work: {answer}");
        let cpu = processor_time(process.id).context("no schedstat in /proc")?;
        let init = one.init().context("it never asked for an event")?;
        Ok((one, Cold { init: ms(init), cold: ms(cold), cpu: ms(cpu) }))
    }

    /// A cold event and a warm one, with every call slow.
    async fn count_calls(&self, case: &Case, upstreams: &Upstreams, figures: &mut Figures) -> anyhow::Result<()> {
        upstreams.set_network(Duration::ZERO, SLOW);
        let (first, handshakes) = (upstreams.wire.look(<[_]>::len), upstreams.tls.handshakes());
        let (one, _) = self.start(case.function, &case.event, upstreams).await?;
        let connections = upstreams.tls.handshakes() - handshakes;
        let (second, cold) = upstreams.wire.look(|calls| (calls.len(), steps(&calls[first..]).len()));
        figures.cold_calls = [second - first, connections, cold];
        ensure!(is_well(&one.invoke(&case.event).await?), "{}: the second event failed", case.name);
        figures.warm_calls = upstreams.wire.look(|calls| {
            let warm = &calls[second..];
            [warm.len(), steps(warm).len()]
        });
        upstreams.set_network(Duration::ZERO, Duration::ZERO);
        Ok(())
    }

    async fn run_warm(&self, case: &Case, upstreams: &Upstreams, figures: &mut Figures) -> anyhow::Result<()> {
        let (floor, _) = self.start("floor", &json!({}), upstreams).await?;
        let (ours, _) = self.start(case.function, &case.event, upstreams).await?;
        let turn = (self.events / case.weight).max(MIN_EVENTS).div_ceil(TURNS);
        let calls = figures.warm_calls[0].max(1) as f64;
        let (mut all, mut processor, mut ratios, mut of_calls) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let (of_floor, floor_spent) = times(&floor, &json!({}), turn).await?;
            let (of_ours, spent) = times(&ours, &case.event, turn).await?;
            ratios.push(median(of_ours.iter().copied()) / median(of_floor));
            processor.push(spent);
            of_calls.push(spent / calls / floor_spent);
            all.extend(of_ours);
        }
        all.sort_unstable_by(f64::total_cmp);
        figures.warm = median(all.iter().copied());
        figures.warm_p99 = all[all.len() * 99 / 100];
        figures.warm_ratio = median(ratios);
        figures.warm_cpu = median(processor);
        figures.call_cpu_ratio = median(of_calls);
        figures.memory = ours.process().context("the process has ended")?.peak_memory as f64 * 1024.0 / 1e6;
        Ok(())
    }
}

/// The milliseconds of each event, and the processor's microseconds for one.
async fn times(one: &OneProcess, event: &Value, count: usize) -> anyhow::Result<(Vec<f64>, f64)> {
    let id = one.process().context("the process has ended")?.id;
    let spent = || processor_time(id).context("no schedstat in /proc");
    let (before, mut times) = (spent()?, Vec::new());
    for _ in 0..count {
        let begin = Instant::now();
        let answer = one.invoke(event).await?;
        times.push(ms(begin.elapsed()));
        ensure!(is_well(&answer), "an event failed: {answer}");
    }
    let each = (spent()? - before) / u32::try_from(count).unwrap_or(u32::MAX);
    Ok((times, each.as_secs_f64() * 1e6))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// The one in the middle.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
