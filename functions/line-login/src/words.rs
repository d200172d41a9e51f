//! What a customer reads at a login, in every language: one struct of words each.
//!
//! In a text `{who}` stands for the member: [`Words::named`] where the app told a name, [`Words::ending`] where not.

use shared::language::Language;

/// A page's headline and its text.
pub type Copy = (&'static str, &'static str);

/// The words of one language.
#[derive(Debug)]
pub struct Words {
    /// `{name}`'s account.
    pub named: &'static str,
    /// The account whose id ends in `{last}`.
    pub ending: &'static str,
    /// Before LINE: what will happen.
    pub offer: Copy,
    /// Before LINE, where the member has a LINE user.
    pub offer_another: &'static str,
    /// The headline where something would be replaced.
    pub replace: &'static str,
    /// After LINE: the LINE user has another member.
    pub other_member: &'static str,
    /// After LINE: the member has got another LINE user meanwhile.
    pub other_user: &'static str,
    /// On the button that says yes to that.
    pub do_replace: &'static str,
    /// For somebody who did not want this.
    pub not_you: &'static str,
    /// On the button that goes on to LINE.
    pub log_in: &'static str,
    /// The way into LINE, where a tap opens LINE itself.
    pub go_on: Copy,
    /// The same where LINE's page is all that opens.
    pub go_on_in_browser: &'static str,
    /// On the button that opens LINE.
    pub open_line: &'static str,
    /// Another request is at it.
    pub wait: Copy,
    /// Linked, and a friend.
    pub done: Copy,
    /// Linked, and not known as a friend.
    pub add_friend: Copy,
    /// On the button that opens the add-friend page.
    pub add_friend_button: &'static str,
    /// LINE's guidelines want customers to know how a link ends, and what happens then.
    pub unlink_note: &'static str,
    /// On the button that leads back to the app.
    pub back_to_app: &'static str,
    /// The link token is not one of ours.
    pub wrong_link: Copy,
    /// It took too long.
    pub expired: Copy,
    /// The link token belongs to another browser.
    pub used: Copy,
    /// The login did not begin in this browser, or the browser keeps no cookies.
    pub other_browser: Copy,
    /// The customer said no to LINE.
    pub refused: Copy,
    /// LINE did not confirm who it is.
    pub not_confirmed: Copy,
    /// LINE does not answer.
    pub line_unavailable: Copy,
    /// We are in trouble.
    pub unavailable: Copy,
    /// Nobody can log in before an operator has looked.
    pub out_of_order: Copy,
    /// The member has a LINE user, and the app wants it kept.
    pub already_linked: Copy,
    /// The LINE user has a member, and the app wants it kept.
    pub line_user_taken: Copy,
    /// There is no such page.
    pub not_found: Copy,
    /// By LINE, to the LINE user that another one took the place of.
    pub moved: &'static str,
}

/// The words of this language.
pub fn words(language: Language) -> &'static Words {
    match language {
        Language::ZhCn => &ZH_CN,
        Language::ZhTw => &ZH_TW,
        Language::Ja => &JA,
        Language::Th => &TH,
        Language::En => &EN,
    }
}

