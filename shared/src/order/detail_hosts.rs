//! Which hosts the button of a customer's message may open.
//!
//! Whoever has the order key decides what a message says and where its button leads, and the official account vouches
//! for it. With a list of hosts a key that got out leads nobody elsewhere.

use url::Url;

use crate::{invalid::Invalid, order::DetailUrl};

/// The list; an empty one allows any host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetailHosts(Vec<String>);

impl DetailHosts {
    /// Reads host names separated by commas. What is none allows nothing: `template.yaml` refuses most of that.
    pub fn of(list: &str) -> Self {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Self(entries.map(str::to_ascii_lowercase).collect())
    }

    /// Whether a button may open this address.
    pub fn allow(&self, address: &DetailUrl) -> Result<(), Invalid> {
        let url = Url::parse(address.as_str()).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        if self.0.is_empty() || self.0.iter().any(|allowed| allowed == host) {
            return Ok(());
        }
        Err(format!("must be an address on {}", self.0.join(", ")).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(list: &str, address: &str) -> bool {
        DetailHosts::of(list).allow(&DetailUrl::parse(address).unwrap()).is_ok()
    }

    #[test]
    fn only_the_hosts_of_the_list_are_allowed_and_any_without_one() {
        let list = "app.example, orders.example";
        for allowed in ["https://app.example/a", "https://APP.example/a", "https://orders.example:8443/?q=1"] {
            assert!(allows(list, allowed), "{allowed}");
        }
        for other in
            ["https://evil.example/app.example", "https://app.example.evil.example/", "https://sub.app.example/"]
        {
            assert!(!allows(list, other) && allows("", other), "{other}");
        }
        for useless in ["app.example/path", "app.example:443", "user@app.example"] {
            assert!(!allows(useless, "https://app.example/"), "{useless}");
        }
    }
}
