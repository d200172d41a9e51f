//! The pages that a customer sees, in the languages of the wording. Plain HTML for a phone: no script, no picture,
//! nothing from elsewhere, and the Content-Security-Policy says so.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use lambda_http::{
    Body, Response,
    http::{HeaderValue, StatusCode, header},
};
use shared::language::Language;

/// What a page says.
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
    OtherBrowser,
    /// The login did not begin in this browser, or the browser keeps no cookies.
    NotBegunHere,
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

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#f4f5f6;--card:#fff;--text:#1b1f23;--soft:#57606a;--button:#067a3b}\
@media(prefers-color-scheme:dark){:root{--back:#0e1114;--card:#1a1f24;--text:#eef1f3;--soft:#a5afb8}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;min-height:100svh;display:flex;align-items:center;justify-content:center;padding:24px;\
background:var(--back);color:var(--text);font:17px/1.6 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif}\
main{width:100%;max-width:26rem;padding:32px 24px;border-radius:20px;background:var(--card);text-align:center}\
h1{margin:0 0 12px;font-size:1.4rem;line-height:1.35}\
p{margin:0;color:var(--soft);overflow-wrap:anywhere}\
.note{margin-top:20px;font-size:.85rem}\
.mark{width:64px;height:64px;margin:0 auto 20px;border-radius:50%;font-size:34px;line-height:64px;color:#fff;\
background:var(--button)}\
.mark.sorry{background:#8a5a00}\
a{display:block;margin-top:24px;padding:14px 16px;border-radius:12px;background:var(--button);color:#fff;\
font-weight:600;text-decoration:none}\
a:focus-visible{outline:3px solid var(--text);outline-offset:3px}";

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("the policy is ASCII")
});

