//! Every file of `events/` drives its function, as `sam local invoke <Function> -e events/<file>` does.

use std::{collections::BTreeMap, fs, path::Path};

use local_stand::stand::Stand;
use serde_json::{Value, json};
use shared::delivery::record::State;

use crate::story_alone;

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
        other => panic!("no story tells what events/{other} is for"),
    }
}

async fn invoke(stand: &Stand, function: &str, event: &Value) -> Value {
    let url = format!("{}/2015-03-31/functions/{}/invocations", stand.aws.endpoint(), stand.aws.output(function));
    let response = stand.http.post(url).body(event.to_string()).send().await.expect("the emulator answers");
    serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON")
}

#[test]
fn every_event_file_drives_its_function() {
    story_alone(&[], async |stand| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("events");
        let files: BTreeMap<String, Value> = fs::read_dir(folder)
            .expect("events/")
            .map(|file| file.expect("a file").path())
            .map(|path| {
                let event = serde_json::from_str(&fs::read_to_string(&path).expect("text")).expect("JSON");
                (path.file_name().expect("a name").to_string_lossy().into_owned(), event)
            })
            .collect();
        assert!(files.len() >= 9);
        for (file, mut event) in files {
            let (function, answer) = expected(&file);
            if event["headers"]["authorization"].is_string() {
                event["headers"]["authorization"] = json!(format!("Bearer {}", stand.order_key));
            }
            let got = invoke(&stand, function, &event).await;
            if answer["statusCode"].is_null() {
                assert_eq!(got, answer, "{file}");
                for record in event["Records"].as_array().expect("records") {
                    let order: Value = serde_json::from_str(record["body"].as_str().expect("text")).expect("JSON");
                    if order["status"] == "finish" {
                        let id = order["orderId"].as_str().expect("an id");
                        assert_eq!(stand.record(id).await.map(|record| record.state), Some(State::Sent), "{file}");
                    }
                }
            } else {
                let body: Value = serde_json::from_str(got["body"].as_str().unwrap_or("{}")).expect("JSON");
                assert_eq!(
                    (&got["statusCode"], &body["delivery"]),
                    (&answer["statusCode"], &answer["delivery"]),
                    "{file}: {got}"
                );
            }
        }
    });
}
