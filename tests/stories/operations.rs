//! What operators call, and what everybody else does not get.

use serde_json::json;

use crate::story;

#[test]
fn every_list_of_an_idle_stack_is_there_and_empty() {
    story(async |stand| {
        let switches = stand.operate("GET", "/switches", None).await;
        assert_eq!((switches.status, &switches.body["switches"][0]["status"]), (200, &json!("all")), "{switches:?}");
        for (path, list) in [("/deliveries?date=2020-07-14", "deliveries"), ("/audit?kind=unlink", "entries")] {
            let reply = stand.operate("GET", path, None).await;
            assert_eq!((reply.status, &reply.body[list]), (200, &json!([])), "{path}: {reply:?}");
        }
    });
}
