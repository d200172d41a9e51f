//! Wires `daily-report`.

use daily_report::{
    DailyReport,
    figures::{Queue, Sources},
};
use jiff::tz::TimeZone;
use lambda_runtime::{Error, run, service_fn};
use shared::{
    clock::Clock,
    delivery::{pace::Pace, table::Deliveries},
    lambda::{
        environment::{parsed, required},
        init, log,
    },
    line::channel::LineChannel,
    outbound::{self, Outbound},
    report::{mail::Mailer, reports::Reports, stack::Stack},
    sobot::account::SobotAccount,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("daily-report");
    let outbound = Outbound::from_env().await?;
    let call = Pace::from_env()?.call;
    let dynamodb = aws_sdk_dynamodb::Client::new(&outbound.aws);
    let function = DailyReport {
        sources: Sources {
            channel: LineChannel::from_env(&outbound, call, Clock::System)?,
            sobot: SobotAccount::from_env(&outbound, call, Clock::System)?,
            deliveries: Deliveries::new(
                dynamodb.clone(),
                required("DELIVERIES_TABLE")?,
                time::Duration::days(parsed("DELIVERY_RETENTION_DAYS")?),
            ),
            sqs: aws_sdk_sqs::Client::new(&outbound.aws),
            dead_letter_queues: [
                (Queue::PushRetry, required("PUSH_RETRY_DEAD_LETTER_QUEUE_URL")?),
                (Queue::Inbox, required("INBOX_DEAD_LETTER_QUEUE_URL")?),
                (Queue::QuotaWarning, required("QUOTA_WARNING_DEAD_LETTER_QUEUE_URL")?),
                (Queue::DailyReport, required("DAILY_REPORT_DEAD_LETTER_QUEUE_URL")?),
            ],
        },
        reports: Reports::new(dynamodb, required("REPORTS_TABLE")?, Clock::System),
        mailer: Mailer::from_env(&outbound.aws)?,
        language: parsed("REPORT_LANGUAGE")?,
        stack: Stack::from_env()?,
        zone: TimeZone::get(&required("REPORT_TIME_ZONE")?)?,
        clock: Clock::System,
    };
    let prepare = Box::pin(async {
        tokio::join!(function.sources.warm_up(), outbound::open([function.sources.channel.connection()]));
    });
    init::then(prepare, run(service_fn(|event| Box::pin(function.handle(event))))).await
}
