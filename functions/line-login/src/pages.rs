//! The pages that a customer sees, in the languages of [`crate::words`]. Plain HTML for a phone: no script, no picture,
//! nothing from elsewhere, and the Content-Security-Policy says so.
//!
//! A form goes to ourselves alone (`form-action 'self'`), and is answered with a page and never with a redirect:
//! browsers hold every hop of a redirect against that policy, LINE's and the app's too. What has to go on by itself
//! does so by `<meta http-equiv="refresh">`.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use lambda_http::{
    Body, Response,
    http::{HeaderValue, StatusCode, header},
};
use shared::{html::escaped, ids::MemberId, language::Language};

use crate::{
    state::NotAgreed,
    words::{Copy, Words, words},
};

/// How a login ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginPage {
    /// Linked, and a friend.
    Done,
    /// Linked, and not known as a friend.
    AddFriend,
    /// The link token is not one of ours, or something in it is wrong.
    WrongLink,
    /// The link token, or the login, took too long.
    TooLate,
    /// The link token belongs to another browser.
    Used,
    /// The login did not begin in this browser, or the browser keeps no cookies.
    OtherBrowser,
    /// The customer said no on LINE's screen.
    Refused,
    /// LINE did not confirm who it is.
    NotConfirmed,
    /// LINE does not answer, or is in trouble.
    LineUnavailable,
    /// We are in trouble.
    Unavailable,
    /// LINE refuses our request, or nobody has set us up: the operator must look.
    OutOfOrder,
    /// The member has another LINE user, and the app forbids to replace it.
    AlreadyLinked,
    /// The LINE user has another member, and the app forbids to replace it.
    LineUserTaken,
    /// There is no such page.
    NotFound,
}

/// The link under the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Button {
    /// To the official account's add-friend page.
    AddFriend(String),
    /// Back to the app.
    BackToTheApp(String),
}

/// Who the member is, in words.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// What the app calls the member.
    pub name: Option<&'a str>,
    /// The member's id.
    pub member: &'a MemberId,
}

/// A field of a form, which nobody sees.
pub type Field<'a> = (&'static str, &'a str);

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#f4f5f6;--card:#fff;--text:#1b1f23;--soft:#57606a;--button:#067a3b}\
@media(prefers-color-scheme:dark){:root{--back:#0e1114;--card:#1a1f24;--text:#eef1f3;--soft:#a5afb8}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;min-height:100svh;display:flex;align-items:center;justify-content:center;padding:24px;\
background:var(--back);color:var(--text);font:17px/1.6 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif}\
main{width:100%;max-width:26rem;padding:32px 24px;border-radius:20px;background:var(--card);text-align:center}\
h1{margin:0 0 12px;font-size:1.4rem;line-height:1.35;text-wrap:balance;word-break:auto-phrase}\
p{margin:0;color:var(--soft);overflow-wrap:anywhere;text-wrap:balance}\
strong{color:var(--text)}\
.note{margin-top:20px;font-size:.85rem}\
.mark{width:64px;height:64px;margin:0 auto 20px;border-radius:50%;font-size:34px;line-height:64px;color:#fff;\
background:var(--button)}\
.mark.sorry{background:#8a5a00}\
.mark.wait{background:var(--soft);color:var(--card)}\
a,button{display:block;width:100%;margin-top:24px;padding:14px 16px;border:0;border-radius:12px;background:var(--button);\
color:#fff;font:inherit;font-weight:600;text-decoration:none;cursor:pointer}\
a:focus-visible,button:focus-visible{outline:3px solid var(--text);outline-offset:3px}";

/// The policy of a page without a form, and that of one with a form.
static POLICIES: LazyLock<[HeaderValue; 2]> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    ["'none'", "'self'"].map(|form| {
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action {form}; frame-ancestors 'none'"
        );
        HeaderValue::from_str(&policy).expect("the policy is ASCII")
    })
});

/// How long a tap into LINE is waited for, in seconds: only a tap opens the LINE app by its universal link, which skips
/// LINE's own login page (LINE: "How to handle auto login failure").
const TAP_SECONDS: u32 = 5;
/// How often a page looks whether another request has finished, in seconds.
const LOOK_SECONDS: u32 = 2;

