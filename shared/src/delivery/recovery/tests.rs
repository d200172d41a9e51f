use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::{delivery::state::State, order::tests::finished_with};

const NOW: OffsetDateTime = datetime!(2026-09-07 01:00:00 UTC);

fn operator() -> Operator {
    Operator { name: "mei".to_owned(), reason: "LINE is well".to_owned(), source_ip: None }
}

fn pace() -> Pace {
    Pace::new(std::time::Duration::from_secs(180), 3)
}

fn recovery() -> Recovery {
    let filter = Filter {
        from: NOW.date(),
        to: NOW.date(),
        state: State::Failed,
        reasons: vec![Reason::NotLinked],
        at_most: None,
        max_age_hours: Some(24),
        force: false,
    };
    Recovery::new(filter, 300, Some(5_000), &operator(), NOW)
}

/// A record of an order to nobody, as it stands from the start.
fn not_linked() -> DeliveryRecord {
    let order = finished_with(json!({ "recipient": { "memberId": "M-1" } }));
    DeliveryRecord::new(&order, None, String::new(), crate::delivery::state::Progress::not_linked(NOW), NOW)
}

fn ended(state: State, reason: Reason) -> Look {
    Look::Ended { state, reason: Some(reason) }
}

#[test]
fn it_survives_its_table() {
    let mut written = recovery();
    written.cursor = Some(Cursor { day: NOW.date(), after: None });
    written.counts(ended(State::Suppressed, Reason::NotAFriend));
    let item: crate::aws::table::Item = serde_dynamo::to_item(&written).unwrap();
    assert_eq!(serde_dynamo::from_item::<_, Recovery>(item).unwrap(), written);
    assert!(Recovery::parse_id(&written.id).is_ok() && Recovery::parse_id("../x").is_err());
    let later = Recovery::new(written.filter, 1, None, &operator(), NOW + Duration::milliseconds(1));
    assert!(written.id < later.id, "ids sort by time");
}

#[test]
fn the_first_ten_find_out_and_then_the_rate_and_what_is_on_its_way_decide() {
    let mut recovery = recovery();
    assert_eq!(recovery.room(NOW), IN_A_ROW);
    recovery.on_the_way = vec![String::new(); 4];
    assert_eq!(recovery.room(NOW), 6);
    recovery.counts(Look::Ended { state: State::Sent, reason: None });
    assert_eq!(recovery.room(NOW), 300, "a minute's");
    let due = recovery.due_times(300, NOW);
    assert_eq!(
        (due[0], due[1] - due[0], due[299]),
        (NOW, Duration::milliseconds(200), NOW + Duration::seconds_f64(59.8))
    );
    assert_eq!(recovery.room(NOW), 0);
    assert_eq!(recovery.room(NOW + Duration::seconds(30)), 150, "a step that comes early takes no more than the rate");
    assert_eq!(recovery.room(NOW + Duration::hours(1)), 300, "one that is late does not catch up");
    recovery.on_the_way = vec![String::new(); MAX_ON_THE_WAY - 7];
    assert_eq!(recovery.room(NOW + Duration::hours(1)), 7);
    recovery.filter.at_most = Some(MAX_ON_THE_WAY as u64 - 3);
    assert_eq!(recovery.room(NOW + Duration::hours(1)), 3, "one was sent");
    recovery.state = RecoveryState::Paused;
    assert_eq!(recovery.room(NOW + Duration::hours(1)), 0);
}

#[test]
fn a_row_of_ten_is_broken_by_one_that_was_sent_or_ended_otherwise_and_not_by_one_that_was_skipped() {
    let mut recovery = recovery();
    for _ in 0..9 {
        recovery.counts(ended(State::Failed, Reason::QuotaExhausted));
        recovery.counts(Look::Skipped(Skip::MayHaveIt));
    }
    assert_eq!(recovery.meets_again(), None);
    let broken = [Look::Ended { state: State::Sent, reason: None }, ended(State::Suppressed, Reason::NotAFriend)];
    for look in broken {
        let mut recovery = recovery.clone();
        recovery.counts(look);
        recovery.counts(ended(State::Failed, Reason::QuotaExhausted));
        assert_eq!(recovery.meets_again(), None, "{look:?}");
    }
    recovery.counts(ended(State::Failed, Reason::QuotaExhausted));
    assert_eq!(recovery.meets_again(), Some(Reason::QuotaExhausted));
    assert_eq!((recovery.ended(), recovery.failed["quota_exhausted"], recovery.skipped["may_have_it"]), (10, 10, 9));
    recovery.pauses(Reason::QuotaExhausted, NOW);
    let resumed = recovery.wanted(RecoveryState::Running, &operator(), NOW).unwrap().unwrap();
    assert_eq!((resumed.meets_again(), resumed.met_again, resumed.room(NOW)), (None, None, IN_A_ROW));
}

#[test]
fn what_ended_stays_so_and_what_stands_there_already_is_left() {
    let running = recovery();
    let next = |from: &Recovery, state| from.wanted(state, &operator(), NOW);
    assert_eq!(next(&running, RecoveryState::Running), Ok(None));
    let stopped = next(&running, RecoveryState::Stopped).unwrap().unwrap();
    assert_eq!((stopped.revision, stopped.changed.by.as_str()), (2, "mei"));
    assert_eq!(next(&stopped, RecoveryState::Running), Err(RecoveryState::Stopped));
    assert_eq!(next(&running, RecoveryState::Finished), Err(RecoveryState::Running));
}

#[test]
fn a_record_is_taken_once_and_only_as_the_filter_wants_it() {
    let recovery = recovery();
    let mut record = not_linked();
    let look = |record: &DeliveryRecord, at| recovery.look(Some(record), at, &pace());
    assert_eq!(look(&record, NOW), Look::Free);
    assert_eq!(recovery.look(None, NOW, &pace()), Look::Skipped(Skip::Gone));
    assert_eq!(look(&record, NOW + Duration::hours(25)), Look::Skipped(Skip::TooOld));
    let other =
        Recovery { filter: Filter { reasons: vec![Reason::Discarded], ..recovery.filter.clone() }, ..recovery.clone() };
    assert_eq!(other.look(Some(&record), NOW, &pace()), Look::Skipped(Skip::Changed));
    let bell = crate::delivery::bell::Bell::new(NOW);
    record.progress = record.progress.recovered(bell, NOW, false, NOW, &pace()).unwrap();
    assert_eq!(look(&record, NOW), Look::Skipped(Skip::InFlight), "somebody else took it");
    record.list_resend(&operator(), false, Some(&recovery.id), NOW);
    assert_eq!(look(&record, NOW), Look::OnTheWay);
    assert!(!record.is_forced());
    let erased = record.progress.erased(NOW).unwrap();
    record.progress = erased;
    assert_eq!(look(&record, NOW), Look::Skipped(Skip::Erased));
}

#[test]
fn what_a_stopped_one_never_took_is_left_once_nobody_can_be_at_it() {
    let mut stopped = recovery().wanted(RecoveryState::Stopped, &operator(), NOW).unwrap().unwrap();
    stopped.took_at = NOW;
    assert!(!stopped.leaves_the_rest(NOW + LEASE) && stopped.leaves_the_rest(NOW + LEASE + Duration::SECOND));
    assert!(!recovery().leaves_the_rest(NOW + Duration::DAY), "a running one takes it");
}
