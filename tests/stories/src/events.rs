//! Every file of `events/` drives its function, as `sam local invoke <Function> -e events/<file>` does.

use std::{collections::BTreeMap, fs};

use local_stand::{aws::sam_local, repository, stand::THE_APP};
use serde_json::{Value, json};
use shared::delivery::state::State;

use crate::{story, story_alone, template::template};

/// Which function a file is for, and what it answers.
fn expected(file: &str) -> (&'static str, Value) {
    match file {
        "order-finished.json" | "order-not-returned.json" | "order-finished-base64.json" => {
            ("OrderFinishedFunctionName", json!({ "statusCode": 200, "delivery": "sent" }))
        }
        "order-started.json" => ("OrderFinishedFunctionName", json!({ "statusCode": 200, "delivery": "ignored" })),
        "order-wrong-fields.json" => ("OrderFinishedFunctionName", json!({ "statusCode": 400, "delivery": null })),
        "push-retry.json" | "push-retry-last.json" | "push-retry-redrive.json" => {
            ("PushRetryFunctionName", json!({ "batchItemFailures": [] }))
        }
        "push-retry-batch.json" => (
            "PushRetryFunctionName",
            json!({ "batchItemFailures": [{ "itemIdentifier": "059f36b4-87a3-44ab-83d2-661971975a7d" }] }),
        ),
        "webhook-line.json" | "webhook-line-base64.json" | "webhook-line-verify.json" | "webhook-sobot.json" => {
            ("WebhooksFunctionName", json!({ "statusCode": 200, "delivery": null }))
        }
        "webhook-line-forged.json" => ("WebhooksFunctionName", json!({ "statusCode": 401, "delivery": null })),
        "webhook-line-not-json.json" => ("WebhooksFunctionName", json!({ "statusCode": 400, "delivery": null })),
        "webhook-sobot-wrong-key.json" => ("WebhooksFunctionName", json!({ "statusCode": 404, "delivery": null })),
        "inbox-line.json" | "inbox-sobot.json" => ("InboxFunctionName", json!({ "batchItemFailures": [] })),
        "inbox-batch.json" => (
            "InboxFunctionName",
            json!({ "batchItemFailures": [{ "itemIdentifier": "2e1424d4-f796-459a-8184-9c92662be6da" }] }),
        ),
        // The placeholders are no link token and no state of ours: pages for people.
        "login.json" | "login-callback-refused.json" => {
            ("LineLoginFunctionName", json!({ "statusCode": 400, "delivery": null }))
        }
        // The check, by its name the first, sends what nobody has sent.
        "daily-report.json" | "daily-report-check.json" | "daily-report-resend.json" => {
            ("DailyReportFunctionName", json!({ "report": "sent" }))
        }
        "daily-report-run.json" => ("DailyReportFunctionName", json!({ "batchItemFailures": [] })),
        "link-callback.json" => ("LinkCallbackFunctionName", json!({ "batchItemFailures": [] })),
        "quota-warning.json" => ("QuotaWarningFunctionName", json!({ "batchItemFailures": [] })),
        "quota-warning-schedule.json" => ("QuotaWarningFunctionName", json!({ "warned": null })),
        "operations-order.json" => ("OperationsFunctionName", json!({ "statusCode": 200, "delivery": "sent" })),
        "operations-resend.json" => ("OperationsFunctionName", json!({ "statusCode": 409, "delivery": null })),
        "operations-redrive.json" => ("OperationsFunctionName", json!({ "statusCode": 202, "delivery": null })),
        // Neither this dead letter nor this member nor this picture nor this recovery is there.
        "operations-discard.json"
        | "operations-unlink.json"
        | "operations-media.json"
        | "operations-ask-media.json"
        | "operations-recovery.json"
        | "operations-recovery-pause.json" => {
            ("OperationsFunctionName", json!({ "statusCode": 404, "delivery": null }))
        }
        other if other.starts_with("operations-") => {
            ("OperationsFunctionName", json!({ "statusCode": 200, "delivery": null }))
        }
        other => panic!("no story tells what events/{other} is for"),
    }
}

#[test]
fn every_event_file_drives_its_function() {
    story_alone(&[("LinkCallbackUrl", THE_APP)], async |stand| {
        let folder = repository().join("events");
        let files: BTreeMap<String, Value> = fs::read_dir(folder)
            .expect("events/")
            .map(|file| file.expect("a file").path())
            .map(|path| {
                let event = serde_json::from_str(&fs::read_to_string(&path).expect("text")).expect("JSON");
                (path.file_name().expect("a name").to_string_lossy().into_owned(), event)
            })
            .collect();
        assert!(files.len() >= 56);
        // Operators look at what the others left.
        let (last, first): (Vec<_>, Vec<_>) = files.into_iter().partition(|(file, _)| file.starts_with("operations-"));
        for (file, mut event) in first.into_iter().chain(last) {
            let (function, answer) = expected(&file);
            sam_local::fill_in(&stand, &mut event);
            let got = stand.invoke(function, &event).await.expect("an answer");
            if !answer["report"].is_null() {
                assert_eq!(got["report"], answer["report"], "{file}: {got}");
            } else if answer["statusCode"].is_null() {
                assert_eq!(got, answer, "{file}");
                for record in event["Records"].as_array().into_iter().flatten() {
                    let body = record["body"].as_str().unwrap_or_default();
                    let order: Value = serde_json::from_str(body).unwrap_or_default();
                    if order["status"] == "finish" {
                        let id = order["orderId"].as_str().expect("an id");
                        assert_eq!(
                            stand.record(id).await.map(|record| record.progress.state()),
                            Some(State::Sent),
                            "{file}"
                        );
                    }
                }
            } else {
                // A page for people has no delivery.
                let body: Value = serde_json::from_str(got["body"].as_str().unwrap_or("{}")).unwrap_or_default();
                assert_eq!(
                    (&got["statusCode"], &body["delivery"]),
                    (&answer["statusCode"], &answer["delivery"]),
                    "{file}: {got}"
                );
            }
        }
    });
}

/// SAM passes on the variables that the template has for a function, and no others.
#[test]
fn a_container_gets_every_variable_and_finds_this_machine() {
    story(async |stand| {
        let given = sam_local::variables(stand);
        let mut functions = template().deployed("AWS::Lambda::Function");
        // What a condition leaves out is not there.
        functions.retain(|_, function| function["Condition"].is_null());
        assert_eq!(given.keys().collect::<Vec<_>>(), functions.keys().collect::<Vec<_>>());
        for (name, function) in functions {
            let declared = function["Properties"]["Environment"]["Variables"].as_object().expect("variables");
            let there = declared.iter().filter(|(_, value)| value["Fn::If"][0] != "HasExtraRoots");
            let there = there.map(|(variable, _)| variable);
            let given = &given[name];
            assert_eq!(given.keys().collect::<Vec<_>>(), there.collect::<Vec<_>>(), "{name}");
            for (variable, value) in given {
                assert!(!value.contains("127.0.0.1"), "{name}: {variable} is {value}");
            }
            assert!(given["AWS_ENDPOINT_URL"].starts_with("http://host.docker.internal:"), "{name}: {given:?}");
        }
    });
}
