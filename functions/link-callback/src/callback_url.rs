//! Where the app takes callbacks. `LinkCallbackUrl` in `template.yaml` has the same rule as a pattern.

use std::str::FromStr;

use shared::invalid::Invalid;
use url::{Host, Url};

/// An https address whose host has a name, such as `https://app.example/line/links`. Http is for this machine alone,
/// where the stand is.
#[derive(Clone, Debug)]
pub struct CallbackUrl(Url);

impl CallbackUrl {
    /// The address.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for CallbackUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_plain = |url: &Url| {
            let has_user = !url.username().is_empty() || url.password().is_some();
            !has_user && url.query().is_none() && url.fragment().is_none() && text.bytes().all(|b| b.is_ascii_graphic())
        };
        let goes_out = |url: &Url| match (url.scheme(), url.host()) {
            ("https", Some(Host::Domain(name))) => name.contains('.'),
            ("http", Some(Host::Domain(name))) => name == "localhost",
            _ => false,
        };
        match Url::parse(text) {
            Ok(url) if is_plain(&url) && goes_out(&url) => Ok(Self(url)),
            _ => Err("must be an https address of a host with a name, without user info, query and fragment".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_hosts_and_https_are_called() {
        for good in ["https://app.example", "https://app.example:8443/line/links", "http://localhost:8080/links"] {
            assert!(good.parse::<CallbackUrl>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "app.example/links",
            "http://app.example/links",
            "https://localhost/links",
            "https://10.0.0.1/links",
            "https://0x7f.1/links",
            "https://[::1]/links",
            "http://127.0.0.1:9001/links",
            "http://localhost.evil.example/links",
            "https://user@app.example/links",
            "https://app.example/links?key=1",
            "https://app.example/links#top",
            "https://app.example/links\n",
            "ftp://app.example/links",
        ] {
            assert!(bad.parse::<CallbackUrl>().is_err(), "{bad}");
        }
    }
}
