//! Two members log in at once, each with a LINE user: whatever comes in between, no login links the wrong two.

use anyhow::{Context as _, ensure};
use local_stand::{
    line::{Choice, Person},
    stand::{POLL, random_key, random_user},
};
use reqwest::{Client, redirect::Policy};
use shared::{
    customer::link::Links,
    ids::{LineUserId, MemberId},
};
use tokio::time::{Duration, Instant, sleep};

use crate::case::Case;

/// So long a customer comes again: a secret that could not be read is read again after half a minute at the latest.
const PATIENCE: Duration = Duration::from_secs(60);
/// Before another try.
const PAUSE: Duration = Duration::from_millis(500);

/// One member takes another LINE user than before, which is no friend; the other logs in for the first time.
pub async fn two_members_at_once(case: &Case<'_>) -> anyhow::Result<()> {
    let [former, user, other_user] = [random_user(), random_user(), random_user()];
    let [member, other_member] = [format!("member-{}", random_key()), format!("member-{}", random_key())];
    case.canaries.plant([&former, &user, &other_user]);
    case.log_in(&member, &former).await?;
    case.stand.line.mark(&user, Person::Blocked);
    case.begin().await?;
    let (one, two) =
        tokio::join!(logs_in(case, &member, &user, Some(&former)), logs_in(case, &other_member, &other_user, None));
    one.and(two)?;
    for (user, member) in [(&user, &member), (&other_user, &other_member)] {
        let linked = (user_of(case, member).await?, member_of(case, user).await?);
        ensure!(linked == (Some(user.clone()), Some(member.clone())), "not {user} and {member}, but {linked:?}");
    }
    ensure!(member_of(case, &former).await?.is_none(), "the former LINE user is still linked");
    // What LINE did not tell is not known; what is known is true.
    for (user, friend) in [(&user, false), (&other_user, true)] {
        let state = case.stand.friend_state(user).await;
        ensure!(state.as_ref().is_none_or(|(is, _)| *is == friend), "friend is {friend}, kept as {state:?}");
    }
    Ok(())
}

/// A customer tries until the last page says that it is done: loads it again where none came, and then begins again
/// with the app's link. Meanwhile the member is linked to nobody but these.
async fn logs_in(case: &Case<'_>, member: &str, user: &str, former: Option<&str>) -> anyhow::Result<()> {
    let http = Client::builder().no_proxy().redirect(Policy::none()).build()?;
    let (mut seen, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    while Instant::now() < deadline {
        let (status, page) = tries(case, &http, member, user).await?;
        let linked = user_of(case, member).await?;
        ensure!(
            linked.as_ref().is_none_or(|linked| linked == user || Some(linked.as_str()) == former),
            "{member} is linked to {linked:?}"
        );
        if status == 200 {
            // A request that died may still be at it: the page would look again, and a new link is as good.
            if page.contains("One moment") {
                seen.push(status);
                sleep(POLL).await;
                continue;
            }
            let title = ["LINE connected", "One more step"].into_iter().find(|title| page.contains(*title));
            ensure!(title.is_some(), "an unknown page: {page}");
            ensure!(linked.as_deref() == Some(user), "{title:?} is told, and linked is {linked:?}");
            return Ok(());
        }
        seen.push(status);
        sleep(PAUSE).await;
    }
    anyhow::bail!("the login never ends well: {seen:?}")
}

/// One login in one browser: the status and the page at its end.
async fn tries(case: &Case<'_>, http: &Client, member: &str, user: &str) -> anyhow::Result<(u16, String)> {
    let link = case.stand.login_url(member);
    let offered = http.get(&link).header("accept-language", "en").send().await?;
    let cookie = offered.headers().get("set-cookie").map(|cookie| cookie.to_str().map(str::to_owned)).transpose()?;
    let (status, page) = (offered.status().as_u16(), offered.text().await?);
    let (200, Some(cookie)) = (status, cookie) else {
        ensure!(status >= 400, "the app's link shows {status}: {page}");
        case.canaries.plant(link.split_once("token=").map(|(_, token)| token));
        case.canaries.look_at_text(&page);
        return Ok((status, page));
    };
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let field = |name: &str| between(&page, &format!("name=\"{name}\" value=\""), "\"");
    let form = [("token", field("token")?), ("shown", field("shown")?)];
    let action = link.split('?').next().unwrap_or_default();
    let pressed = http.post(action).header("cookie", &cookie).header("accept-language", "en").form(&form);
    let pressed = pressed.send().await?;
    let (status, into_line) = (pressed.status().as_u16(), pressed.text().await?);
    // The form had to hold it; no page after this may.
    case.canaries.plant(link.split_once("token=").map(|(_, token)| token));
    case.canaries.look_at_text(&into_line);
    if status != 200 {
        ensure!(status >= 400, "the button is answered {status}: {into_line}");
        return Ok((status, into_line));
    }
    let callback = case.stand.line.authorize(&between(&into_line, "<a href=\"", "\"")?, user, Choice::Consent);
    let callback = callback.map_err(anyhow::Error::msg)?;
    let code = callback.split_once("code=").map(|(_, rest)| rest.split('&').next().unwrap_or_default());
    case.canaries.plant(code);
    case.canaries.plant(cookie.split_once('=').map(|(_, value)| value));
    let mut end = (0, String::new());
    for _ in 0..2 {
        let shown = http.get(&callback).header("cookie", &cookie).header("accept-language", "en").send().await?;
        end = (shown.status().as_u16(), shown.text().await?);
        case.canaries.look_at_text(&end.1);
        if end.0 < 500 {
            break;
        }
    }
    Ok(end)
}

fn between(text: &str, before: &str, after: &str) -> anyhow::Result<String> {
    let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    Ok(found.with_context(|| format!("no {before} in {text}"))?.0.replace("&amp;", "&"))
}

fn links(case: &Case<'_>) -> Links {
    Links::new(
        case.stand.dynamodb.clone(),
        case.stand.aws.output("LinksTableName").to_owned(),
        time::Duration::days(400),
    )
}

async fn user_of(case: &Case<'_>, member: &str) -> anyhow::Result<Option<String>> {
    let member = MemberId::parse(member).map_err(anyhow::Error::msg)?;
    let user = links(case).line_user_of(&member).await.map_err(anyhow::Error::msg)?;
    Ok(user.map(|user| user.as_str().to_owned()))
}

async fn member_of(case: &Case<'_>, user: &str) -> anyhow::Result<Option<String>> {
    let user = LineUserId::parse(user).map_err(anyhow::Error::msg)?;
    let member = links(case).member_of(&user).await.map_err(anyhow::Error::msg)?;
    Ok(member.map(|member| member.as_str().to_owned()))
}