impl LoginPage {
    /// Every page, for tests.
    pub const ALL: [Self; 12] = [
        Self::Done,
        Self::AddFriend,
        Self::WrongLink,
        Self::TooLate,
        Self::OtherBrowser,
        Self::NotBegunHere,
        Self::Refused,
        Self::NotConfirmed,
        Self::LineUnavailable,
        Self::Unavailable,
        Self::OutOfOrder,
        Self::NotFound,
    ];

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Done | Self::AddFriend => StatusCode::OK,
            Self::WrongLink | Self::NotBegunHere => StatusCode::BAD_REQUEST,
            Self::TooLate => StatusCode::GONE,
            Self::OtherBrowser | Self::Refused => StatusCode::FORBIDDEN,
            Self::NotConfirmed | Self::LineUnavailable => StatusCode::BAD_GATEWAY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::OutOfOrder => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotFound => StatusCode::NOT_FOUND,
        }
    }

    /// The page in this language.
    pub fn render(self, language: Language, button: Option<&Button>) -> Response<Body> {
        let (title, text) = self.words(language);
        let (mark, class) = if self.status() == StatusCode::OK { ("✓", "mark") } else { ("!", "mark sorry") };
        let note = if self.status() == StatusCode::OK { unlink_note(language) } else { "" };
        let note = if note.is_empty() { String::new() } else { format!("<p class=\"note\">{}</p>", escape(note)) };
        let button = button.map(|button| button.html(language)).unwrap_or_default();
        let html = format!(
            "<!doctype html><html lang=\"{tag}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <meta name=\"robots\" content=\"noindex\"><title>{title}</title><style>{STYLE}</style></head>\
             <body><main><div class=\"{class}\" aria-hidden=\"true\">{mark}</div><h1>{title}</h1><p>{text}</p>\
             {button}{note}</main></body></html>",
            tag = language.tag(),
            title = escape(title),
            text = escape(text),
        );
        let mut response = Response::new(Body::Text(html));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Language"));
        if self.status().is_server_error() && self != Self::OutOfOrder {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        }
        private_headers(&mut response);
        response
    }

    fn words(self, language: Language) -> (&'static str, &'static str) {
        use Language::{En, Ja, Th, ZhCn, ZhTw};
        match (self, language) {
            (Self::Done, ZhCn) => ("已完成绑定", "您将在 LINE 上收到租借通知。"),
            (Self::Done, ZhTw) => ("已完成連結", "您將在 LINE 上收到租借通知。"),
            (Self::Done, Ja) => ("連携が完了しました", "レンタルのお知らせを LINE でお送りします。"),
            (Self::Done, Th) => ("เชื่อมต่อเรียบร้อยแล้ว", "คุณจะได้รับการแจ้งเตือนการเช่าทาง LINE"),
            (Self::Done, En) => ("You are connected", "You will get the messages about your rentals in LINE."),
            (Self::AddFriend, ZhCn) => {
                ("还差一步：加为好友", "绑定成功。把我们的官方账号加为好友后，才能收到租借通知。")
            }
            (Self::AddFriend, ZhTw) => {
                ("還差一步：加入好友", "連結成功。將我們的官方帳號加入好友後，才能收到租借通知。")
            }
            (Self::AddFriend, Ja) => {
                ("あと一歩です", "連携が完了しました。公式アカウントを友だち追加すると、お知らせが届きます。")
            }
            (Self::AddFriend, Th) => ("เหลืออีกขั้นตอนเดียว", "เชื่อมต่อแล้ว กรุณาเพิ่มบัญชีทางการของเราเป็นเพื่อนเพื่อรับการแจ้งเตือน"),
            (Self::AddFriend, En) => {
                ("One step left", "You are connected. Add our official account as a friend to get our messages.")
            }
            (Self::WrongLink, ZhCn) => ("链接无效", "请回到应用，重新打开绑定 LINE 的入口。"),
            (Self::WrongLink, ZhTw) => ("連結無效", "請回到應用程式，重新開啟連結 LINE 的入口。"),
            (Self::WrongLink, Ja) => ("リンクが正しくありません", "アプリに戻り、もう一度 LINE 連携を開いてください。"),
            (Self::WrongLink, Th) => ("ลิงก์ไม่ถูกต้อง", "กรุณากลับไปที่แอปแล้วเปิดการเชื่อมต่อ LINE อีกครั้ง"),
            (Self::WrongLink, En) => {
                ("This link is not valid", "Please go back to the app and open the connection to LINE again.")
            }
            (Self::TooLate, ZhCn) => ("已超时", "为了安全，链接只在几分钟内有效。请回到应用重新开始。"),
            (Self::TooLate, ZhTw) => ("已逾時", "為了安全，連結僅在幾分鐘內有效。請回到應用程式重新開始。"),
            (Self::TooLate, Ja) => {
                ("有効期限が切れました", "安全のため、リンクは数分間だけ有効です。アプリからやり直してください。")
            }
            (Self::TooLate, Th) => ("หมดเวลาแล้ว", "เพื่อความปลอดภัย ลิงก์ใช้ได้เพียงไม่กี่นาที กรุณาเริ่มใหม่จากแอป"),
            (Self::TooLate, En) => (
                "That took too long",
                "For your safety the link is valid for a few minutes only. Please start again from the app.",
            ),
            (Self::OtherBrowser, ZhCn) => ("链接已被使用", "此链接已在另一个浏览器中打开。请回到应用重新开始。"),
            (Self::OtherBrowser, ZhTw) => ("連結已被使用", "此連結已在另一個瀏覽器中開啟。請回到應用程式重新開始。"),
            (Self::OtherBrowser, Ja) => {
                ("使用済みのリンクです", "このリンクは別のブラウザーで開かれています。アプリからやり直してください。")
            }
            (Self::OtherBrowser, Th) => ("ลิงก์นี้ถูกใช้แล้ว", "ลิงก์นี้ถูกเปิดในเบราว์เซอร์อื่นแล้ว กรุณาเริ่มใหม่จากแอป"),
            (Self::OtherBrowser, En) => {
                ("This link was used already", "It was opened in another browser. Please start again from the app.")
            }
            (Self::NotBegunHere, ZhCn) => {
                ("无法继续", "登录不是从这个浏览器开始的，或者浏览器禁用了 Cookie。请回到应用重新开始。")
            }
            (Self::NotBegunHere, ZhTw) => {
                ("無法繼續", "登入不是從這個瀏覽器開始的，或瀏覽器停用了 Cookie。請回到應用程式重新開始。")
            }
            (Self::NotBegunHere, Ja) => (
                "続行できません",
                "ログインを開始したブラウザーと異なるか、Cookie が無効です。アプリからやり直してください。",
            ),
            (Self::NotBegunHere, Th) => {
                ("ดำเนินการต่อไม่ได้", "การเข้าสู่ระบบไม่ได้เริ่มจากเบราว์เซอร์นี้ หรือเบราว์เซอร์ปิดคุกกี้ไว้ กรุณาเริ่มใหม่จากแอป")
            }
            (Self::NotBegunHere, En) => (
                "We cannot go on",
                "The login began in another browser, or this one keeps no cookies. Please start again from the app.",
            ),
            (Self::Refused, ZhCn) => {
                ("未绑定", "您没有同意 LINE 登录，因此没有任何变化。如需绑定，请回到应用重新开始。")
            }
            (Self::Refused, ZhTw) => {
                ("未連結", "您未同意 LINE 登入，因此沒有任何變更。如需連結，請回到應用程式重新開始。")
            }
            (Self::Refused, Ja) => (
                "連携しませんでした",
                "LINE ログインが許可されなかったため、何も変更されていません。連携する場合はアプリからやり直してください。",
            ),
            (Self::Refused, Th) => {
                ("ยังไม่ได้เชื่อมต่อ", "คุณไม่ได้อนุญาตการเข้าสู่ระบบด้วย LINE จึงไม่มีการเปลี่ยนแปลง หากต้องการเชื่อมต่อ กรุณาเริ่มใหม่จากแอป")
            }
            (Self::Refused, En) => (
                "Not connected",
                "You did not allow the login with LINE, so nothing has changed. To connect, start again from the app.",
            ),
            (Self::NotConfirmed, ZhCn) => ("登录未完成", "LINE 没有确认这次登录。请回到应用重新开始。"),
            (Self::NotConfirmed, ZhTw) => ("登入未完成", "LINE 未確認此次登入。請回到應用程式重新開始。"),
            (Self::NotConfirmed, Ja) => {
                ("ログインできませんでした", "LINE でログインを確認できませんでした。アプリからやり直してください。")
            }
            (Self::NotConfirmed, Th) => ("เข้าสู่ระบบไม่สำเร็จ", "LINE ไม่ยืนยันการเข้าสู่ระบบนี้ กรุณาเริ่มใหม่จากแอป"),
            (Self::NotConfirmed, En) => {
                ("The login was not completed", "LINE did not confirm it. Please start again from the app.")
            }
            (Self::LineUnavailable, ZhCn) => ("LINE 暂时没有响应", "请稍等片刻，然后回到应用再试一次。"),
            (Self::LineUnavailable, ZhTw) => ("LINE 暫時沒有回應", "請稍候片刻，然後回到應用程式再試一次。"),
            (Self::LineUnavailable, Ja) => {
                ("LINE から応答がありません", "しばらくしてから、アプリに戻ってもう一度お試しください。")
            }
            (Self::LineUnavailable, Th) => ("LINE ไม่ตอบสนองในขณะนี้", "กรุณารอสักครู่ แล้วกลับไปที่แอปและลองอีกครั้ง"),
            (Self::LineUnavailable, En) => {
                ("LINE does not answer at the moment", "Please wait a little, go back to the app and try again.")
            }
            (Self::Unavailable, ZhCn) => ("暂时无法完成", "请稍等片刻，然后回到应用再试一次。"),
            (Self::Unavailable, ZhTw) => ("暫時無法完成", "請稍候片刻，然後回到應用程式再試一次。"),
            (Self::Unavailable, Ja) => {
                ("ただいま処理できません", "しばらくしてから、アプリに戻ってもう一度お試しください。")
            }
            (Self::Unavailable, Th) => ("ดำเนินการไม่ได้ในขณะนี้", "กรุณารอสักครู่ แล้วกลับไปที่แอปและลองอีกครั้ง"),
            (Self::Unavailable, En) => {
                ("We cannot do this at the moment", "Please wait a little, go back to the app and try again.")
            }
            (Self::OutOfOrder, ZhCn) => ("LINE 登录暂不可用", "问题在我们这边，我们会处理。请以后再试。"),
            (Self::OutOfOrder, ZhTw) => ("LINE 登入暫時無法使用", "問題在我們這邊，我們會處理。請以後再試。"),
            (Self::OutOfOrder, Ja) => (
                "LINE ログインは現在ご利用いただけません",
                "こちらの問題です。対応いたしますので、後ほどお試しください。",
            ),
            (Self::OutOfOrder, Th) => {
                ("ใช้การเข้าสู่ระบบด้วย LINE ไม่ได้ในขณะนี้", "ปัญหาอยู่ที่ฝั่งเรา เราจะดำเนินการแก้ไข กรุณาลองใหม่ภายหลัง")
            }
            (Self::OutOfOrder, En) => (
                "The login with LINE is out of order",
                "The fault is ours and will be looked into. Please try again later.",
            ),
            (Self::NotFound, ZhCn) => ("没有这个页面", "请回到应用，重新打开绑定 LINE 的入口。"),
            (Self::NotFound, ZhTw) => ("沒有這個頁面", "請回到應用程式，重新開啟連結 LINE 的入口。"),
            (Self::NotFound, Ja) => ("ページがありません", "アプリに戻り、もう一度 LINE 連携を開いてください。"),
            (Self::NotFound, Th) => ("ไม่มีหน้านี้", "กรุณากลับไปที่แอปแล้วเปิดการเชื่อมต่อ LINE อีกครั้ง"),
            (Self::NotFound, En) => {
                ("There is no such page", "Please go back to the app and open the connection to LINE again.")
            }
        }
    }
}