impl LoginPage {
    /// Every page, for tests.
    pub const ALL: [Self; 14] = [
        Self::Done,
        Self::AddFriend,
        Self::WrongLink,
        Self::TooLate,
        Self::Used,
        Self::OtherBrowser,
        Self::Refused,
        Self::NotConfirmed,
        Self::LineUnavailable,
        Self::Unavailable,
        Self::OutOfOrder,
        Self::AlreadyLinked,
        Self::LineUserTaken,
        Self::NotFound,
    ];

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Done | Self::AddFriend => StatusCode::OK,
            Self::WrongLink | Self::OtherBrowser => StatusCode::BAD_REQUEST,
            Self::TooLate => StatusCode::GONE,
            Self::Used | Self::Refused => StatusCode::FORBIDDEN,
            Self::AlreadyLinked | Self::LineUserTaken => StatusCode::CONFLICT,
            Self::NotConfirmed | Self::LineUnavailable => StatusCode::BAD_GATEWAY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::OutOfOrder => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotFound => StatusCode::NOT_FOUND,
        }
    }

    /// What the app reads in its return URL's `line_error`; none where a link was made, or no return URL can be known.
    pub fn error(self) -> Option<&'static str> {
        match self {
            Self::Done | Self::AddFriend | Self::WrongLink | Self::NotFound => None,
            Self::TooLate => Some("expired"),
            Self::Used => Some("used"),
            Self::OtherBrowser => Some("other_browser"),
            Self::Refused => Some("refused"),
            Self::NotConfirmed => Some("not_confirmed"),
            Self::LineUnavailable => Some("line_unavailable"),
            Self::Unavailable => Some("unavailable"),
            Self::OutOfOrder => Some("out_of_order"),
            Self::AlreadyLinked => Some("already_linked"),
            Self::LineUserTaken => Some("line_user_taken"),
        }
    }

    /// The page in this language.
    pub fn render(self, language: Language, button: Option<&Button>) -> Response<Body> {
        let (title, text) = self.copy(words(language));
        let linked = self.status() == StatusCode::OK;
        let mut response = Page {
            language,
            title,
            text: escaped(text),
            mark: Some(if linked { ("✓", "mark") } else { ("!", "mark sorry") }),
            action: button.map(|button| button.html(language)).unwrap_or_default(),
            has_form: false,
            note: if linked { words(language).unlink_note } else { "" },
            refresh: None,
        }
        .response();
        *response.status_mut() = self.status();
        if self.status().is_server_error() && self != Self::OutOfOrder {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        }
        response
    }

    fn copy(self, words: &'static Words) -> Copy {
        match self {
            Self::Done => words.done,
            Self::AddFriend => words.add_friend,
            Self::WrongLink => words.wrong_link,
            Self::TooLate => words.expired,
            Self::Used => words.used,
            Self::OtherBrowser => words.other_browser,
            Self::Refused => words.refused,
            Self::NotConfirmed => words.not_confirmed,
            Self::LineUnavailable => words.line_unavailable,
            Self::Unavailable => words.unavailable,
            Self::OutOfOrder => words.out_of_order,
            Self::AlreadyLinked => words.already_linked,
            Self::LineUserTaken => words.line_user_taken,
            Self::NotFound => words.not_found,
        }
    }
}

/// Before LINE: whose account it is, what will happen, and the button that begins it. `another`: the member has a LINE
/// user already.
pub fn offer(language: Language, who: Who<'_>, another: bool, fields: &[Field<'_>]) -> Response<Body> {
    let words = words(language);
    let (title, text) = if another { (words.replace, words.offer_another) } else { words.offer };
    Page {
        language,
        title,
        text: who.in_text(text, words),
        mark: None,
        action: form("login", fields, words.log_in),
        has_form: true,
        note: words.not_you,
        refresh: None,
    }
    .response()
}

/// The way into LINE: a link to tap, which the page follows by itself after a while. `in_browser`: without the LINE
/// app, so that no tap is waited for.
pub fn go_on(language: Language, address: &str, in_browser: bool) -> Response<Body> {
    let words = words(language);
    let (title, text) = words.go_on;
    let seconds = if in_browser { 0 } else { TAP_SECONDS };
    Page {
        language,
        title,
        text: escaped(if in_browser { words.go_on_in_browser } else { text }),
        mark: Some(("→", "mark")),
        action: link(address, words.open_line),
        has_form: false,
        note: "",
        refresh: Some(format!("{seconds};url={address}")),
    }
    .response()
}

/// Another request is at this login: the page looks again by itself.
pub fn wait(language: Language) -> Response<Body> {
    let (title, text) = words(language).wait;
    Page {
        language,
        title,
        text: escaped(text),
        mark: Some(("…", "mark wait")),
        action: String::new(),
        has_form: false,
        note: "",
        refresh: Some(LOOK_SECONDS.to_string()),
    }
    .response()
}

/// After LINE: what the link would take the place of, and the button that says yes.
pub fn ask(language: Language, who: Who<'_>, about: NotAgreed, fields: &[Field<'_>]) -> Response<Body> {
    let words = words(language);
    let texts = [about.member.then_some(words.other_member), about.user.then_some(words.other_user)];
    let texts: Vec<_> = texts.into_iter().flatten().map(|text| who.in_text(text, words)).collect();
    Page {
        language,
        title: words.replace,
        text: texts.join("<br><br>"),
        mark: None,
        action: form("callback", fields, words.do_replace),
        has_form: true,
        note: words.not_you,
        refresh: None,
    }
    .response()
}