const ZH_CN: Words = Words {
    named: "“{name}”的账号",
    ending: "尾号为 {last} 的账号",
    offer: ("绑定 LINE", "将为{who}开通 LINE 租借通知。接下来请登录 LINE，您也可以添加我们的官方账号为好友。"),
    offer_another: "{who}已绑定 LINE。如果您登录另一个 LINE 账号，绑定将改到该账号：原来的 LINE 不再收到租借通知，并会收到一条提醒。",
    replace: "更换现有绑定？",
    other_member: "此 LINE 已绑定另一个账号。继续后将改为绑定{who}，另一个账号的租借通知不再发送到 LINE。",
    other_user: "{who}已绑定另一个 LINE。继续后将改为绑定此 LINE，原来的 LINE 不再收到租借通知，并会收到一条提醒。",
    do_replace: "确认更换",
    not_you: "不是您的账号？请关闭此页，不会有任何变化。",
    log_in: "用 LINE 登录",
    go_on: ("前往 LINE", "请点按按钮打开 LINE；几秒后也会自动打开登录页面。"),
    go_on_in_browser: "即将打开 LINE 登录页面；如未打开，请点按按钮。",
    open_line: "打开 LINE",
    wait: ("请稍候", "正在完成登录，页面会自动更新。"),
    done: ("绑定成功", "您将在 LINE 上收到租借通知。"),
    add_friend: (
        "还差一步：添加好友",
        "绑定成功。请添加我们的 LINE 官方账号为好友，即可收到租借通知；如已屏蔽，请先解除屏蔽。",
    ),
    add_friend_button: "添加 LINE 好友",
    unlink_note: "您可以随时在 App 中解除绑定；解除后我们会通知 LINE，并取消登录授权。",
    back_to_app: "返回 App",
    wrong_link: ("链接无效", "请回到 App，重新绑定 LINE。"),
    expired: ("已超时", "为保护您的账号，链接仅在几分钟内有效，请回到 App 重新操作。"),
    used: ("链接已被使用", "此链接已在另一个浏览器中使用，请回到 App 重新操作。"),
    other_browser: (
        "无法继续",
        "您可能更换了浏览器，或浏览器禁用了 Cookie。请回到 App 重新操作，登录会留在同一个浏览器中。如仍不行，请用手机的默认浏览器（如 \
         Safari、Chrome）打开链接，不要使用无痕模式。",
    ),
    refused: ("未绑定", "您未同意 LINE 登录，绑定未完成。如需绑定，请回到 App 重新操作。"),
    not_confirmed: ("登录未完成", "LINE 未能确认本次登录，请回到 App 重新操作。"),
    line_unavailable: ("LINE 暂时没有响应", "请稍等片刻，然后回到 App 再试一次。"),
    unavailable: ("暂时无法完成绑定", "请稍等片刻，然后回到 App 再试一次。"),
    out_of_order: ("LINE 登录暂不可用", "很抱歉，服务出现问题，我们正在处理，请稍后再试。"),
    already_linked: ("已绑定 LINE", "此账号已绑定 LINE，不能在此更换。未作任何更改。"),
    line_user_taken: ("此 LINE 已被绑定", "此 LINE 已绑定另一个账号，不能在此更换。未作任何更改。"),
    not_found: ("页面不存在", "请回到 App，重新绑定 LINE。"),
    moved: "您的租借账号已绑定到另一个 LINE，之后的租借通知不再发送到这里。如非本人操作，请联系我们。",
};

