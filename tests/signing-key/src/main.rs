//! `cargo run -p signing-key -- {channel id}`: makes an assertion signing key, writes its private half to `line.json`,
//! the value of the stack's LINE secret, and prints its public half for LINE's console.

use std::{fs::OpenOptions, io::Write as _};

use anyhow::Context as _;
use serde_json::json;
use signing_key::SigningKey;

const FILE: &str = "line.json";

fn main() -> anyhow::Result<()> {
    let channel_id = std::env::args().nth(1).context("the channel id, as LINE's console shows it, is missing")?;
    let key = SigningKey::generate()?;
    let secret = json!({ "channelId": channel_id, "kid": "what LINE shows", "privateKey": key.private_jwk() });
    // Never over another key, and for nobody else to read.
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(FILE).with_context(|| format!("cannot make {FILE}"))?;
    writeln!(file, "{secret:#}")?;
    println!("{:#}", key.public_jwk());
    eprintln!("\nRegister the key above in LINE's console, and put the kid that it shows into {FILE}.");
    Ok(())
}
