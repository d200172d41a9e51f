//! `GET /console`: the operators' page. One file out of three, with neither data nor key in it; its script calls the other
//! routes with the key that the operator types.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use lambda_http::{
    Body, Response,
    http::{HeaderName, HeaderValue, header},
};

const HTML: &str = include_str!("../console/console.html");
const STYLE: &str = include_str!("../console/console.css");
const SCRIPT: &str = include_str!("../console/console.js");
const STYLE_PLACE: &str = "<!-- console.css -->";
const SCRIPT_PLACE: &str = "<!-- console.js -->";

/// The page and what the browser may do with it.
#[derive(Debug)]
pub struct Console {
    html: String,
    policy: HeaderValue,
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl Console {
    /// Puts the page together. Its policy allows this very script and style, and calls to where the page is from.
    ///
    /// # Panics
    /// Never: a policy of base64 and fixed words is a header value.
    pub fn new() -> Self {
        let hash = |text: &str| BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()));
        let policy = format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(SCRIPT),
            hash(STYLE)
        );
        Self {
            html: HTML
                .replace(STYLE_PLACE, &format!("<style>{STYLE}</style>"))
                .replace(SCRIPT_PLACE, &format!("<script type=\"module\">{SCRIPT}</script>")),
            policy: HeaderValue::from_str(&policy).expect("base64 and fixed words"),
        }
    }

    /// The page.
    pub fn page(&self) -> Response<Body> {
        let mut response = Response::new(Body::Text(self.html.clone()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_its_script_and_style_once_and_nothing_from_elsewhere() {
        assert_eq!([HTML.matches(STYLE_PLACE).count(), HTML.matches(SCRIPT_PLACE).count()], [1, 1]);
        let page = Console::new().html;
        assert!(page.contains(SCRIPT) && page.contains(STYLE));
        for part in [HTML, STYLE, SCRIPT] {
            for outside in
                ["src=", "@import", "url(", "import(", "eval(", "innerHTML", "localStorage", "sessionStorage"]
            {
                assert!(!part.contains(outside), "{outside}");
            }
        }
        assert!(!HTML.contains("style=") && !HTML.contains(" on"), "the policy forbids inline styles and handlers");
    }
}
