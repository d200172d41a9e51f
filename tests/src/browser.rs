//! A real browser without a window: Chromium by way of ChromeDriver (W3C WebDriver, JSON over HTTP).
//!
//! Each one has a profile of its own, and ends with the value.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::channel_key::random_uuid;

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const DRIVERS: [&str; 2] = ["chromedriver", "/usr/lib/chromium/chromedriver"];
/// How long something may take to appear.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// A running browser.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    session: String,
    http: reqwest::Client,
    profile: PathBuf,
}

/// Where a browser and its driver are, if this machine has them.
pub fn installed() -> Option<(PathBuf, PathBuf)> {
    Some((find(&BROWSERS)?, find(&DRIVERS)?))
}

fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<_> = std::env::split_paths(&path).collect();
    names.iter().find_map(|name| directories.iter().map(|directory| directory.join(name)).find(|file| file.is_file()))
}

impl Browser {
    /// Starts a browser with a window as wide as a phone, that likes this language.
    pub async fn start((browser, driver): &(PathBuf, PathBuf), language: &str) -> anyhow::Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let profile = std::env::temp_dir().join(format!("browser-{}", random_uuid().simple()));
        let driver = Command::new(driver)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", driver.display()))?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut this = Self { driver, session: format!("http://127.0.0.1:{port}/session"), http, profile };
        let deadline = Instant::now() + PATIENCE;
        while this.http.get(format!("http://127.0.0.1:{port}/status")).send().await.is_err() {
            ensure!(Instant::now() < deadline, "ChromeDriver does not answer");
            sleep(POLL).await;
        }
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--no-proxy-server",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=390,844",
            &format!("--lang={language}"),
            &format!("--user-data-dir={}", this.profile.display()),
        ];
        let options = json!({
            "binary": browser,
            "args": arguments,
            "prefs": { "intl.accept_languages": language },
            "mobileEmulation": { "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 2.0 } },
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let session = this.call(Method::POST, "", Some(wanted)).await?;
        this.session += &format!("/{}", session["sessionId"].as_str().context("a session has an id")?);
        Ok(this)
    }

    /// Opens an address.
    pub async fn open(&self, address: &str) -> anyhow::Result<()> {
        self.call(Method::POST, "/url", Some(json!({ "url": address }))).await.map(|_| ())
    }

    /// The address that is open.
    pub async fn address(&self) -> anyhow::Result<String> {
        let value = self.call(Method::GET, "/url", None).await?;
        value.as_str().map(str::to_owned).context("an address is text")
    }

    /// The first element's text, as it is shown; waits for it.
    pub async fn text(&self, selector: &str) -> anyhow::Result<String> {
        let element = self.element(selector).await?;
        let value = self.call(Method::GET, &format!("/element/{element}/text"), None).await?;
        value.as_str().map(str::to_owned).context("an element's text is text")
    }

    /// Clicks on the first element; waits for it.
    pub async fn click(&self, selector: &str) -> anyhow::Result<()> {
        let element = self.element(selector).await?;
        self.call(Method::POST, &format!("/element/{element}/click"), Some(json!({}))).await.map(|_| ())
    }

    /// What a script of the page itself returns.
    pub async fn run(&self, script: &str) -> anyhow::Result<Value> {
        self.call(Method::POST, "/execute/sync", Some(json!({ "script": script, "args": [] }))).await
    }

    /// The cookies of the page that is open, as WebDriver describes them.
    pub async fn cookies(&self) -> anyhow::Result<Vec<Value>> {
        let value = self.call(Method::GET, "/cookie", None).await?;
        value.as_array().cloned().context("cookies are a list")
    }

    /// Shows pages as in the dark or in the light.
    pub async fn prefer(&self, color_scheme: &str) -> anyhow::Result<()> {
        let features = json!([{ "name": "prefers-color-scheme", "value": color_scheme }]);
        let command = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": features } });
        self.call(Method::POST, "/goog/cdp/execute", Some(command)).await.map(|_| ())
    }

    /// Writes a picture of the page.
    pub async fn screenshot(&self, file: &Path) -> anyhow::Result<()> {
        let value = self.call(Method::GET, "/screenshot", None).await?;
        let picture = BASE64_STANDARD.decode(value.as_str().context("a picture is text")?)?;
        std::fs::write(file, picture).with_context(|| format!("cannot write {}", file.display()))
    }

    async fn element(&self, selector: &str) -> anyhow::Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found =
                self.call(Method::POST, "/element", Some(json!({ "using": "css selector", "value": selector }))).await;
            match found {
                Ok(element) => {
                    let id = element.as_object().and_then(|element| element.values().next()?.as_str());
                    return id.map(str::to_owned).context("an element has an id");
                }
                Err(error) if Instant::now() > deadline => {
                    let address = self.address().await.unwrap_or_default();
                    return Err(error.context(format!("no {selector} on {address}")));
                }
                Err(_) => sleep(POLL).await,
            }
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.session));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let mut answer: Value = request.send().await.context("ChromeDriver does not answer")?.json().await?;
        let value = answer["value"].take();
        if let Some(error) = value["error"].as_str() {
            bail!("{error}: {}", value["message"].as_str().unwrap_or_default());
        }
        Ok(value)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser when its session ends; the profile goes when nobody writes to it any more.
        let session = self.session.clone();
        let end = move || {
            let address = session.trim_start_matches("http://");
            let (host, path) = address.split_once('/')?;
            let mut stream = std::net::TcpStream::connect(host).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
            let request = format!("DELETE /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            std::io::Write::write_all(&mut stream, request.as_bytes()).ok()?;
            std::io::Read::read(&mut stream, &mut [0; 256]).ok()
        };
        let _ = end();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
