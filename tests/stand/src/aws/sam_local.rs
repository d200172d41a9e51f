//! What `sam local invoke` needs to work with a running stand: its file of environment variables, the events with this
//! stand's keys in them, and a way for a container to what listens on this machine.
//!
//! A container knows this machine as `host.docker.internal`, once `sam` is told `--add-host
//! host.docker.internal:host-gateway`. Docker Desktop leads that to 127.0.0.1; on Linux it is the address of Docker's
//! bridge, on which nothing of the stand listens: so its ports are passed on from there.

use std::{collections::BTreeMap, fs, io::ErrorKind, path::PathBuf};

use anyhow::Context as _;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use url::Url;

use crate::{line::webhook_sender::sign, repository, stand::Stand};

const HOST: &str = "host.docker.internal";
/// Docker's bridge, as Docker sets it up.
const BRIDGE: &str = "172.17.0.1";

/// The variables of every function, as a container has to see them.
pub fn variables(stand: &Stand) -> BTreeMap<String, BTreeMap<String, String>> {
    let outside = |value: &str| value.replace("127.0.0.1", HOST);
    // Not the tap: it holds calls against the policy of a function that says its name, which SAM cannot pass on.
    let endpoint = outside(stand.aws.endpoint());
    let mut functions = stand.aws.environments().clone();
    for variables in functions.values_mut() {
        for value in variables.values_mut() {
            *value = outside(value);
        }
        variables.insert("AWS_ENDPOINT_URL".to_owned(), endpoint.clone());
    }
    functions
}

/// Writes them where `sam` is told to look; returns the file.
pub fn write_variables(stand: &Stand) -> anyhow::Result<PathBuf> {
    let file = directory()?.join("sam-local.json");
    fs::write(&file, serde_json::to_string_pretty(&variables(stand))?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// Puts what only this stand knows in the place of an event's placeholders: a caller's key, a signature.
pub fn fill_in(stand: &Stand, event: &mut Value) {
    let route = event["routeKey"].as_str().unwrap_or_default().to_owned();
    if event["headers"]["authorization"].is_string() {
        let key = if route == "POST /orders/finished" { &stand.order_key } else { &stand.operator_key };
        event["headers"]["authorization"] = json!(format!("Bearer {key}"));
    }
    if event["headers"]["x-line-signature"] == "the-signature" {
        let body = event["body"].as_str().unwrap_or_default().as_bytes();
        let decoded = BASE64_STANDARD.decode(body).ok().filter(|_| event["isBase64Encoded"] == true);
        let signature = sign(&stand.line.channel_secret(), decoded.as_deref().unwrap_or(body));
        event["headers"]["x-line-signature"] = json!(signature);
    }
    if event["pathParameters"]["key"] == "the-webhook-key" {
        event["pathParameters"]["key"] = json!(stand.sobot.webhook_key());
    }
}

/// Writes every event of `events/`, filled in, beside the variables.
pub fn write_events(stand: &Stand) -> anyhow::Result<()> {
    let directory = directory()?.join("events");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for file in fs::read_dir(repository().join("events"))? {
        let file = file?.path();
        let mut event: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
        fill_in(stand, &mut event);
        fs::write(directory.join(file.file_name().context("a file without a name")?), event.to_string())?;
    }
    Ok(())
}

fn directory() -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?.ancestors().nth(2).context("no target directory")?.join("local-aws"))
}

/// Passes what containers send to Docker's bridge on to 127.0.0.1, port by port, as long as the process lives; where
/// there is no bridge, there is nothing to do.
pub async fn let_containers_in(stand: &Stand) -> anyhow::Result<()> {
    for address in [stand.aws.endpoint(), &stand.line.base_url(), &stand.sobot.base_url()] {
        let port = Url::parse(address)?.port().context("an address without a port")?;
        let listener = match TcpListener::bind((BRIDGE, port)).await {
            Ok(listener) => listener,
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("cannot listen on {BRIDGE}:{port}")),
        };
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // Either side may hang up at any time.
                    if let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)).await {
                        let _ = copy_bidirectional(&mut from, &mut to).await;
                    }
                });
            }
        });
    }
    Ok(())
}