const ZH_TW: Words = Words {
    named: "「{name}」的帳號",
    ending: "末碼為 {last} 的帳號",
    offer: ("綁定 LINE", "將為{who}開通 LINE 租借通知。接下來請登入 LINE，您也可以將我們的官方帳號加入好友。"),
    offer_another: "{who}已綁定 LINE。若您登入另一個 LINE 帳號，綁定將改到該帳號：原本的 LINE 不再收到租借通知，並會收到一則提醒。",
    replace: "更換現有綁定？",
    other_member: "此 LINE 已綁定另一個帳號。繼續後將改為綁定{who}，另一個帳號的租借通知不再傳送到 LINE。",
    other_user: "{who}已綁定另一個 LINE。繼續後將改為綁定此 LINE，原本的 LINE 不再收到租借通知，並會收到一則提醒。",
    do_replace: "確認更換",
    not_you: "不是您的帳號？請關閉此頁，不會有任何變更。",
    log_in: "使用 LINE 登入",
    go_on: ("前往 LINE", "請點按按鈕開啟 LINE；幾秒後也會自動開啟登入頁面。"),
    go_on_in_browser: "即將開啟 LINE 登入頁面；若未開啟，請點按按鈕。",
    open_line: "開啟 LINE",
    wait: ("請稍候", "正在完成登入，頁面會自動更新。"),
    done: ("綁定完成", "您將在 LINE 上收到租借通知。"),
    add_friend: (
        "還差一步：加入好友",
        "綁定成功。請將我們的 LINE 官方帳號加入好友，即可收到租借通知；若已封鎖，請先解除封鎖。",
    ),
    add_friend_button: "加入 LINE 好友",
    unlink_note: "您可隨時在 App 中解除綁定；解除後我們會通知 LINE，並取消登入授權。",
    back_to_app: "返回 App",
    wrong_link: ("連結無效", "請回到 App，重新綁定 LINE。"),
    expired: ("已逾時", "為保護您的帳號，連結僅在幾分鐘內有效，請回到 App 重新操作。"),
    used: ("連結已被使用", "此連結已在另一個瀏覽器中使用，請回到 App 重新操作。"),
    other_browser: (
        "無法繼續",
        "您可能更換了瀏覽器，或瀏覽器停用了 Cookie。請回到 App 重新操作，登入會留在同一個瀏覽器中。若仍無法完成，請用手機的預設瀏覽器（如 \
         Safari、Chrome）開啟連結，不要使用無痕模式。",
    ),
    refused: ("未綁定", "您未同意 LINE 登入，尚未綁定。如需綁定，請回到 App 重新操作。"),
    not_confirmed: ("登入未完成", "LINE 無法確認此次登入，請回到 App 重新登入。"),
    line_unavailable: ("LINE 暫時沒有回應", "請稍候片刻，然後回到 App 再試一次。"),
    unavailable: ("暫時無法完成綁定", "請稍候片刻，然後回到 App 再試一次。"),
    out_of_order: ("LINE 登入暫時無法使用", "很抱歉，系統發生問題，我們正在處理，請稍後再試。"),
    already_linked: ("已綁定 LINE", "此帳號已綁定 LINE，無法在此更換。未作任何變更。"),
    line_user_taken: ("此 LINE 已被綁定", "此 LINE 已綁定另一個帳號，無法在此更換。未作任何變更。"),
    not_found: ("找不到頁面", "請回到 App，重新綁定 LINE。"),
    moved: "您的租借帳號已綁定另一個 LINE，之後的租借通知不再傳送到這裡。若非本人操作，請與我們聯絡。",
};

