//! `GET /console`: the operators' page. One document out of the files of `console/`, with neither data nor key in it;
//! its script calls the other routes with the key that the operator types.

use std::{collections::BTreeMap, io::Write as _, sync::OnceLock};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use lambda_http::{
    Body, Request, Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use serde_json::json;

const HTML: &str = include_str!("../console/console.html");
const STYLE: &str = include_str!("../console/console.css");
const STYLE_PLACE: &str = "<!-- console.css -->";
const SCRIPT_PLACE: &str = "<!-- the script -->";
const RUNBOOK: &str = include_str!("../README.md");
const RUNBOOK_PLACE: &str = "\"the runbook\"";

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
    "words/ja.js"
    "language.js"
    "names.js"
    "dom.js"
    "time.js"
    "session.js"
    "trouble.js"
    "api.js"
    "stack.js"
    "runbook.js"
    "part.js"
    "dialog.js"
    "router.js"
    "csv.js"
    "resend.js"
    "line_message.js"
    "views/overview/needs.js"
    "views/overview/dead_counts.js"
    "views/overview/today.js"
    "views/overview/quota.js"
    "views/overview/reports.js"
    "views/overview/switches.js"
    "views/overview/days.js"
    "views/overview.js"
    "views/customer.js"
    "views/order.js"
    "views/recover.js"
    "views/deliveries.js"
    "views/dead_letters.js"
    "views/report.js"
    "views/sobot.js"
    "views/audit.js"
    "gate.js"
    "main.js"
}

/// The page and what the browser may do with it.
#[derive(Debug)]
pub struct Console {
    html: String,
    /// For the first who takes it: who has the page already waits for no compression.
    compressed: OnceLock<Vec<u8>>,
    tag: HeaderValue,
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
    /// Never: a policy and a tag of base64 and fixed words are header values.
    pub fn new() -> Self {
        let hash = |text: &str| BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()));
        let policy = format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(SCRIPT),
            hash(STYLE)
        );
        let html = HTML
            .replace(STYLE_PLACE, &format!("<style>{STYLE}</style>"))
            .replace(RUNBOOK_PLACE, &runbook())
            .replace(SCRIPT_PLACE, &format!("<script type=\"module\">{SCRIPT}</script>"));
        Self {
            compressed: OnceLock::new(),
            // Weak: it is the same page, compressed or not.
            tag: HeaderValue::from_str(&format!("W/\"{}\"", hash(&html))).expect("base64 and fixed words"),
            html,
            policy: HeaderValue::from_str(&policy).expect("base64 and fixed words"),
        }
    }

    fn compressed(&self) -> &[u8] {
        self.compressed.get_or_init(|| {
            // The usual level would make it a tenth smaller, and take three times as long: a cold start waits for it.
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(3));
            encoder.write_all(self.html.as_bytes()).expect("memory takes it");
            encoder.finish().expect("memory takes it")
        })
    }

    /// The page; compressed for who takes that, and not at all for who has it.
    pub fn page(&self, request: &Request) -> Response<Body> {
        let listed = |name: HeaderName, wanted: &dyn Fn(&str) -> bool| {
            let values = request.headers().get_all(name).into_iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).any(|part| wanted(part.trim()))
        };
        let mut response = if listed(header::IF_NONE_MATCH, &|tag| tag == "*" || self.tag == tag) {
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else if listed(header::ACCEPT_ENCODING, &|coding| coding == "gzip" || coding.starts_with("gzip;q=1")) {
            let mut response = Response::new(Body::Binary(self.compressed().to_vec()));
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        } else {
            Response::new(Body::Text(self.html.clone()))
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(header::ETAG, self.tag.clone());
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            // It has no data in it: a browser may keep it, and asks whether it is still this one.
            (header::CACHE_CONTROL, "no-cache"),
            (header::VARY, "accept-encoding"),
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

/// What the runbook says under each heading that has a text of its own: JSON that cannot end the element it stands in.
fn runbook() -> String {
    let sections = RUNBOOK.split("\n## ").skip(1).flat_map(|chapter| chapter.split("\n### "));
    let texts: BTreeMap<&str, &str> = sections
        .filter_map(|section| section.split_once('\n'))
        .map(|(heading, text)| (heading, text.trim()))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    json!(texts).to_string().replace('<', "\\u003c")
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

    fn asked(name: HeaderName, value: &str) -> Response<Body> {
        let mut request = Request::default();
        request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        Console::new().page(&request)
    }

    #[test]
    fn the_page_is_compressed_for_who_takes_that_and_sent_to_nobody_who_has_it() {
        let page = Console::new().page(&Request::default());
        let Body::Text(html) = page.body() else { panic!("it is text") };
        for accepts in ["gzip", "deflate, gzip;q=1.0, *;q=0.5", "br, gzip"] {
            let response = asked(header::ACCEPT_ENCODING, accepts);
            assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip", "{accepts}");
            let Body::Binary(compressed) = response.body() else { panic!("it is binary") };
            assert!(compressed.len() * 3 < html.len(), "{} of {}", compressed.len(), html.len());
            let mut text = String::new();
            std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&compressed[..]), &mut text).unwrap();
            assert_eq!(&text, html);
        }
        for refuses in ["br", "gzip;q=0", "identity"] {
            assert!(!asked(header::ACCEPT_ENCODING, refuses).headers().contains_key(header::CONTENT_ENCODING));
        }
        let tag = page.headers()[header::ETAG].to_str().unwrap();
        for has in [tag, &format!("W/\"another\", {tag}"), "*"] {
            let response = asked(header::IF_NONE_MATCH, has);
            assert_eq!((response.status(), response.body().is_empty()), (StatusCode::NOT_MODIFIED, true), "{has}");
        }
        assert_eq!(asked(header::IF_NONE_MATCH, "W/\"another\"").status(), StatusCode::OK);
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
    fn every_heading_that_the_console_names_is_one_of_the_runbook() {
        let texts: BTreeMap<String, String> = serde_json::from_str(&runbook()).unwrap();
        let named = |text: &str| text.contains(' ') && text.starts_with(char::is_uppercase);
        let (_, headings) = SCRIPT.split_once("HEADING_OF_REASON").unwrap();
        let (headings, _) = headings.split_once("function runbookWords").unwrap();
        let headings: Vec<_> = headings.split('"').skip(1).step_by(2).filter(|text| named(text)).collect();
        assert!(headings.len() > 8, "{headings:?}");
        for heading in headings.into_iter().chain([
            "Quota",
            "Quota used up",
            "Failed deliveries",
            "The mail of a day again",
            "A recipient without mail",
        ]) {
            assert!(texts.contains_key(heading), "{heading}");
        }
        assert!(!runbook().contains('<'));
    }

    #[test]
    fn the_page_holds_its_script_and_style_once_and_nothing_from_elsewhere() {
        let places = [STYLE_PLACE, RUNBOOK_PLACE, SCRIPT_PLACE];
        assert_eq!(places.map(|place| HTML.matches(place).count()), [1, 1, 1]);
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
