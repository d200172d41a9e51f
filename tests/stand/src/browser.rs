//! A real browser without a window: Chromium by way of ChromeDriver (W3C WebDriver, JSON over HTTP).
//!
//! Each one has a profile of its own, and ends with the value.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{aws::emulator::prepare, random::random_uuid};

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const DRIVERS: [&str; 2] = ["chromedriver", "/usr/lib/chromium/chromedriver"];
/// How long something may take to appear.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
/// How WebDriver begins to say that an element is not on the page any more.
const DRAWN_ANEW: &str = "stale element reference";

/// Keys that write nothing, as WebDriver names them.
pub mod key {
    /// To the next thing that takes the focus.
    pub const TAB: &str = "\u{e004}";
    /// Follows a link, presses a button, sends a form.
    pub const ENTER: &str = "\u{e007}";
    /// Leaves a dialog.
    pub const ESCAPE: &str = "\u{e00c}";
}

/// What a browser is shown on.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    width: u32,
    height: u32,
    phone: bool,
}

impl Screen {
    /// A phone's, with two pixels a point and a finger for a mouse.
    pub const PHONE: Self = Self { width: 390, height: 844, phone: true };
    /// One of the smallest phones.
    pub const SMALL_PHONE: Self = Self { width: 360, height: 780, phone: true };
    /// A desk's.
    pub const DESK: Self = Self { width: 1280, height: 1000, phone: false };
}

/// A running browser.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    session: String,
    http: reqwest::Client,
    profile: PathBuf,
}

/// Where a browser and its driver are.
pub type Installed = (PathBuf, PathBuf);

/// What this machine has of them.
pub fn installed() -> Option<Installed> {
    Some((find(&BROWSERS)?, find(&DRIVERS)?))
}

fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<_> = std::env::split_paths(&path).collect();
    names.iter().find_map(|name| directories.iter().map(|directory| directory.join(name)).find(|file| file.is_file()))
}

impl Browser {
    /// Starts a phone's browser, that likes this language.
    pub async fn start(installed: &Installed, language: &str) -> anyhow::Result<Self> {
        Self::start_on(installed, language, Screen::PHONE).await
    }

