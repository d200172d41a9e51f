//! Where a customer may be sent after a login: only to addresses that begin like one of the list.
//!
//! Addresses are compared as a browser reads them (the URL standard), never as text, and whatever browsers and servers
//! read differently is refused outright: user info, backslashes, doubled and encoded slashes.

use std::str::FromStr;

use shared::invalid::Invalid;
use url::Url;

/// Longer addresses are refused: one travels in LINE's `state`.
const MAX_LENGTH: usize = 500;

/// The list.
#[derive(Clone, Debug, Default)]
pub struct ReturnUrls(Vec<Url>);

/// Reads addresses separated by commas; none is well.
impl FromStr for ReturnUrls {
    type Err = Invalid;

    fn from_str(list: &str) -> Result<Self, Invalid> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let read = |entry: &str| match parse(entry) {
            Some(url) if url.query().is_none() && url.fragment().is_none() => Ok(url),
            _ => Err(format!("{entry:?} is not an https address without user info, query and fragment").into()),
        };
        entries.map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl ReturnUrls {
    /// The address, if it is on the list: the same origin, and a path that is the listed one or lies below it.
    pub fn allow(&self, address: &str) -> Option<Url> {
        let url = parse(address)?;
        let below = |listed: &str, path: &str| match path.strip_prefix(listed) {
            Some(rest) => rest.is_empty() || listed.ends_with('/') || rest.starts_with('/'),
            None => false,
        };
        let listed = |listed: &Url| listed.origin() == url.origin() && below(listed.path(), url.path());
        self.0.iter().any(listed).then_some(url)
    }
}

fn parse(address: &str) -> Option<Url> {
    let visible = address.len() <= MAX_LENGTH && address.bytes().all(|byte| byte.is_ascii_graphic());
    let rest = address.strip_prefix("https://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if !visible || authority.is_empty() || authority.contains('@') || address.contains('\\') {
        return None;
    }
    let url = Url::parse(address).ok()?;
    let path = url.path().to_ascii_lowercase();
    let plain = !path.contains("//") && !path.contains("%2f") && !path.contains("%5c") && !path.contains("%2e");
    (plain && url.scheme() == "https" && url.has_host()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_places_are_allowed() {
        let list: ReturnUrls = "https://app.example/line, https://shop.example:8443/".parse().unwrap();
        for good in [
            "https://app.example/line",
            "https://app.example/line?tab=1#top",
            "https://app.example/line/done",
            "https://APP.example:443/line/",
            "https://app.example/other/../line",
            "https://shop.example:8443/anything",
        ] {
            assert!(list.allow(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "/line",
            "//app.example/line",
            "http://app.example/line",
            "https:/app.example/line",
            "https:app.example/line",
            "https:///app.example/line",
            "HTTPS://app.example/line",
            "javascript:alert(1)",
            "https://app.example",
            "https://app.example/lines",
            "https://app.example/line/../admin",
            "https://app.example/line/%2e%2e/admin",
            "https://app.example/line/..%2fadmin",
            "https://app.example/line//evil.example",
            "https://app.example/line/%5cevil",
            "https://app.example.evil.example/line",
            "https://app.example@evil.example/line",
            "https://user@app.example/line",
            "https://@app.example/line",
            "https://evil.example\\@app.example/line",
            "https://app.example\\line",
            "https://app.example:444/line",
            "https://shop.example/anything",
            "https://app.example /line",
            "https://app.example/line\n",
            "https://evil.example/?https://app.example/line",
            "https://evil.example/https://app.example/line",
        ] {
            assert_eq!(list.allow(bad), None, "{bad}");
        }
        assert_eq!(list.allow(&format!("https://app.example/line?{}", "a".repeat(500))), None);
        assert_eq!(ReturnUrls::default().allow("https://app.example/line"), None);
    }

    #[test]
    fn a_wrong_list_names_the_entry() {
        for bad in ["http://app.example/", "app.example", "https://app.example/?a", "https://u@app.example/"] {
            assert!(bad.parse::<ReturnUrls>().unwrap_err().to_string().contains(bad), "{bad}");
        }
        assert!("".parse::<ReturnUrls>().is_ok());
    }
}
