//! The login in a real browser, by clicks: what a customer sees on a phone, in every language, in the light and in the
//! dark. Pictures of it are in `target/tmp`.

use std::path::Path;

use local_stand::{
    browser::{Browser, Installed, Screen},
    line::{Choice, Person},
    stand::{Stand, random_key, random_user},
};
use serde_json::{Value, json};
use shared::language::Language;

use crate::{
    a_browser,
    login::{claims, link_token_with, member, user_of},
    story_alone,
};

/// Tells a story in a browser, where there is one.
fn in_a_browser(name: &str, tell: impl AsyncFnOnce(&Stand, &Installed) -> anyhow::Result<()>) {
    let Some(installed) = a_browser(name) else { return };
    story_alone(&[], async |stand| tell(&stand, &installed).await.expect("the browser gets through"));
}

/// Takes the page's picture in the light and in the dark, and looks that nothing is wider than the phone.
async fn picture(browser: &Browser, name: &str) -> anyhow::Result<()> {
    let fits = browser.run("return document.documentElement.scrollWidth <= innerWidth").await?;
    assert_eq!(fits, true, "{name} is wider than the phone");
    for scheme in ["dark", "light"] {
        browser.prefer(scheme).await?;
        browser.screenshot(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("login-{name}-{scheme}.png"))).await?;
    }
    Ok(())
}

/// From our page into LINE: by its link, or with the page, which goes on by itself after five seconds.
async fn into_line(browser: &Browser) -> anyhow::Result<()> {
    let tap = "const link = document.querySelector('main a'); \
               if (link?.checkVisibility() && !window.tapped) { window.tapped = true; link.click(); }";
    browser.wait_until(&format!("(() => {{ if (document.querySelector('#allow')) return true; {tap} }})()")).await
}

/// The app's link for a member whom it knows by name.
fn app_link(stand: &Stand, member: &str, more: Value) -> String {
    let mut named = json!({ "name": "陈 Mei" });
    for (name, value) in more.as_object().into_iter().flatten() {
        named[name] = value.clone();
    }
    let token = link_token_with(stand, &claims(member, named));
    format!("{}/login?token={token}", stand.public_api.base_url())
}

#[test]
fn a_customer_gets_through_the_whole_login_by_taps() {
    in_a_browser("a_customer_gets_through_the_whole_login_by_taps", async |stand, installed| {
        let (member, user) = (member(), stand.line.browser_user());
        stand.line.mark(&user, Person::Blocked);
        let browser = Browser::start(installed, "en-US").await?;
        // The browser opens the link before its customer does, and he taps twice.
        let link = app_link(stand, &member, json!({}));
        browser.open(&link).await?;
        browser.open(&link).await?;
        assert_eq!(browser.text("h1").await?, "Connect LINE");
        assert!(browser.text("main p").await?.contains("陈 Mei’s account"));
        picture(&browser, "offer").await?;
        browser.run("const button = document.querySelector('button'); button.click(); button.click()").await?;
        browser.wait_for_text("h1", "Continue in LINE").await?;
        assert_eq!(browser.text("main a").await?, "Open LINE");
        picture(&browser, "go-on").await?;
        into_line(&browser).await?;
        browser.click("#allow").await?;
        browser.click("#skip").await?;
        assert_eq!(browser.text("main h1").await?, "One more step");
        picture(&browser, "add-friend").await?;
        assert_eq!(user_of(stand, &member).await, Some(user.clone()));

        // The style was not blocked by the page's own policy, and no script sees the cookie.
        let radius = browser.run("return getComputedStyle(document.querySelector('main')).borderTopLeftRadius").await?;
        assert_eq!(radius, "20px");
        assert_eq!(browser.run("return document.cookie").await?, "");
        let cookies = browser.cookies().await?;
        let [cookie] = &cookies[..] else { panic!("one cookie: {cookies:?}") };
        assert_eq!(cookie["name"], "__Host-line-login");
        assert_eq!(
            (&cookie["httpOnly"], &cookie["secure"], &cookie["path"]),
            (&json!(true), &json!(true), &json!("/"))
        );
        assert_eq!((&cookie["sameSite"], &cookie["domain"]), (&json!("Lax"), &json!("localhost")));

        // Nobody taps: the page goes on by itself.
        browser.open(&app_link(stand, &member, json!({}))).await?;
        browser.press("button", "Log in with LINE").await?;
        browser.click("#allow").await?;
        browser.click("#add").await?;
        assert_eq!(browser.text("main h1").await?, "LINE connected");
        picture(&browser, "done").await?;
        // No page asked for what its policy forbids; the browser asks for an icon by itself.
        let complaints = browser.console().await?.into_iter().filter(|line| !line.contains("favicon"));
        assert_eq!(complaints.collect::<Vec<_>>(), [] as [String; 0]);
        Ok(())
    });
}