struct Page {
    language: Language,
    title: &'static str,
    /// HTML.
    text: String,
    mark: Option<(&'static str, &'static str)>,
    /// HTML.
    action: String,
    has_form: bool,
    note: &'static str,
    refresh: Option<String>,
}

impl Page {
    fn response(&self) -> Response<Body> {
        let Self { language, title, text, action, .. } = self;
        let mark = self.mark.map(|(mark, class)| format!("<div class=\"{class}\" aria-hidden=\"true\">{mark}</div>"));
        let note = Some(self.note).filter(|note| !note.is_empty());
        let note = note.map(|note| format!("<p class=\"note\">{}</p>", escaped(note)));
        let refresh = self.refresh.as_deref();
        let refresh = refresh.map(|content| format!("<meta http-equiv=\"refresh\" content=\"{}\">", escaped(content)));
        let html = format!(
            "<!doctype html><html lang=\"{tag}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <meta name=\"robots\" content=\"noindex\">{refresh}<title>{title}</title><style>{STYLE}</style></head>\
             <body><main>{mark}<h1>{title}</h1><p>{text}</p>{action}{note}</main></body></html>",
            tag = language.tag(),
            refresh = refresh.unwrap_or_default(),
            title = escaped(title),
            mark = mark.unwrap_or_default(),
            note = note.unwrap_or_default(),
        );
        let mut response = Response::new(Body::Text(html));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICIES[usize::from(self.has_form)].clone());
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Language"));
        private_headers(&mut response);
        response
    }
}

impl Who<'_> {
    /// A text with the member in it. The name is the app's: `bdi` keeps a right-to-left one from turning the text
    /// about.
    fn in_text(&self, text: &str, words: &Words) -> String {
        let marked = |what: &str| format!("<strong><bdi>{}</bdi></strong>", escaped(what));
        let id = self.member.as_str();
        let who = match self.name {
            Some(name) => escaped(words.named).replace("{name}", &marked(name)),
            // An id is ASCII.
            None => escaped(words.ending).replace("{last}", &marked(&id[id.len().saturating_sub(4)..])),
        };
        escaped(text).replace("{who}", &who)
    }
}