impl Button {
    fn html(&self, language: Language) -> String {
        let (address, label) = match self {
            Self::AddFriend(address) => (
                address,
                match language {
                    Language::ZhCn => "加为 LINE 好友",
                    Language::ZhTw => "加入 LINE 好友",
                    Language::Ja => "LINE で友だち追加",
                    Language::Th => "เพิ่มเพื่อนใน LINE",
                    Language::En => "Add as a friend in LINE",
                },
            ),
            Self::BackToTheApp(address) => (
                address,
                match language {
                    Language::ZhCn => "返回应用",
                    Language::ZhTw => "返回應用程式",
                    Language::Ja => "アプリに戻る",
                    Language::Th => "กลับไปที่แอป",
                    Language::En => "Back to the app",
                },
            ),
        };
        format!("<a href=\"{}\">{}</a>", escape(address), escape(label))
    }
}

/// LINE's guidelines want customers to know how a link ends, and what happens then.
fn unlink_note(language: Language) -> &'static str {
    match language {
        Language::ZhCn => "您可以随时在应用中解除绑定；届时我们会通知 LINE，登录授权随之结束。",
        Language::ZhTw => "您可以隨時在應用程式中解除連結；屆時我們會通知 LINE，登入授權隨之結束。",
        Language::Ja => {
            "連携はアプリからいつでも解除できます。解除すると LINE に通知され、ログインの許可も終了します。"
        }
        Language::Th => "คุณยกเลิกการเชื่อมต่อได้ทุกเมื่อในแอป เมื่อยกเลิก เราจะแจ้ง LINE และสิทธิ์การเข้าสู่ระบบจะสิ้นสุดลง",
        Language::En => {
            "You can disconnect in the app at any time; we then tell LINE, and your permission for the login ends."
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

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_exists_in_every_language_and_says_something_else() {
        let mut seen = std::collections::HashSet::new();
        for page in LoginPage::ALL {
            for language in Language::ALL {
                assert!(seen.insert(page.words(language)), "{page:?} {language:?}");
                let html = page.render(language, None);
                assert!(html.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
            }
        }
    }

    #[test]
    fn addresses_are_escaped() {
        let button = Button::BackToTheApp("https://app.example/?a=1&b=\"><script>".to_owned());
        let Body::Text(html) = LoginPage::Refused.render(Language::En, Some(&button)).into_body() else {
            panic!("text")
        };
        assert!(html.contains("href=\"https://app.example/?a=1&amp;b=&quot;&gt;&lt;script&gt;\""));
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
