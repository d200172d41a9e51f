//! `GET /console`: the operators' page. One document out of the files of `console/`, with neither data nor key in it;
//! its script calls the other routes with the key that the operator types.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use lambda_http::{
    Body, Response,
    http::{HeaderName, HeaderValue, header},
};

const HTML: &str = include_str!("../console/console.html");
const STYLE: &str = include_str!("../console/console.css");
const STYLE_PLACE: &str = "<!-- console.css -->";
const SCRIPT_PLACE: &str = "<!-- the script -->";

macro_rules! script {
    ($($file:literal)*) => {
        /// One module, joined when this is compiled: its files share one scope.
        const SCRIPT: &str = concat!($(include_str!(concat!("../console/", $file))),*);

        /// The files of the page's script and what is in them; each builds on those before it.
        pub const SCRIPT_FILES: &[(&str, &str)] = &[$(($file, include_str!(concat!("../console/", $file)))),*];
    };
}

script! {
    "words/zh-CN.js"
    "words/en.js"
    "language.js"
    "names.js"
    "dom.js"
    "time.js"
    "session.js"
    "trouble.js"
    "api.js"
    "part.js"
    "dialog.js"
    "router.js"
    "resend.js"
    "line_message.js"
    "views/overview/today.js"
    "views/overview/quota.js"
    "views/overview/switches.js"
    "views/overview/days.js"
    "views/overview.js"
    "views/customer.js"
    "views/order.js"
    "views/deliveries.js"
    "views/dead_letters.js"
    "views/sobot.js"
    "views/audit.js"
    "gate.js"
    "main.js"
}

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
    use std::{
        collections::BTreeSet,
        path::{Path, PathBuf},
    };

    use super::*;

    fn scripts_in(folder: &Path) -> BTreeSet<PathBuf> {
        let paths = folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path());
        let scripts = paths.flat_map(|path| if path.is_dir() { scripts_in(&path) } else { BTreeSet::from([path]) });
        scripts.filter(|path| path.extension().is_some_and(|extension| extension == "js")).collect()
    }

    #[test]
    fn every_script_of_the_folder_is_joined_once_and_says_what_it_is() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("console");
        let joined: BTreeSet<PathBuf> = SCRIPT_FILES.iter().map(|(file, _)| folder.join(file)).collect();
        assert_eq!((&joined, joined.len()), (&scripts_in(&folder), SCRIPT_FILES.len()));
        assert_eq!(SCRIPT_FILES.iter().map(|(_, text)| *text).collect::<String>(), SCRIPT);
        for (file, text) in SCRIPT_FILES {
            assert!(text.starts_with("// ") && text.ends_with('\n'), "{file}");
        }
    }

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