    /// Starts a browser on this screen, that likes this language.
    pub async fn start_on(
        (browser, driver): &Installed,
        language: &str,
        Screen { width, height, phone }: Screen,
    ) -> anyhow::Result<Self> {
        let profile = std::env::temp_dir().join(format!("browser-{}", random_uuid().simple()));
        fs::create_dir(&profile)?;
        let said = profile.join("driver.log");
        let driver = Command::new(driver)
            .arg("--port=0") // one that is free, and that nobody else takes meanwhile
            .stdout(File::create(&said)?)
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", driver.display()))?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut this = Self { driver, session: String::new(), http, profile };
        let deadline = Instant::now() + PATIENCE;
        while this.session.is_empty() {
            ensure!(Instant::now() < deadline, "ChromeDriver does not say its port");
            sleep(POLL).await;
            // "ChromeDriver was started successfully on port 38625."
            let said = fs::read_to_string(&said)?;
            let port = said.split_once("successfully on port ").and_then(|(_, port)| port.split_once(".\n"));
            this.session = port.map(|(port, _)| format!("http://127.0.0.1:{port}/session")).unwrap_or_default();
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
            &format!("--window-size={width},{height}"),
            &format!("--lang={language}"),
            &format!("--user-data-dir={}", this.profile.display()),
        ];
        let mut options = json!({
            "binary": browser,
            "args": arguments,
            "prefs": { "intl.accept_languages": language },
        });
        if phone {
            let metrics = json!({ "width": width, "height": height, "pixelRatio": 2.0 });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let wanted = json!({ "capabilities": { "alwaysMatch": wanted } });
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
        self.act(async || self.element(selector).await, "click", json!({})).await
    }

    /// Clicks on what a screen reader calls so, such as the `button` "Cancel"; waits for it.
    pub async fn press(&self, role: &str, name: &str) -> anyhow::Result<()> {
        self.act(async || self.named(role, name).await, "click", json!({})).await
    }

    /// Types into the field of this label, after what stands there.
    pub async fn write(&self, label: &str, text: &str) -> anyhow::Result<()> {
        self.act(async || self.named("textbox", label).await, "value", json!({ "text": text })).await
    }

    /// Chooses the option with this value in the list of this label.
    pub async fn choose(&self, label: &str, value: &str) -> anyhow::Result<()> {
        let list = self.named("combobox", label).await?;
        let option = json!({ "using": "css selector", "value": format!("option[value=\"{value}\"]") });
        let option = self.call(Method::POST, &format!("/element/{list}/element"), Some(option)).await?;
        let option = id_of(&option).with_context(|| format!("no {value} in {label}"))?;
        self.call(Method::POST, &format!("/element/{option}/click"), Some(json!({}))).await.map(|_| ())
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub async fn keys(&self, keys: &str) -> anyhow::Result<()> {
        let stroke = |key: char| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })];
        let strokes: Vec<Value> = keys.chars().flat_map(stroke).collect();
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.call(Method::POST, "/actions", Some(actions)).await.map(|_| ())
    }

    /// What has the focus: its role and its name.
    pub async fn focused(&self) -> anyhow::Result<(String, String)> {
        let active = self.call(Method::GET, "/element/active", None).await?;
        self.role_and_name(&id_of(&active).context("nothing has the focus")?).await
    }

    /// Presses Tab until this has the focus.
    pub async fn tab_to(&self, role: &str, name: &str) -> anyhow::Result<()> {
        let mut met = Vec::new();
        for _ in 0..100 {
            self.keys(key::TAB).await?;
            let focused = self.focused().await?;
            if focused == (role.to_owned(), name.to_owned()) {
                return Ok(());
            }
            met.push(focused);
        }
        bail!("Tab never comes to the {role} {name:?}, only to {met:?}")
    }

    /// Waits until an expression of the page is true.
    pub async fn wait_until(&self, expression: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.run(&format!("return Boolean({expression})")).await? != true {
            if Instant::now() > deadline {
                bail!("waited in vain for {expression} on {}: {}", self.address().await?, self.words().await?);
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Waits until the first element is shown with this in its text.
    pub async fn wait_for_text(&self, selector: &str, text: &str) -> anyhow::Result<()> {
        // What is not shown has all of its text as `innerText`.
        let is_shown = "one.checkVisibility() && one.innerText.includes";
        let (selector, text) = (json!(selector), json!(text));
        self.wait_until(&format!("(one => one && {is_shown}({text}))(document.querySelector({selector}))")).await
    }

    /// What the browser's console tells since it was last asked: the page's own words, and what its policy forbade.
    pub async fn console(&self) -> anyhow::Result<Vec<String>> {
        let entries = self.call(Method::POST, "/se/log", Some(json!({ "type": "browser" }))).await?;
        let entries = entries.as_array().context("a log is a list")?;
        Ok(entries.iter().filter_map(|entry| entry["message"].as_str().map(str::to_owned)).collect())
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

    /// Lets every call take so much longer, or fail.
    pub async fn slow_down(&self, latency: Duration, is_offline: bool) -> anyhow::Result<()> {
        self.call(Method::POST, "/goog/cdp/execute", Some(json!({ "cmd": "Network.enable", "params": {} }))).await?;
        let conditions = json!({
            "offline": is_offline,
            "latency": u64::try_from(latency.as_millis())?,
            "downloadThroughput": -1,
            "uploadThroughput": -1,
        });
        let command = json!({ "cmd": "Network.emulateNetworkConditions", "params": conditions });
        self.call(Method::POST, "/goog/cdp/execute", Some(command)).await.map(|_| ())
    }

    /// What axe-core has against the page as it is: the rules of WCAG 2.2, A and AA, and its best practices.
    pub async fn inaccessible(&self) -> anyhow::Result<Vec<String>> {
        const RUN: &str = "const found = await axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', \
                           'wcag22aa', 'best-practice'] }); \
                           return found.violations.flatMap(({ id, nodes }) => \
                           nodes.map(node => `${id}: ${node.target}: ${node.failureSummary}: ${node.html}`));";
        if self.run("return 'axe' in window").await? != true {
            self.run(&prepare()?.axe()?).await?;
        }
        let found = self.run(&format!("return (async () => {{ {RUN} }})()")).await?;
        let found = found.as_array().context("violations are a list")?;
        Ok(found.iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect())
    }

    /// Writes a picture of the page.
    pub async fn screenshot(&self, file: &Path) -> anyhow::Result<()> {
        let value = self.call(Method::GET, "/screenshot", None).await?;
        let picture = BASE64_STANDARD.decode(value.as_str().context("a picture is text")?)?;
        fs::write(file, picture).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Does this to what is found; once more where it was drawn anew in between.
    async fn act(
        &self,
        find: impl AsyncFn() -> anyhow::Result<String>,
        action: &str,
        body: Value,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let element = find().await?;
            match self.call(Method::POST, &format!("/element/{element}/{action}"), Some(body.clone())).await {
                Err(error) if error.to_string().starts_with(DRAWN_ANEW) && Instant::now() < deadline => {}
                result => return result.map(|_| ()),
            }
        }
    }

    async fn element(&self, selector: &str) -> anyhow::Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found =
                self.call(Method::POST, "/element", Some(json!({ "using": "css selector", "value": selector }))).await;
            match found {
                Ok(element) => return id_of(&element).context("an element has an id"),
                Err(error) if Instant::now() > deadline => {
                    let address = self.address().await.unwrap_or_default();
                    return Err(error.context(format!("no {selector} on {address}")));
                }
                Err(_) => sleep(POLL).await,
            }
        }
    }

    /// The first element that is shown with this role and name.
    async fn named(&self, role: &str, name: &str) -> anyhow::Result<String> {
        let candidates = match role {
            "button" => "button",
            "link" => "a[href]",
            "textbox" => "input, textarea",
            "checkbox" => "input[type=checkbox]",
            "combobox" => "select",
            other => bail!("nobody said how a {other} is found"),
        };
        // Most of a page is out of sight, and each question to the browser takes its time.
        let seen =
            format!("return [...document.querySelectorAll('{candidates}')].filter(one => one.checkVisibility())");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut met = Vec::new();
            for id in self.run(&seen).await?.as_array().into_iter().flatten().filter_map(id_of) {
                // A password field has no role of its own, and what is drawn anew meanwhile is not there any more.
                let (its_role, its_name) = self.role_and_name(&id).await.unwrap_or_default();
                let same_role = its_role == role || role == "textbox" && its_role != "checkbox";
                if same_role && its_name == name {
                    return Ok(id);
                }
                met.push(its_name);
            }
            if Instant::now() > deadline {
                bail!("no {role} {name:?} among {met:?}; the page says: {}", self.words().await?);
            }
            sleep(POLL).await;
        }
    }

    /// What a person reads, for who wonders what the page was at.
    async fn words(&self) -> anyhow::Result<String> {
        let text = self.run("return document.body.innerText").await?;
        Ok(text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "))
    }

    async fn role_and_name(&self, element: &str) -> anyhow::Result<(String, String)> {
        let role = self.call(Method::GET, &format!("/element/{element}/computedrole"), None).await?;
        let name = self.call(Method::GET, &format!("/element/{element}/computedlabel"), None).await?;
        Ok((role.as_str().unwrap_or_default().to_owned(), name.as_str().unwrap_or_default().to_owned()))
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

fn id_of(element: &Value) -> Option<String> {
    element.as_object()?.values().next()?.as_str().map(str::to_owned)
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
        let _ = fs::remove_dir_all(&self.profile);
    }
}
