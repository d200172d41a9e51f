//! Wires `operations`.

use std::sync::LazyLock;

use jiff::tz::TimeZone;
use lambda_http::Error;
use operations::{
    Operations,
    console::Console,
    dead_letters::{DAILY_REPORT, DeadLetterQueue, DeadLetterQueues, INBOX, PUSH_RETRY},
    media,
    reports::ReportQueue,
    stack::Stack,
};
use shared::{
    audit::Audit,
    aws::secret::Secret,
    clock::Clock,
    customer::{friend::Friends, link::Links},
    delivery::{
        Delivery,
        queue::RetryQueue,
        recovery::table::Recoveries,
        settings::Settings,
        switch::{self, Switches},
        table::Deliveries,
    },
    inbox::messages::Messages,
    lambda::{
        environment::{optional, parsed, required},
        http_api, init, log,
    },
    line::{channel::LineChannel, client::LineClient, login::LoginClient},
    order::detail_hosts::DetailHosts,
    outbound::{self, Outbound},
    report::{mail::Mailer, reports::Reports},
    sobot::account::SobotAccount,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("operations");
    let outbound = Outbound::from_env().await?;
    let settings = Settings::from_env()?;
    let clock = Clock::System;
    let dynamodb = aws_sdk_dynamodb::Client::new(&outbound.aws);
    let sqs = aws_sdk_sqs::Client::new(&outbound.aws);
    let retry_queue_url = required("PUSH_RETRY_QUEUE_URL")?;
    let dead_letters = vec![
        DeadLetterQueue {
            name: PUSH_RETRY,
            url: required("PUSH_RETRY_DEAD_LETTER_QUEUE_URL")?,
            source_url: Some(retry_queue_url.clone()),
        },
        DeadLetterQueue {
            name: INBOX,
            url: required("INBOX_DEAD_LETTER_QUEUE_URL")?,
            source_url: Some(required("INBOX_QUEUE_URL")?),
        },
        DeadLetterQueue {
            name: "quota-warning",
            url: required("QUOTA_WARNING_DEAD_LETTER_QUEUE_URL")?,
            source_url: Some(settings.quota_warning_queue_url.clone()),
        },
        DeadLetterQueue { name: DAILY_REPORT, url: required("DAILY_REPORT_DEAD_LETTER_QUEUE_URL")?, source_url: None },
    ];
    let function = Operations {
        keys: Secret::new(&outbound.secrets, required("OPERATOR_KEYS_SECRET_ID")?, clock),
        audit: Audit::new(dynamodb.clone(), required("AUDIT_TABLE")?),
        switches: Switches::new(dynamodb.clone(), settings.switches_table.clone(), switch::MAX_AGE, clock),
        queue: RetryQueue::new(sqs.clone(), retry_queue_url),
        deliveries: Deliveries::new(dynamodb.clone(), settings.deliveries_table.clone(), settings.delivery_life),
        recoveries: Recoveries::new(dynamodb.clone(), required("RECOVERIES_TABLE")?),
        recovery_per_minute: parsed("RECOVERY_PER_MINUTE")?,
        dead_letters: DeadLetterQueues::new(sqs.clone(), dead_letters),
        messages: Messages::new(dynamodb.clone(), required("MESSAGES_TABLE")?),
        friends: Friends::new(dynamodb.clone(), settings.friends_table.clone(), settings.friend_life),
        reports: Reports::new(dynamodb.clone(), required("REPORTS_TABLE")?, clock),
        report_queue: ReportQueue::new(sqs, required("DAILY_REPORT_QUEUE_URL")?),
        mailer: Mailer::from_env(&outbound.aws)?,
        report_language: parsed("REPORT_LANGUAGE")?,
        report_zone: TimeZone::get(&optional("REPORT_TIME_ZONE")),
        links: Links::new(dynamodb, settings.links_table.clone(), settings.delivery_life),
        login: LoginClient::new(&outbound.http, &required("LINE_API_BASE")?),
        login_secret: Secret::new(&outbound.secrets, required("LOGIN_SECRET_ID")?, clock),
        channel: LineChannel::from_env(&outbound, settings.pace.call, clock)?,
        line_data: LineClient::new(&outbound.http, &required("LINE_DATA_API_BASE")?, media::TIMEOUT),
        thresholds: parsed("WARNING_THRESHOLDS")?,
        sobot: SobotAccount::from_env(&outbound, settings.pace.call, clock)?,
        delivery: Delivery::new(&outbound, settings, clock)?,
        stack: Stack { name: required("STACK_NAME")?, country: optional("COUNTRY") },
        detail_hosts: DetailHosts::of(&optional("DETAIL_URL_HOSTS")),
        console: LazyLock::new(Console::new),
        clock,
    };
    // Whatever an operator asks for is in a table.
    let prepare = Box::pin(async {
        tokio::join!(function.warm_up(), outbound::open([outbound.to_dynamodb()]));
    });
    init::then(prepare, http_api::run(|request| Box::pin(function.handle(request)))).await
}