const JA: Words = Words {
    named: "{name}さまのアカウント",
    ending: "末尾が{last}のアカウント",
    offer: (
        "LINE連携",
        "{who}のレンタルのお知らせを、LINEでお送りします。次にLINEへログインしてください。公式アカウントの友だち追加もできます。",
    ),
    offer_another: "{who}はすでにLINEと連携しています。別のLINEでログインすると連携先が変わり、これまでのLINEには変更のお知らせだけが届きます。",
    replace: "連携を変更しますか？",
    other_member: "このLINEは別のアカウントと連携しています。続けると{who}との連携に変わり、別のアカウントのお知らせはLINEに届かなくなります。",
    other_user: "{who}は別のLINEと連携しています。続けるとこのLINEに変わり、これまでのLINEには変更のお知らせだけが届きます。",
    do_replace: "変更する",
    not_you: "ご自身のアカウントでない場合は、このページを閉じてください。何も変更されません。",
    log_in: "LINEでログイン",
    go_on: ("LINEへ進む", "ボタンを押すとLINEが開きます。押さない場合も、数秒後にログイン画面が自動で開きます。"),
    go_on_in_browser: "まもなくLINEのログイン画面が開きます。開かない場合はボタンを押してください。",
    open_line: "LINEを開く",
    wait: ("しばらくお待ちください", "ログインを完了しています。このページは自動で切り替わります。"),
    done: ("連携が完了しました", "レンタルのお知らせをLINEでお送りします。"),
    add_friend: (
        "あと1ステップで完了です",
        "LINE連携ができました。続けてLINE公式アカウントを友だち追加すると、レンタルのお知らせが届きます。ブロック中の場合は解除してください。",
    ),
    add_friend_button: "LINEで友だち追加",
    unlink_note: "連携はアプリからいつでも解除できます。解除するとLINEに通知し、LINEログインの許可も取り消されます。",
    back_to_app: "アプリに戻る",
    wrong_link: ("リンクが無効です", "アプリに戻り、もう一度LINE連携をお試しください。"),
    expired: ("有効期限が切れました", "安全のため、リンクは数分間だけ有効です。アプリからやり直してください。"),
    used: ("使用済みのリンクです", "このリンクは別のブラウザで使われています。アプリからやり直してください。"),
    other_browser: (
        "続行できませんでした",
        "はじめたときと別のブラウザに戻ったか、Cookieが無効です。アプリに戻ってやり直すと、同じブラウザの中でログインできます。うまくいかない場合は、スマートフォンの標準ブラウザ（Safari、Chromeなど）で、プライベートモードを使わずにリンクを開いてください。",
    ),
    refused: (
        "連携されていません",
        "LINEログインがキャンセルされたため、連携は完了していません。連携する場合は、アプリからやり直してください。",
    ),
    not_confirmed: ("ログインできませんでした", "LINEでログインを確認できませんでした。アプリからやり直してください。"),
    line_unavailable: ("LINEに接続できませんでした", "しばらくしてから、アプリに戻ってもう一度お試しください。"),
    unavailable: (
        "申し訳ございません。ただいま処理できません",
        "しばらくしてから、アプリに戻ってもう一度お試しください。",
    ),
    out_of_order: (
        "LINEログインは現在ご利用いただけません",
        "ご不便をおかけし申し訳ございません。現在復旧を進めております。しばらくしてからもう一度お試しください。",
    ),
    already_linked: (
        "すでに連携されています",
        "このアカウントはLINEと連携済みで、ここでは変更できません。何も変更されていません。",
    ),
    line_user_taken: (
        "このLINEは連携済みです",
        "このLINEは別のアカウントと連携していて、ここでは変更できません。何も変更されていません。",
    ),
    not_found: ("ページが見つかりません", "アプリに戻り、もう一度LINE連携をお試しください。"),
    moved: "お客さまのレンタルのアカウントは、別のLINEと連携されました。今後のお知らせはこちらには届きません。お心当たりがない場合は、お問い合わせください。",
};