#[test]
fn a_customer_is_asked_before_anything_is_replaced() {
    in_a_browser("a_customer_is_asked_before_anything_is_replaced", async |stand, installed| {
        let (anna, berta, user, former) = (member(), member(), stand.line.browser_user(), random_user());
        stand.log_in(&anna, &former).await?;
        let browser = Browser::start(installed, "en-US").await?;
        browser.open(&app_link(stand, &anna, json!({}))).await?;
        assert_eq!(browser.text("h1").await?, "Replace the connection?");
        picture(&browser, "offer-another").await?;
        browser.press("button", "Log in with LINE").await?;
        into_line(&browser).await?;
        browser.click("#allow").await?;
        browser.click("#add").await?;
        assert_eq!(browser.text("main h1").await?, "LINE connected");
        assert_eq!(stand.line.received_by(&former).len(), 1);

        browser.open(&app_link(stand, &berta, json!({}))).await?;
        browser.press("button", "Log in with LINE").await?;
        into_line(&browser).await?;
        browser.click("#allow").await?;
        browser.click("#add").await?;
        assert_eq!(browser.text("main h1").await?, "Replace the connection?");
        picture(&browser, "ask").await?;
        assert_eq!((user_of(stand, &anna).await, user_of(stand, &berta).await), (Some(user.clone()), None));
        browser.press("button", "Replace it").await?;
        browser.wait_for_text("h1", "LINE connected").await?;
        assert_eq!((user_of(stand, &anna).await, user_of(stand, &berta).await), (None, Some(user.clone())));

        browser.open(&app_link(stand, &berta, json!({ "replace": "never" }))).await?;
        assert_eq!(browser.text("main h1").await?, "Already connected");
        picture(&browser, "already-linked").await?;
        Ok(())
    });
}

#[test]
fn a_customer_whose_auto_login_fails_gets_there_the_second_time() {
    in_a_browser("a_customer_whose_auto_login_fails_gets_there_the_second_time", async |stand, installed| {
        let (member, user) = (member(), stand.line.browser_user());
        stand.line.fail_auto_login_of(&user);
        let back = json!({ "return_url": "https://app.example/line" });
        let browser = Browser::start(installed, "en-US").await?;
        browser.open(&app_link(stand, &member, back.clone())).await?;
        browser.press("button", "Log in with LINE").await?;
        // Nobody need tap: the page goes on by itself.
        browser.wait_for_text("h1", "We could not continue").await?;
        picture(&browser, "auto-login-failed").await?;
        browser.open(&app_link(stand, &member, json!({}))).await?;
        browser.press("button", "Log in with LINE").await?;
        browser.click("#allow").await?;

        // LINE comes back to another browser.
        let screen = browser.address().await?;
        let other = Browser::start(installed, "en-US").await?;
        other.open(&screen).await?;
        other.click("#add").await?;
        assert_eq!(other.text("main h1").await?, "We could not continue");
        browser.click("#add").await?;
        assert_eq!(browser.text("main h1").await?, "LINE connected");
        assert_eq!(user_of(stand, &member).await, Some(user));
        Ok(())
    });
}

#[test]
fn the_login_speaks_every_language_on_the_smallest_phone() {
    in_a_browser("the_login_speaks_every_language_on_the_smallest_phone", async |stand, installed| {
        let user = stand.line.browser_user();
        for language in Language::ALL {
            let (member, other, tag) = (member(), member(), language.tag());
            let browser = Browser::start_on(installed, tag, Screen::SMALL_PHONE).await?;
            let back = json!({ "return_url": format!("https://app.example/line?{}", random_key()) });
            browser.open(&app_link(stand, &member, back)).await?;
            assert_eq!(browser.run("return document.documentElement.lang").await?, tag);
            picture(&browser, &format!("{tag}-1-offer")).await?;
            browser.click("main button").await?;
            browser.wait_until("document.querySelector('main a')").await?;
            picture(&browser, &format!("{tag}-2-go-on")).await?;
            into_line(&browser).await?;
            // LINE comes back to a browser that did not begin.
            let lost = Browser::start_on(installed, tag, Screen::SMALL_PHONE).await?;
            lost.open(&browser.address().await?).await?;
            lost.click("#allow").await?;
            lost.click("#add").await?;
            lost.wait_until("document.querySelector('main h1')").await?;
            picture(&lost, &format!("{tag}-3-other-browser")).await?;
            browser.click("#cancel").await?;
            browser.wait_until("document.querySelector('main h1')").await?;
            picture(&browser, &format!("{tag}-4-refused")).await?;

            stand.log_in(&member, &random_user()).await?;
            browser.open(&stand.login_url(&member)).await?;
            picture(&browser, &format!("{tag}-5-offer-another")).await?;
            link_by_hand(stand, &other, &user).await?;
            browser.click("main button").await?;
            into_line(&browser).await?;
            browser.click("#allow").await?;
            browser.click("#add").await?;
            browser.wait_until("document.querySelector('main h1')").await?;
            picture(&browser, &format!("{tag}-6-ask")).await?;
            browser.click("main button").await?;
            browser.wait_until("document.querySelector('.mark')").await?;
            picture(&browser, &format!("{tag}-7-done")).await?;
        }
        Ok(())
    });
}

/// Links a member of ours with the browser's LINE user, whoever had it.
async fn link_by_hand(stand: &Stand, member: &str, user: &str) -> anyhow::Result<()> {
    let mut visitor = crate::login::Visitor::new(stand);
    let token = link_token_with(stand, &claims(member, json!({ "replace": "always" })));
    let address = visitor.begin(&token).await;
    let callback = stand.line.authorize(&address, user, Choice::Consent).map_err(anyhow::Error::msg)?;
    visitor.get(&callback).await.is_page(200, "LINE connected");
    Ok(())
}