/// A form with nothing in it but a button. The address is relative: a custom domain may put a path of its own in front.
fn form(action: &str, fields: &[Field<'_>], label: &str) -> String {
    let hidden =
        |(name, value): &Field<'_>| format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escaped(value));
    let hidden: String = fields.iter().map(hidden).collect();
    format!("<form method=\"post\" action=\"{action}\">{hidden}<button>{}</button></form>", escaped(label))
}

fn link(address: &str, label: &str) -> String {
    format!("<a href=\"{}\">{}</a>", escaped(address), escaped(label))
}

impl Button {
    fn html(&self, language: Language) -> String {
        let words = words(language);
        match self {
            Self::AddFriend(address) => link(address, words.add_friend_button),
            Self::BackToTheApp(address) => link(address, words.back_to_app),
        }
    }
}

/// The address opens the add-friend page in LINE (LINE: "Use LINE features with the LINE URL scheme").
pub fn add_friend_address(account_id: &str) -> String {
    let mut address = String::from("https://line.me/R/ti/p/");
    for byte in account_id.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => address.push(char::from(byte)),
            _ => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}

/// The headers of every answer: its address holds a token or a code, which nobody else may keep or pass on.
pub fn private_headers(response: &mut Response<Body>) {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

/// The language that the browser likes best among ours; `default` where it likes none.
pub fn preferred_language(accept_language: &str, default: Language) -> Language {
    let mut best = (default, 0.0);
    for range in accept_language.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let Some(language) = parts.next().and_then(Language::nearest) else { continue };
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        if quality > best.1 {
            best = (language, quality);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(response: Response<Body>) -> String {
        let Body::Text(html) = response.into_body() else { panic!("text") };
        html
    }

    #[test]
    fn every_page_exists_in_every_language_and_says_something_else() {
        let mut seen = std::collections::HashSet::new();
        for page in LoginPage::ALL {
            for language in Language::ALL {
                assert!(seen.insert(page.copy(words(language))), "{page:?} {language:?}");
                let policy = page.render(language, None).headers()["content-security-policy"].clone();
                let policy = policy.to_str().unwrap();
                assert!(policy.starts_with("default-src 'none'") && policy.contains("form-action 'none'"), "{policy}");
            }
        }
    }

    #[test]
    fn a_page_with_a_form_says_whose_account_it_is_and_sends_it_to_ourselves() {
        let member = MemberId::parse("member-1001").unwrap();
        for language in Language::ALL {
            for (name, shown) in [(Some("<b>陈</b>"), "&lt;b&gt;陈&lt;/b&gt;"), (None, "1001")] {
                let who = Who { name, member: &member };
                let fields: [Field<'_>; 1] = [("token", "a\"b")];
                let about = NotAgreed { user: true, member: true };
                for page in [
                    offer(language, who, false, &fields),
                    offer(language, who, true, &fields),
                    ask(language, who, about, &fields),
                ] {
                    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
                    assert!(policy.contains("form-action 'self'"), "{policy}");
                    let html = html(page);
                    assert!(html.contains(&format!("<strong><bdi>{shown}</bdi></strong>")), "{html}");
                    assert!(
                        html.contains("name=\"token\" value=\"a&quot;b\"")
                            && !html.split("</style>").nth(1).unwrap().contains('{'),
                        "{html}"
                    );
                }
            }
        }
    }

    /// A page as it is read: its headline after `#`, its button in brackets.
    fn readable(response: Response<Body>) -> String {
        let html = html(response);
        let (_, body) = html.split_once("<main>").expect("a page");
        let mut text = String::new();
        for part in body.split('<') {
            let (tag, rest) = part.split_once('>').unwrap_or((part, ""));
            text += match tag.split(' ').next().unwrap_or_default() {
                "h1" => "# ",
                "a" | "button" => "[",
                "/a" | "/button" => "]\n",
                "/h1" | "/p" | "/div" | "br" => "\n",
                _ => "",
            };
            text += rest;
        }
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let text = lines.map(|line| format!("{line}\n")).collect::<String>();
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&")
    }

    #[test]
    fn every_page_reads_as_it_is_kept() {
        let member = MemberId::parse("member-1001").unwrap();
        let (unnamed, named) = (Who { name: None, member: &member }, Who { name: Some("陈梅"), member: &member });
        let address = "https://app.example/";
        for language in Language::ALL {
            let replacing = |user, member| ask(language, unnamed, NotAgreed { user, member }, &[]);
            let mut pages = vec![
                ("Before LINE".to_owned(), offer(language, named, false, &[])),
                ("Before LINE, the member has a LINE user".to_owned(), offer(language, unnamed, true, &[])),
                ("Into LINE".to_owned(), go_on(language, address, false)),
                ("Into LINE, in the browser".to_owned(), go_on(language, address, true)),
                ("Another request is at it".to_owned(), wait(language)),
                ("After LINE, the LINE user has another member".to_owned(), replacing(false, true)),
                ("After LINE, the member has another LINE user".to_owned(), replacing(true, false)),
            ];
            for page in LoginPage::ALL {
                let button = match page {
                    LoginPage::Done | LoginPage::WrongLink | LoginPage::NotFound => None,
                    LoginPage::AddFriend => Some(Button::AddFriend(address.to_owned())),
                    _ => Some(Button::BackToTheApp(address.to_owned())),
                };
                pages.push((format!("{page:?}"), page.render(language, button.as_ref())));
            }
            let pages = pages.into_iter().map(|(name, page)| format!("({name})\n{}\n", readable(page)));
            let text = format!(
                "{}(LINE message to a former LINE user)\n{}\n",
                pages.collect::<String>(),
                words(language).moved
            );
            let path = format!("{}/expected/{}.txt", env!("CARGO_MANIFEST_DIR"), language.tag());
            // After a change that is meant: UPDATE_EXPECTED=1 cargo test -p line-login, then read the difference.
            if std::env::var_os("UPDATE_EXPECTED").is_some() {
                std::fs::write(&path, &text).expect("written");
            }
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(text == kept, "{path} differs from:\n{text}");
        }
    }

    #[test]
    fn addresses_are_escaped() {
        let button = Button::BackToTheApp("https://app.example/?a=1&b=\"><script>".to_owned());
        let refused = html(LoginPage::Refused.render(Language::En, Some(&button)));
        assert!(refused.contains("href=\"https://app.example/?a=1&amp;b=&quot;&gt;&lt;script&gt;\""));
        let into_line = html(go_on(Language::En, "https://line.example/?a=1&b=\"", false));
        assert!(into_line.contains("content=\"5;url=https://line.example/?a=1&amp;b=&quot;\""), "{into_line}");
        assert_eq!(add_friend_address("@abc1234"), "https://line.me/R/ti/p/%40abc1234");
    }

    #[test]
    fn the_browsers_favourite_language_wins() {
        for (header, expected) in [
            ("ja", Language::Ja),
            ("fr-FR,fr;q=0.9,en;q=0.8,th;q=0.9", Language::Th),
            ("zh-TW,zh;q=0.9", Language::ZhTw),
            ("fr", Language::ZhCn),
            ("", Language::ZhCn),
            ("en;q=0, ja;q=nonsense", Language::ZhCn),
        ] {
            assert_eq!(preferred_language(header, Language::ZhCn), expected, "{header}");
        }
    }
}