const TH: Words = Words {
    named: "บัญชีของ {name}",
    ending: "บัญชีที่ลงท้ายด้วย {last}",
    offer: (
        "เชื่อมต่อ LINE",
        "การแจ้งเตือนการเช่าของ{who} จะส่งไปยัง LINE ของคุณ ขั้นตอนถัดไปคือเข้าสู่ระบบ LINE ซึ่งคุณเพิ่มบัญชีทางการของเราเป็นเพื่อนได้ด้วย",
    ),
    offer_another: "{who} เชื่อมต่อกับ LINE อยู่แล้ว หากคุณเข้าสู่ระบบด้วยบัญชี LINE อื่น บัญชีนั้นจะถูกใช้แทน LINE เดิมจะไม่ได้รับการแจ้งเตือนการเช่าอีก และจะได้รับข้อความแจ้งให้ทราบ",
    replace: "เปลี่ยนการเชื่อมต่อหรือไม่",
    other_member: "LINE นี้เชื่อมต่อกับบัญชีอื่นอยู่ หากดำเนินการต่อ LINE นี้จะเชื่อมต่อกับ{who} แทน และการแจ้งเตือนของบัญชีอื่นจะไม่ส่งมาที่ LINE อีก",
    other_user: "{who} เชื่อมต่อกับ LINE อื่นอยู่ หากดำเนินการต่อ LINE นี้จะถูกใช้แทน LINE เดิมจะไม่ได้รับการแจ้งเตือนการเช่าอีก และจะได้รับข้อความแจ้งให้ทราบ",
    do_replace: "ยืนยันการเปลี่ยน",
    not_you: "หากไม่ใช่บัญชีของคุณ กรุณาปิดหน้านี้ จะไม่มีการเปลี่ยนแปลงใด ๆ",
    log_in: "เข้าสู่ระบบด้วย LINE",
    go_on: ("ไปที่ LINE", "แตะปุ่มเพื่อเปิด LINE หรือรอสักครู่ หน้าเข้าสู่ระบบจะเปิดขึ้นเอง"),
    go_on_in_browser: "หน้าเข้าสู่ระบบของ LINE กำลังจะเปิดขึ้น หากไม่เปิด กรุณาแตะปุ่ม",
    open_line: "เปิด LINE",
    wait: ("กรุณารอสักครู่", "กำลังดำเนินการเข้าสู่ระบบ หน้านี้จะอัปเดตเอง"),
    done: ("เชื่อมต่อเรียบร้อยแล้ว", "คุณจะได้รับการแจ้งเตือนการเช่าทาง LINE"),
    add_friend: (
        "เหลืออีกขั้นตอนเดียว",
        "เชื่อมต่อแล้ว กรุณาเพิ่มบัญชีทางการของเราเป็นเพื่อน เพื่อรับการแจ้งเตือนการเช่า หากบล็อกไว้ กรุณาเลิกบล็อก",
    ),
    add_friend_button: "เพิ่มเพื่อนใน LINE",
    unlink_note: "คุณยกเลิกการเชื่อมต่อได้ทุกเมื่อในแอป เมื่อยกเลิก เราจะแจ้ง LINE และการอนุญาตให้เข้าสู่ระบบด้วย LINE จะถูกยกเลิก",
    back_to_app: "กลับไปที่แอป",
    wrong_link: ("ลิงก์ไม่ถูกต้อง", "กรุณากลับไปที่แอปแล้วเชื่อมต่อ LINE อีกครั้ง"),
    expired: ("หมดเวลาแล้ว", "เพื่อความปลอดภัย ลิงก์ใช้ได้เพียงไม่กี่นาที กรุณาเริ่มใหม่จากแอป"),
    used: ("ลิงก์นี้ถูกใช้แล้ว", "ลิงก์นี้ถูกใช้ในเบราว์เซอร์อื่นแล้ว กรุณาเริ่มใหม่จากแอป"),
    other_browser: (
        "ไม่สามารถดำเนินการต่อได้",
        "การเข้าสู่ระบบกลับมายังเบราว์เซอร์อื่น หรือเบราว์เซอร์นี้ปิดคุกกี้ไว้ กรุณากลับไปที่แอปแล้วเริ่มใหม่ การเข้าสู่ระบบจะอยู่ในเบราว์เซอร์เดียว หากยังไม่สำเร็จ กรุณาเปิดลิงก์ด้วยเบราว์เซอร์หลักของโทรศัพท์ เช่น \
         Safari หรือ Chrome โดยไม่ใช้โหมดส่วนตัว",
    ),
    refused: ("ยังไม่ได้เชื่อมต่อ", "คุณไม่ได้อนุญาตให้เข้าสู่ระบบด้วย LINE จึงยังไม่ได้เชื่อมต่อ หากต้องการเชื่อมต่อ กรุณาเริ่มใหม่จากแอป"),
    not_confirmed: ("เข้าสู่ระบบไม่สำเร็จ", "LINE ไม่สามารถยืนยันการเข้าสู่ระบบได้ กรุณาเริ่มใหม่จากแอป"),
    line_unavailable: ("LINE ไม่ตอบสนองในขณะนี้", "กรุณารอสักครู่ แล้วกลับไปที่แอปและลองอีกครั้ง"),
    unavailable: ("ขออภัย ไม่สามารถดำเนินการได้ในขณะนี้", "กรุณารอสักครู่ แล้วกลับไปที่แอปและลองอีกครั้ง"),
    out_of_order: (
        "ไม่สามารถเข้าสู่ระบบด้วย LINE ได้ในขณะนี้",
        "ขออภัยในความไม่สะดวก ระบบของเราขัดข้องและกำลังแก้ไข กรุณาลองใหม่ภายหลัง",
    ),
    already_linked: ("เชื่อมต่ออยู่แล้ว", "บัญชีนี้เชื่อมต่อกับ LINE อยู่แล้ว และเปลี่ยนที่นี่ไม่ได้ ไม่มีการเปลี่ยนแปลงใด ๆ"),
    line_user_taken: ("LINE นี้ถูกเชื่อมต่อแล้ว", "LINE นี้เชื่อมต่อกับบัญชีอื่นอยู่ และเปลี่ยนที่นี่ไม่ได้ ไม่มีการเปลี่ยนแปลงใด ๆ"),
    not_found: ("ไม่พบหน้านี้", "กรุณากลับไปที่แอปแล้วเชื่อมต่อ LINE อีกครั้ง"),
    moved: "บัญชีการเช่าของคุณเชื่อมต่อกับ LINE อื่นแล้ว การแจ้งเตือนจะไม่ส่งมาที่นี่อีก หากคุณไม่ได้ทำรายการนี้ กรุณาติดต่อเรา",
};

