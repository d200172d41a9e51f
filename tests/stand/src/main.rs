//! The whole stack on one machine, doing its main job: `cargo run`, or `cargo run -- --once` to leave at the end.

use std::{collections::HashSet, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context as _, ensure};
use local_stand::{
    aws::sam_local,
    line::screen,
    line::webhook_sender::{WebhookSender, event, message},
    line::{Behaviour, Endpoint},
    stand::{Stand, THE_APP, order_with, random_user, sample_order},
};
use serde_json::{Value, json};
use shared::{
    delivery::{record::DeliveryRecord, state::State},
    inbox::messages::StoredEvent,
    line::day::compact,
    notification::NotificationKind,
};
use tokio::time::sleep;

const USAGE: &str = "\
cargo run              start the stack, deliver the sample order, stay up until Ctrl-C
cargo run -- --once    the same, and exit";

/// A variable with the address of an app in development, `http://localhost:{port}/…`: it is told of links in the place
/// of the stand's.
const OWN_APP: &str = "LINK_CALLBACK_URL";
/// From a failed push to its retry; on AWS it is 180.
const RETRY_DELAY_SECONDS: &str = "4";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let once = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--once"] => true,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let result = tokio::select! {
        result = run(once) => result,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nstopped: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(once: bool) -> anyhow::Result<()> {
    heading("The stack of template.yaml comes up");
    let own_app = std::env::var(OWN_APP).ok();
    let callback_url = own_app.as_deref().unwrap_or(THE_APP);
    let parameters = [("RetryDelaySeconds", RETRY_DELAY_SECONDS), ("LinkCallbackUrl", callback_url)];
    let stand = Stand::start(&parameters, true).await?;

    heading("A finished order arrives");
    let order = sample_order();
    println!("POST {}\n{}", stand.orders_url(), serde_json::to_string_pretty(&order)?);
    let reply = stand.post(&order).await;
    println!("\n{} {}", reply.status, reply.body);
    ensure!(reply.status == 200, "the order was not delivered; the functions' logs:\n{}", stand.aws.all_logs());

    heading("The customer's LINE shows");
    let mut shown = HashSet::new();
    show_received(&stand, &mut shown);

    heading("The operator's record says");
    show_record(&stand, &order).await?;

    heading("Another order, and LINE has a bad moment");
    let order = order_with(json!({ "orderId": "R20200714-0002", "endShop": null }));
    let user = order["recipient"]["lineUserId"].as_str().context("no recipient")?;
    stand.line.script(user, [Behaviour::answer(500, r#"{"message":"Internal server error"}"#)]);
    let reply = stand.post(&order).await;
    println!("{} {}", reply.status, reply.body);
    println!("the retry follows in {RETRY_DELAY_SECONDS} s (on AWS: 180 s) ...\n");
    stand.wait_for_record("R20200714-0002", "sent", |record| record.progress.state() == State::Sent).await;
    show_received(&stand, &mut shown);
    show_record(&stand, &order).await?;

    show_a_customer(&stand, &mut shown, own_app.is_none()).await?;
    show_the_report(&stand).await?;

    let violations = stand.public_api.violations();
    ensure!(violations.is_empty(), "not as functions/openapi.yaml says:\n{}", violations.join("\n"));
    if once {
        return Ok(());
    }
    sam_local::let_containers_in(&stand).await?;
    let variables = sam_local::write_variables(&stand)?;
    sam_local::write_events(&stand)?;
    heading("Your turn");
    println!("{}", instructions(&stand, &variables, &stand.callback_key().await?));
    loop {
        show_received(&stand, &mut shown);
        show_told(&stand, &mut shown);
        for violation in stand.public_api.violations() {
            if shown.insert(violation.clone()) {
                println!("Not as functions/openapi.yaml says: {violation}");
            }
        }
        sleep(Duration::from_millis(300)).await;
    }
}

/// A login, a picture, an order to the member, an unfollow, and the push that it suppresses.
async fn show_a_customer(stand: &Stand, shown: &mut HashSet<String>, app_is_ours: bool) -> anyhow::Result<()> {
    let (member, user) = ("M-1001", random_user());
    let now_ms = || u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
    heading("A member logs in to LINE and adds the official account");
    println!("GET {}", stand.login_url(member));
    println!("the page at the end says: {}", stand.log_in(member, &user).await?);
    if app_is_ours {
        stand.app.wait_until("the app is told", |received| !received.is_empty()).await;
        show_told(stand, shown);
    }

    heading("LINE and Sobot tell what the customer does");
    let from_line = WebhookSender::line(stand);
    let picture = json!({ "type": "image", "contentProvider": { "type": "line" } });
    let follow = event("follow", &user, now_ms(), json!({ "follow": { "isUnblocked": false } }));
    println!("LINE: follow -> {}", from_line.deliver(&[follow]).await.status);
    let events =
        [message(&user, now_ms(), json!({ "type": "text", "text": "还没退款 🔋" })), message(&user, now_ms(), picture)];
    println!("Sobot: a text and a picture -> {}", WebhookSender::sobot(stand).deliver(&events).await.status);
    let arrived = |stored: &[StoredEvent]| stored.iter().any(|event| event.media_url.is_some());
    for stored in stand.wait_for_events(&user, "stored with the picture's address", arrived).await {
        let content = stored.content.map(|content| serde_json::to_string(&content)).transpose()?.unwrap_or_default();
        println!("  the operator finds: {} {content} {}", stored.event_type, stored.media_url.unwrap_or_default());
    }

    heading("An order to the member");
    let order = order_with(json!({ "orderId": "R20200714-0004", "recipient": { "memberId": member } }));
    println!("{}", stand.post(&order).await.body);
    show_received(stand, shown);

    heading("The customer blocks the account, and the next order is not pushed");
    let unfollow = event("unfollow", &user, now_ms(), json!({}));
    println!("LINE: unfollow -> {}", from_line.deliver(&[unfollow]).await.status);
    stand.wait_for_friend_state(&user, false, "line_event").await;
    let order = order_with(json!({ "orderId": "R20200714-0005", "recipient": { "memberId": member } }));
    println!("{}", stand.post(&order).await.body);
    Ok(())
}

/// The daily report, with figures for yesterday, in the terminal and as a file for the browser.
async fn show_the_report(stand: &Stand) -> anyhow::Result<()> {
    heading("At nine the operators get a mail");
    let now = time::OffsetDateTime::now_utc();
    let today = now.to_offset(time::UtcOffset::from_hms(8, 0, 0)?).date();
    let yesterday = today.previous_day().context("no day before today")?;
    stand.line.set_quota(Some(200_000));
    stand.line.set_usage(84_848);
    let pushes = json!({ "status": "ready", "success": 323 });
    stand.line.set_statistics(Endpoint::PushesOfDay, &compact(yesterday), pushes);
    let seen = json!({ "overview": { "uniqueImpression": 234, "uniqueClick": 111 } });
    stand.line.set_statistics(Endpoint::UnitEvents, &NotificationKind::OrderFinished.unit(yesterday), seen);
    let answer = stand.invoke("DailyReportFunctionName", &json!({ "date": today.to_string() })).await?;
    let mail = stand.mails().await?.pop().with_context(|| format!("no mail: {answer}"))?;
    let file = std::env::current_exe()?.with_file_name("daily-report.html");
    std::fs::write(&file, &mail.html)?;
    println!("To: {}\nSubject: {}\n\n{}", mail.recipients.join(", "), mail.subject, mail.text);
    println!("As the mail program shows it: file://{}", file.display());
    Ok(())
}

fn heading(text: &str) {
    println!("\n== {text} ==\n");
}

/// Draws what LINE accepted since the last look.
fn show_received(stand: &Stand, shown: &mut HashSet<String>) {
    let users: HashSet<String> =
        stand.line.requests().iter().filter_map(|request| request.json()["to"].as_str().map(str::to_owned)).collect();
    for received in users.iter().flat_map(|user| stand.line.received_by(user)) {
        if shown.insert(received.request_id) {
            for message in &received.messages {
                println!("{}", screen::draw(message));
            }
        }
    }
}

/// Prints what the app was told since the last look.
fn show_told(stand: &Stand, shown: &mut HashSet<String>) {
    for callback in stand.app.received() {
        if shown.insert(callback.signature.clone()) {
            let body = String::from_utf8_lossy(&callback.body);
            println!("the app is told, signed with {}: {body}", callback.signature);
        }
    }
}

async fn show_record(stand: &Stand, order: &Value) -> anyhow::Result<()> {
    let order_id = order["orderId"].as_str().context("no order id")?;
    let record = stand.record(order_id).await.context("no record")?;
    let DeliveryRecord { order_id, status, progress, attempts, line_message_id, .. } = &record;
    let state = progress.state();
    println!(
        "order {order_id}, status {status}: {state:?}, LINE's message id {}",
        line_message_id.as_deref().unwrap_or("-")
    );
    println!("retry key {}", stand.retry_key(&record));
    for (number, attempt) in attempts.iter().enumerate() {
        println!(
            "  attempt {} at {}: {:?}, LINE answered {}, request id {} {}",
            number + 1,
            attempt.at,
            attempt.state,
            attempt.line_status.map_or("nothing".to_owned(), |status| status.to_string()),
            attempt.line_request_id.as_deref().unwrap_or("-"),
            attempt.error.as_deref().unwrap_or_default(),
        );
    }
    Ok(())
}

fn instructions(stand: &Stand, variables: &Path, callback_key: &str) -> String {
    let order = json!({
        "orderId": "R20200714-0003", "status": "finish",
        "recipient": { "lineUserId": "U0123456789abcdef0123456789abcdef" },
        "fee": { "amount": "30", "currency": "TWD" },
        "startedAt": "2020-07-14T11:00:20+08:00", "startShop": "台北車站",
        "endedAt": "2020-07-14T12:10:00+08:00", "endShop": null, "language": "zh-TW"
    });
    format!(
        "Post an order of your own; what the customer gets appears here:\n\n\
         curl -i '{}' \\\n  -H 'Authorization: Bearer {}' -H 'Content-Type: application/json' \\\n  -d '{order}'\n\n\
         The same again: the same answer, and no second message. Another fee under the same id: 409.\n\
         Link the member member-1 with a LINE user, in a browser on this machine (within ten minutes):\n\n{}\n\n\
         An app of yours makes such addresses itself (functions/line-login/README.md, The link token):\n\n\
         login           {}/login?token={{link token}}\n\
         signed with     {}\n\
         return_url      {} or below\n\
         whether linked  curl -H 'Authorization: Bearer {}' '{}/links/member-1'\n\
         callbacks       to {OWN_APP}, a variable of `cargo run`, such as http://localhost:3000/links;\n                \
         signed with {callback_key}\n\n\
         The operators' page, and an operator's key for it:\n\n{}/console\n{}\n\n\
         A function in a container of its own (tests/README.md, One function alone):\n\n\
         sam local invoke PushRetryFunction -e events/push-retry.json --region ap-northeast-1 \\\n  \
         --add-host host.docker.internal:host-gateway --env-vars {}\n\n\
         Ctrl-C ends everything.",
        stand.orders_url(),
        stand.order_key,
        stand.login_url("member-1"),
        stand.public_api.base_url(),
        stand.link_token_secret,
        stand.return_url(),
        stand.operator_key,
        stand.public_api.base_url(),
        stand.public_api.base_url(),
        stand.operator_key,
        variables.display(),
    )
}