const EN: Words = Words {
    named: "{name}’s account",
    ending: "the account ending in {last}",
    offer: (
        "Connect LINE",
        "Rental notifications for {who} will be sent to you on LINE. Next, log in to LINE; there you can also add our LINE \
         Official Account as a friend.",
    ),
    offer_another: "LINE is already connected to {who}. If you log in with another LINE account, that one takes its place: \
                    the former one gets a message about it, and no more rental notifications.",
    replace: "Replace the connection?",
    other_member: "This LINE account is connected to another account. If you continue, it is connected to {who} instead, \
                   and the notifications of the other account are no longer sent to LINE.",
    other_user: "Another LINE account is connected to {who}. If you continue, this one takes its place: the former one \
                 gets a message about it, and no more rental notifications.",
    do_replace: "Replace it",
    not_you: "Not your account? Close this page, and nothing changes.",
    log_in: "Log in with LINE",
    go_on: ("Continue in LINE", "Tap the button to open LINE. Or wait: the login page opens in a few seconds."),
    go_on_in_browser: "The LINE login page is about to open. If it does not, tap the button.",
    open_line: "Open LINE",
    wait: ("One moment", "Your login is being completed. This page updates by itself."),
    done: ("LINE connected", "You will receive your rental notifications on LINE."),
    add_friend: (
        "One more step",
        "LINE is connected. Add our LINE Official Account as a friend to receive rental notifications. If you blocked it, \
         unblock it.",
    ),
    add_friend_button: "Add friend on LINE",
    unlink_note: "You can disconnect LINE in the app at any time. We will then notify LINE, and your LINE Login permission \
                  will be withdrawn.",
    back_to_app: "Back to the app",
    wrong_link: ("This link is not valid", "Please go back to the app and connect LINE again."),
    expired: (
        "This has expired",
        "For your security, it is valid for only a few minutes. Please start again from the app.",
    ),
    used: ("This link has already been used", "It was used in another browser. Please start again from the app."),
    other_browser: (
        "We could not continue",
        "You started logging in with another browser, or cookies are turned off in this one. Please start again from the \
         app; the login will then stay in one browser. If that does not help, open the link in your phone’s default \
         browser, such as Safari or Chrome, and not in a private window.",
    ),
    refused: (
        "Not connected",
        "You did not allow the login with LINE, so LINE is not connected. To connect it, start again from the app.",
    ),
    not_confirmed: ("Login not completed", "LINE could not confirm your login. Please start again from the app."),
    line_unavailable: (
        "LINE is not responding right now",
        "Please wait a moment, then go back to the app and try again.",
    ),
    unavailable: ("We cannot complete this right now", "Please wait a moment, then go back to the app and try again."),
    out_of_order: (
        "LINE Login is unavailable",
        "Sorry, this is a problem on our side. We are working on it. Please try again later.",
    ),
    already_linked: (
        "Already connected",
        "LINE is connected to this account, and cannot be replaced here. Nothing has changed.",
    ),
    line_user_taken: (
        "LINE account already in use",
        "This LINE account is connected to another account, and cannot be moved here. Nothing has changed.",
    ),
    not_found: ("Page not found", "Please go back to the app and connect LINE again."),
    moved: "Your rental account is now connected to another LINE account, and its notifications no longer come here. If \
            this was not you, please contact us.",
};
