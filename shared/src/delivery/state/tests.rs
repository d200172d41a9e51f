use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use time::macros::datetime;

use super::{
    claim::{Claimed, End, Outcome},
    *,
};
use crate::delivery::retry_key::{KeySpace, tests::space};

const T0: OffsetDateTime = datetime!(2026-09-01 00:00:00 UTC);
const DELAY: u64 = 180;
const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

fn pace() -> Pace {
    Pace::new(Duration::from_secs(DELAY), 3)
}

fn at(seconds: u64) -> OffsetDateTime {
    T0 + Duration::from_secs(seconds)
}

fn name(number: u8) -> BellName {
    BellName::new([number; 16])
}

/// The bell of this number, sent at this second.
fn bell(number: u8, seconds: u64) -> Bell {
    Bell { name: name(number), sent_at: at(seconds) }
}

/// That bell, enqueued when it was sent.
fn ring(number: u8, seconds: u64) -> Ring {
    Ring { bell: Some(bell(number, seconds)), enqueued_at: at(seconds) }
}

/// A bell after SQS moved it from the dead-letter queue.
fn moved(ring: Ring, seconds: u64) -> Ring {
    Ring { enqueued_at: at(seconds), ..ring }
}

struct Keys(KeySpace);

impl Keys {
    fn get(&self) -> RetryKeys<'_> {
        self.0.keys("A", "finish")
    }
}

fn keys() -> Keys {
    Keys(space())
}

/// A call at second 0, with bell 1.
fn first() -> Claimed {
    Progress::first(bell(1, 0), at(0), &pace(), keys().get()).won()
}

fn ended(claimed: Claimed, end: End) -> Progress {
    *claimed.ended(end, &pace()).next()
}

fn asked(mut claimed: Claimed) -> Claimed {
    claimed.ask(keys().get());
    claimed
}

/// LINE refuses this attempt for now: no doubt comes of it.
fn refused_for_now(claimed: Claimed) -> Progress {
    let mut claimed = asked(claimed);
    claimed.refused();
    ended(claimed, End::Later)
}

/// Nobody knows what LINE made of this attempt.
fn unanswered(claimed: Claimed) -> Progress {
    let mut claimed = asked(claimed);
    claimed.unanswered();
    ended(claimed, End::Later)
}

/// The bell rings at this second.
fn rung(progress: &Progress, ring: Ring, seconds: u64) -> OnBell {
    progress.rung(&ring, at(seconds), &pace(), keys().get())
}

#[track_caller]
fn claimed(on_bell: OnBell) -> Claimed {
    match on_bell {
        OnBell::Claim(claim) => claim.won(),
        other => panic!("not claimed: {other:?}"),
    }
}

#[track_caller]
fn written(on_bell: OnBell) -> Progress {
    match on_bell {
        OnBell::Write(next) => next,
        other => panic!("nothing to be written: {other:?}"),
    }
}

/// Bell 1 rings for every attempt, and LINE refuses each of them for now; the last begins at second 540.
fn exhausted() -> Progress {
    let mut progress = refused_for_now(first());
    for retry in 1..=3 {
        progress = refused_for_now(claimed(rung(&progress, ring(1, 0), retry * DELAY)));
    }
    assert!(progress.is_exhausted());
    progress
}

// Attempts and due times

#[test]
fn a_round_is_an_attempt_and_its_retries_a_delay_apart() {
    let mut progress = refused_for_now(first());
    for retry in 1..=3 {
        assert_eq!((progress.state(), progress.reason(), progress.round_attempts()), (State::Retrying, None, retry));
        assert_eq!(progress.due_at(&pace()), at(u64::from(retry) * DELAY));
        progress = refused_for_now(claimed(rung(&progress, ring(1, 0), u64::from(retry) * DELAY)));
    }
    assert_eq!((progress.state(), progress.reason()), (State::Retrying, Some(Reason::RetriesExhausted)));
    assert_eq!((progress.round_attempts(), progress.attempt_count()), (4, 4));
}

#[test]
fn a_bell_that_claims_nothing_spends_nothing_and_stays_until_the_record_is_due() {
    let progress = refused_for_now(first());
    for seconds in [1, 20, 100, 174] {
        assert_eq!(rung(&progress, ring(1, 0), seconds), OnBell::Fate(Fate::Stay { until: at(DELAY) }), "{seconds}");
    }
    // While the first attempt runs it is the same.
    assert_eq!(rung(first().progress(), ring(1, 0), 20), OnBell::Fate(Fate::Stay { until: at(DELAY) }));
}

#[test]
fn a_bell_that_is_early_by_seconds_is_in_time() {
    let progress = refused_for_now(first());
    assert!(matches!(rung(&progress, ring(1, 0), DELAY - 5), OnBell::Claim(_)));
    assert!(matches!(rung(&progress, ring(1, 0), DELAY - 6), OnBell::Fate(Fate::Stay { .. })));
}

#[test]
fn a_claim_is_spent_whatever_becomes_of_its_worker() {
    // The worker of every claim dies.
    let mut progress = *first().progress();
    for retry in 1..=3 {
        progress = *claimed(rung(&progress, ring(1, 0), retry * DELAY)).progress();
    }
    assert_eq!((progress.state(), progress.round_attempts(), progress.attempt_count()), (State::Pending, 4, 0));
    assert!(matches!(rung(&progress, ring(1, 0), 4 * DELAY - 6), OnBell::Fate(Fate::Stay { .. })), "it may live yet");
    let said = written(rung(&progress, ring(1, 0), 4 * DELAY));
    assert!(said.is_exhausted() && said.customer_may_have_it());
    assert_eq!(said.fate(&pace()), Fate::Burn);
}

#[test]
fn attempts_are_requests_to_line() {
    let suppressed = ended(first(), End::Suppressed(Reason::SwitchedOff));
    assert_eq!(suppressed.attempt_count(), 0);
    assert_eq!(ended(first(), End::Later).attempt_count(), 0, "nobody could be asked");
    let mut unsent = asked(first());
    unsent.unsent();
    assert_eq!(ended(unsent, End::Later).attempt_count(), 0, "there was no connection");
    let mut renewed = asked(first());
    renewed.refused();
    assert_eq!(ended(asked(renewed), End::Accepted).attempt_count(), 2, "a 401, and the same again");
}

#[test]
fn a_skipped_push_spends_nothing_and_leaves_no_doubt() {
    let postponed = Progress::postponed(bell(1, 0), at(0), &pace());
    assert_eq!((postponed.state(), postponed.round_attempts()), (State::Pending, 0));
    assert!(!postponed.customer_may_have_it());
    assert_eq!(rung(&postponed, ring(1, 0), 60), OnBell::Fate(Fate::Stay { until: at(DELAY) }));
    let attempted = refused_for_now(claimed(rung(&postponed, ring(1, 0), DELAY)));
    assert_eq!((attempted.round_attempts(), attempted.key_first_used_at()), (1, Some(at(DELAY))));
}

#[test]
fn a_settled_record_has_nothing_left_for_any_bell() {
    let ends = [End::Accepted, End::Refused(Reason::RefusedByLine), End::Suppressed(Reason::NotAFriend)];
    for end in ends {
        let settled = ended(asked(first()), end);
        for ring in [ring(1, 0), ring(2, 9), moved(ring(1, 0), 9999)] {
            assert_eq!(rung(&settled, ring, 3 * DAY), OnBell::Fate(Fate::Delete), "{end:?}");
        }
    }
    assert_eq!(rung(&Progress::not_linked(at(0)), ring(1, 0), DELAY), OnBell::Fate(Fate::Delete));
}

#[test]
fn a_message_is_hidden_until_just_after_the_record_is_due() {
    let stay = Fate::Stay { until: at(180) };
    assert_eq!(stay.visibility(at(60)), Some(120));
    assert_eq!(stay.visibility(at(60) + Duration::from_millis(1)), Some(120));
    assert_eq!(stay.visibility(at(60) - Duration::from_millis(1)), Some(121));
    assert_eq!(stay.visibility(at(200)), Some(1), "never received in a circle");
    assert_eq!(Fate::Stay { until: at(30 * DAY) }.visibility(at(0)), Some(12 * 60 * 60), "SQS's limit");
    assert_eq!((Fate::Burn.visibility(at(0)), Fate::Delete.visibility(at(0))), (Some(0), None));
}

// Bells

#[test]
fn a_bell_of_another_name_is_deleted_while_the_own_one_is_not_late() {
    let progress = refused_for_now(first());
    for seconds in [60, DELAY, 2 * DELAY] {
        assert_eq!(rung(&progress, ring(2, 30), seconds), OnBell::Fate(Fate::Delete), "{seconds}");
    }
    let adopted = claimed(rung(&progress, ring(2, 30), 2 * DELAY + 1));
    assert_eq!((adopted.progress().bell(), adopted.progress().bell_enqueued_at()), (Some(name(2)), Some(at(30))));
    assert_eq!(rung(adopted.progress(), ring(1, 0), 2 * DELAY + 2), OnBell::Fate(Fate::Delete), "it has no place now");
}

#[test]
fn a_bell_that_nobody_ever_heard_has_no_grace() {
    // Its call died between the two writes, perhaps before it was sent; the caller repeated the call.
    let pending = *first().progress();
    assert_eq!(rung(&pending, ring(2, 10), DELAY), OnBell::Fate(Fate::Delete));
    assert_eq!(claimed(rung(&pending, ring(2, 10), DELAY + 10)).progress().bell(), Some(name(2)));
    let heard = *claimed(rung(&pending, ring(1, 0), DELAY)).progress();
    assert_eq!(rung(&heard, ring(2, 10), 2 * DELAY + 10), OnBell::Fate(Fate::Delete), "heard once, it has");
}

#[test]
fn a_copy_of_the_own_bell_is_known_by_its_time() {
    let progress = refused_for_now(claimed(rung(&refused_for_now(first()), ring(1, 0), DELAY)));
    let copy = Ring { enqueued_at: at(3), ..ring(1, 0) };
    assert_eq!(rung(&progress, copy, DELAY + 1), OnBell::Fate(Fate::Delete), "SendMessage was repeated");
    assert!(matches!(rung(&progress, ring(1, 0), DELAY + 1), OnBell::Fate(Fate::Stay { .. })));
    let itself = moved(ring(1, 0), 2 * DELAY);
    let heard = claimed(rung(&progress, itself, 2 * DELAY));
    assert_eq!(heard.progress().bell_enqueued_at(), Some(at(2 * DELAY)), "moved, it is the same bell");
    let former = rung(heard.progress(), ring(1, 0), 2 * DELAY + 1);
    assert_eq!(former, OnBell::Fate(Fate::Delete), "a copy of what it was has no place");
}

#[test]
fn a_bell_without_a_record_makes_one() {
    let made = Progress::first_by_bell(&ring(1, 0), at(DELAY), &pace(), keys().get());
    assert_eq!(made.body(), Body::New { button: true });
    let made = made.won();
    assert_eq!((made.progress().bell(), made.progress().round_attempts()), (Some(name(1)), 1));
    assert_eq!(made.progress().waiting_since(), at(0), "its 14 days run from there");
}

// Exhausted, and rounds

#[test]
fn the_bell_of_an_exhausted_record_becomes_its_letter() {
    let exhausted = exhausted();
    assert_eq!(exhausted.fate(&pace()), Fate::Burn, "for who exhausted it");
    for seconds in [541, 543, 3000] {
        assert_eq!(rung(&exhausted, ring(1, 0), seconds), OnBell::Fate(Fate::Burn), "for who hears it");
    }
    assert_eq!(exhausted.letter(&ring(1, 0), &pace()), Letter::Exhausted);
    let back_again = moved(ring(1, 0), 3000);
    assert_eq!(exhausted.letter(&back_again, &pace()), Letter::Exhausted, "redriven, and nobody was there to hear it");
}

#[test]
fn no_other_bell_becomes_a_letter() {
    let exhausted = exhausted();
    let copy = Ring { enqueued_at: at(2), ..ring(1, 0) };
    for surplus in [ring(2, 600), ring(3, 5), copy] {
        assert_eq!(rung(&exhausted, surplus, 800), OnBell::Fate(Fate::Delete), "{surplus:?}");
        assert_eq!(exhausted.letter(&surplus, &pace()), Letter::LeftOver);
    }
}

#[test]
fn a_letter_of_a_settled_order_is_deleted_on_sight() {
    let sent = ended(asked(first()), End::Accepted);
    let erased = exhausted().erased(at(900)).unwrap();
    for settled in [sent, erased] {
        for letter in [ring(1, 0), ring(2, 600), moved(ring(1, 0), 3000)] {
            assert_eq!(settled.letter(&letter, &pace()), Letter::Settled);
            assert_eq!(settled.discarded(&letter, at(4000), &pace()), OnDiscard::Delete);
        }
    }
}

#[test]
fn of_two_copies_that_nobody_heard_one_becomes_the_letter() {
    // A repeated call took the last attempt, and its bell was sent twice.
    let mut progress = refused_for_now(first());
    for retry in 1..=2 {
        progress = refused_for_now(claimed(rung(&progress, ring(1, 0), retry * DELAY)));
    }
    let OnCall::Claim(claim) = progress.called_again(Some(bell(2, 540)), at(540), &pace(), keys().get()) else {
        panic!("it is due");
    };
    let exhausted = refused_for_now(claim.won());
    assert!(exhausted.is_exhausted());
    let said = written(rung(&exhausted, ring(2, 540), 720));
    assert_eq!((said.fate(&pace()), said.bell_enqueued_at()), (Fate::Burn, Some(at(540))));
    let copy = Ring { enqueued_at: at(542), ..ring(2, 540) };
    assert_eq!(rung(&said, copy, 722), OnBell::Fate(Fate::Delete));
}

#[test]
fn a_redriven_letter_begins_one_round() {
    let letter = moved(ring(1, 0), 3000);
    for seconds in [3001, 3000 + DELAY] {
        let again = claimed(rung(&exhausted(), letter, seconds));
        assert_eq!((again.progress().round_attempts(), again.progress().generation()), (1, 1), "the same key");
        assert_eq!(again.progress().waiting_since(), at(3000));
        let mut progress = refused_for_now(again);
        assert_eq!((progress.state(), progress.reason()), (State::Retrying, None));
        for retry in 1..=3 {
            progress = refused_for_now(claimed(rung(&progress, letter, seconds + retry * DELAY)));
        }
        assert!(progress.is_exhausted());
        assert_eq!(rung(&progress, letter, seconds + 541), OnBell::Fate(Fate::Burn), "heard before: no third round");
        assert!(matches!(rung(&progress, moved(ring(1, 0), 9000), 9001), OnBell::Claim(_)));
        assert_eq!(rung(&progress, ring(1, 0), 9001), OnBell::Fate(Fate::Delete), "a copy that was left behind");
        assert_eq!(progress.letter(&ring(1, 0), &pace()), Letter::LeftOver);
    }
}

#[test]
fn a_letter_that_is_redriven_at_once_begins_a_round_whatever_our_clock_says() {
    // The last attempt began at 540; by SQS's clock the letter was moved a second before.
    assert!(matches!(rung(&exhausted(), moved(ring(1, 0), 539), 542), OnBell::Claim(_)));
}

#[test]
fn a_redriven_letter_of_another_name_begins_a_round_if_its_redrive_came_after_the_last_attempt() {
    for before in [moved(ring(2, 30), 500), moved(ring(1, 0), 500)] {
        assert_eq!(rung(&exhausted(), before, 700), OnBell::Fate(Fate::Delete), "{before:?}");
    }
    let after = claimed(rung(&exhausted(), moved(ring(2, 30), 600), 700));
    assert_eq!(after.progress().bell(), Some(name(2)), "the record's own letter may be lost");
    assert_eq!(after.progress().letter(&ring(1, 0), &pace()), Letter::OnItsWay);
    assert_eq!(rung(after.progress(), moved(ring(1, 0), 600), 701), OnBell::Fate(Fate::Delete), "both were redriven");
}

#[test]
fn neither_calls_nor_the_sweep_nor_a_bell_that_was_not_moved_begin_a_round() {
    let exhausted = exhausted();
    let told = exhausted.called_again(Some(bell(2, 900)), at(900), &pace(), keys().get());
    assert_eq!(told, OnCall::Tell(Report::from(&exhausted)));
    for seconds in [900, 5 * HOUR, 12 * DAY] {
        assert_eq!(exhausted.swept(name(9), at(seconds), &pace()), OnSweep::Leave);
        assert_eq!(rung(&exhausted, ring(2, seconds), seconds + DELAY), OnBell::Fate(Fate::Delete));
    }
}

#[test]
fn a_bell_that_was_moved_while_the_record_was_open_only_rings() {
    let progress = refused_for_now(claimed(rung(&refused_for_now(first()), ring(1, 0), DELAY)));
    assert_eq!(progress.letter(&ring(1, 0), &pace()), Letter::OnItsWay);
    let redriven = moved(ring(1, 0), HOUR);
    let next = claimed(rung(&progress, redriven, HOUR + 1));
    assert_eq!(next.progress().round_attempts(), 3, "no new round");
}

// Calls

#[test]
fn a_repeated_call_attempts_what_is_due_and_nothing_else() {
    let call = |progress: &Progress, seconds| {
        progress.called_again(Some(bell(2, seconds)), at(seconds), &pace(), keys().get())
    };
    let (running, refused) = (*first().progress(), refused_for_now(first()));
    for progress in [running, refused] {
        assert_eq!(call(&progress, 30), OnCall::Tell(Report::from(&progress)));
        let OnCall::Claim(claim) = call(&progress, DELAY) else { panic!("it is due") };
        let claimed = claim.won();
        assert_eq!((claimed.progress().bell(), claimed.progress().round_attempts()), (Some(name(2)), 2));
        assert_eq!(rung(claimed.progress(), ring(1, 0), DELAY + 1), OnBell::Fate(Fate::Delete));
    }
    let sent = ended(asked(first()), End::Accepted);
    assert_eq!(call(&sent, DAY), OnCall::Tell(Report::from(&sent)));
}

#[test]
fn however_often_it_is_called_a_round_has_its_attempts() {
    let mut progress = refused_for_now(first());
    let mut attempts = 1;
    for seconds in (60..20 * DELAY).step_by(60) {
        let call = progress.called_again(Some(bell(2, seconds)), at(seconds), &pace(), keys().get());
        if let OnCall::Claim(claim) = call {
            attempts += 1;
            progress = refused_for_now(claim.won());
        }
    }
    assert_eq!((attempts, progress.is_exhausted()), (4, true));
}

#[test]
fn a_call_that_no_bell_will_ring_for_is_not_durable() {
    let call = |progress: &Progress| progress.called_again(None, at(DELAY), &pace(), keys().get());
    assert_eq!(call(first().progress()), OnCall::NotDurable);
    let retrying = refused_for_now(first());
    assert_eq!(call(&retrying), OnCall::Tell(Report::from(&retrying)), "an attempt came to its end: its bell was sent");
}

#[test]
fn a_record_whose_bell_could_not_be_sent_is_given_back() {
    let released = first().released(at(1));
    assert_eq!((released.round_attempts(), released.key_first_used_at()), (0, None));
    assert!(!released.customer_may_have_it());
    let again = released.called_again(Some(bell(2, 2)), at(2), &pace(), keys().get());
    let OnCall::Claim(claim) = again else { panic!("the next call need not wait") };
    assert_eq!((claim.next().round_attempts(), claim.next().bell()), (1, Some(name(2))));
}

#[test]
fn only_what_line_refused_for_good_and_cannot_have_may_be_replaced() {
    let replaced = |progress: &Progress| progress.replaced(bell(2, 900), at(900), &pace(), keys().get());
    let refused = ended(asked(first()), End::Refused(Reason::RefusedByLine));
    let claim = replaced(&refused).unwrap();
    assert_eq!(claim.body(), Body::New { button: true });
    let claimed = claim.won();
    assert_eq!((claimed.progress().state(), claimed.progress().generation()), (State::Pending, 2));
    assert_ne!(claimed.progress().retry_key(keys().get()), refused.retry_key(keys().get()));
    assert_eq!((claimed.progress().bell(), claimed.progress().round_attempts()), (Some(name(2)), 1));
    let doubtful = claimed_in_doubt();
    let others = [
        ended(asked(doubtful), End::Refused(Reason::RefusedByLine)),
        ended(first(), End::Suppressed(Reason::SwitchedOff)),
        ended(asked(first()), End::Refused(Reason::QuotaExhausted)),
        ended(asked(first()), End::Accepted),
        ended(asked(first()), End::AlreadyAccepted),
        refused_for_now(first()),
        *first().progress(),
        exhausted(),
    ];
    for other in others {
        assert_eq!(replaced(&other), None, "{other:?}");
        assert_eq!(other.replaced_and_postponed(bell(2, 900), at(900), &pace()), None, "{other:?}");
    }
    let postponed = refused.replaced_and_postponed(bell(2, 900), at(900), &pace()).unwrap();
    assert_eq!((postponed.state(), postponed.round_attempts()), (State::Pending, 0));
    assert_eq!((postponed.bell(), postponed.due_at(&pace())), (Some(name(2)), at(900 + DELAY)));
    assert!(!postponed.customer_may_have_it());
}

/// A retry after an attempt that LINE did not answer.
fn claimed_in_doubt() -> Claimed {
    claimed(rung(&unanswered(first()), ring(1, 0), DELAY))
}

// Doubt, keys and outcomes

#[test]
fn doubt_comes_with_the_claim_and_goes_with_a_certain_refusal() {
    assert!(first().progress().customer_may_have_it(), "its worker may die");
    assert!(!refused_for_now(first()).customer_may_have_it());
    assert!(!ended(first(), End::Later).customer_may_have_it(), "nobody could be asked");
    assert!(ended(asked(first()), End::Later).customer_may_have_it(), "cut off while the request was out");
    assert!(unanswered(first()).customer_may_have_it());
    let mut broken = asked(first());
    broken.unanswered();
    let mut again = asked(broken);
    again.refused();
    assert!(ended(again, End::Later).customer_may_have_it(), "the first of two requests is in doubt");
    assert!(refused_for_now(claimed_in_doubt()).customer_may_have_it(), "a refusal says nothing of earlier requests");
}

#[test]
fn what_is_settled_without_having_been_sent_keeps_the_doubt() {
    for end in [End::Suppressed(Reason::SwitchedOff), End::Refused(Reason::QuotaExhausted)] {
        assert!(!ended(first(), end).customer_may_have_it(), "{end:?}");
        assert!(ended(claimed_in_doubt(), end).customer_may_have_it(), "{end:?}");
    }
}

#[test]
fn a_409_is_ours_only_where_an_earlier_request_may_have_been_accepted() {
    let known = |claimed: Claimed| {
        let progress = ended(asked(claimed), End::AlreadyAccepted);
        (progress.state(), progress.reason(), progress.customer_may_have_it())
    };
    let conflict = (State::Failed, Some(Reason::RetryKeyConflict), true);
    assert_eq!(known(claimed_in_doubt()), (State::Sent, None, true));
    assert_eq!(known(first()), conflict);
    let refused = claimed(rung(&refused_for_now(first()), ring(1, 0), DELAY));
    assert_eq!(known(refused), conflict, "LINE certainly accepted none of ours");
    let mut broken = asked(first());
    broken.unanswered();
    assert_eq!(known(broken), (State::Sent, None, true), "an earlier request of the same attempt");
    let dead = claimed(rung(first().progress(), ring(1, 0), DELAY));
    assert_eq!(known(dead), (State::Sent, None, true), "the worker of an earlier claim may have asked");
    let progress = ended(asked(first()), End::AlreadyAccepted);
    assert_eq!(progress.resendable(at(DAY), &pace()), Resendable::NeedsForce);
}

#[test]
fn a_key_that_line_forgot_is_replaced_only_after_certain_refusals() {
    let life = DAY - 600;
    for (progress, doubt) in [(unanswered(first()), true), (refused_for_now(first()), false)] {
        let claimed = claimed(rung(&progress, ring(1, 0), life - 1));
        assert_eq!(claimed.progress().generation(), 1, "it is known yet");
        match rung(&progress, ring(1, 0), life) {
            OnBell::Write(next) => {
                assert!(doubt);
                assert_eq!((next.state(), next.reason()), (State::Expired, Some(Reason::RetryKeyExpired)));
            }
            OnBell::Claim(claim) => {
                assert!(!doubt);
                assert_eq!((claim.body(), claim.next().generation()), (Body::New { button: true }, 2));
                assert_eq!(claim.next().key_first_used_at(), Some(at(life)));
            }
            OnBell::Fate(fate) => panic!("{fate:?}"),
        }
    }
    let redriven = rung(&exhausted(), moved(ring(1, 0), 2 * DAY), 2 * DAY + 1);
    assert_eq!(claimed(redriven).progress().generation(), 2, "the same for a new round");
}

#[test]
fn an_old_key_in_doubt_expires_even_with_its_attempts_used_up() {
    let mut progress = *first().progress();
    for retry in 1..=3 {
        progress = *claimed(rung(&progress, ring(1, 0), retry * DELAY)).progress();
    }
    assert_eq!(written(rung(&progress, ring(1, 0), DAY)).state(), State::Expired);
}

#[test]
fn the_record_keeps_its_key_from_its_first_claim_on() {
    let mut elsewhere = space();
    let key = first().progress().retry_key(keys().get());
    assert_eq!(key, keys().get().key(1));
    elsewhere.stack = "renamed".to_owned();
    let renamed = first().progress().retry_key(elsewhere.keys("A", "finish"));
    assert_eq!(renamed, key);
}

#[test]
fn a_message_that_line_refuses_goes_out_once_without_its_button_under_a_new_key() {
    let mut attempt = asked(first());
    assert_eq!(attempt.without_button(at(1), keys().get()), None, "while the request is out nothing is known");
    attempt.refused();
    let claim = attempt.without_button(at(1), keys().get()).unwrap();
    assert_eq!(claim.body(), Body::New { button: false });
    assert_eq!((claim.next().generation(), claim.next().round_attempts(), claim.next().attempt_count()), (2, 1, 1));
    assert_eq!((claim.next().key_first_used_at(), claim.next().due_at(&pace())), (Some(at(1)), at(DELAY)));
    assert!(claim.next().customer_may_have_it(), "written before the request");
    let mut plain = claim.won();
    assert_eq!(plain.deadline(), at(15), "it is the same attempt");
    assert_eq!(plain.ask(keys().get()), keys().get().key(2));
    plain.refused();
    assert_eq!(plain.without_button(at(2), keys().get()), None, "once");
    let failed = ended(plain, End::Refused(Reason::RefusedByLine));
    assert_eq!((failed.attempt_count(), failed.customer_may_have_it()), (2, false));
}

#[test]
fn without_its_button_it_stays_until_an_operator_sends_it_again() {
    let mut attempt = asked(first());
    attempt.refused();
    let progress = refused_for_now(attempt.without_button(at(1), keys().get()).unwrap().won());
    let OnBell::Claim(claim) = rung(&progress, ring(1, 0), DELAY) else { panic!("it is due") };
    assert_eq!(claim.body(), Body::Kept);
    let OnBell::Claim(claim) = rung(&progress, ring(1, 0), DAY) else { panic!("under a new key") };
    assert_eq!(claim.body(), Body::New { button: false });
    let failed = ended(asked(claim.won()), End::Refused(Reason::RefusedByLine));
    let again = failed.resent(bell(2, 2 * DAY), true, at(2 * DAY), &pace(), keys().get()).unwrap();
    assert_eq!(again.body(), Body::New { button: true }, "perhaps with another address");
}

#[test]
fn where_line_may_have_it_no_second_message_is_made() {
    let mut attempt = asked(claimed_in_doubt());
    attempt.refused();
    assert_eq!(attempt.without_button(at(DELAY + 1), keys().get()), None);
}

fn outcome(claimed: Claimed, end: End) -> Outcome {
    asked(claimed).ended(end, &pace())
}

#[test]
fn only_sent_is_written_over_another_workers_record() {
    let slow = first();
    let others = [
        *claimed(rung(slow.progress(), ring(1, 0), DELAY)).progress(),
        ended(claimed(rung(slow.progress(), ring(1, 0), DELAY)), End::Suppressed(Reason::SwitchedOff)),
        unanswered(claimed(rung(slow.progress(), ring(1, 0), DELAY))),
    ];
    for stands in others {
        let over = outcome(slow.clone(), End::Accepted).over(&stands).unwrap();
        assert_eq!((over.next().state(), over.next().reason()), (State::Sent, None));
        assert_eq!(over.next().round_attempts(), stands.round_attempts(), "of the rest, what stands stays");
        assert_eq!(over.next().attempt_count(), stands.attempt_count() + 1, "LINE was asked");
        for end in [End::Later, End::Refused(Reason::RefusedByLine), End::AlreadyAccepted] {
            assert_eq!(outcome(slow.clone(), end).over(&stands), None, "{end:?}");
        }
    }
    let sent = outcome(slow.clone(), End::Accepted);
    assert_eq!(sent.over(sent.next()), None, "it is said already");
    let next_generation = stands_in_another_generation();
    assert_eq!(sent.over(&next_generation), None, "a generation that is over has no say");
}

fn stands_in_another_generation() -> Progress {
    let settled = ended(asked(first()), End::Suppressed(Reason::SwitchedOff));
    *settled.resent(bell(2, 900), true, at(900), &pace(), keys().get()).unwrap().next()
}

#[test]
fn only_what_is_durable_is_told() {
    let told = |end, written: bool| {
        let outcome = outcome(first(), end);
        outcome.report(written.then_some(outcome.next()))
    };
    let sent = Report { state: State::Sent, reason: None, may_have_reached_line: true };
    let retrying = Report { state: State::Retrying, reason: None, may_have_reached_line: true };
    let refused = End::Refused(Reason::RefusedByLine);
    assert_eq!((told(End::Accepted, true), told(End::Accepted, false)), (sent, sent), "a fact");
    assert_eq!(told(refused, false), retrying, "a bell will try again");
    assert_eq!(told(End::Suppressed(Reason::SwitchedOff), false), retrying);
    let failed = Report { state: State::Failed, reason: Some(Reason::RefusedByLine), may_have_reached_line: false };
    assert_eq!(told(refused, true), failed);
    let stands = ended(claimed_in_doubt(), End::Suppressed(Reason::SwitchedOff));
    assert_eq!(outcome(first(), refused).report(Some(&stands)), Report::from(&stands), "what it gave way to");
    assert_eq!(outcome(first(), End::Accepted).report(Some(&stands)), sent);
}

// The sweep

#[test]
fn the_sweep_rings_for_what_is_overdue_by_two_delays_and_was_not_rung_for_within_the_hour() {
    let progress = refused_for_now(first());
    let swept = |progress: &Progress, seconds| progress.swept(name(9), at(seconds), &pace());
    for seconds in [DELAY, 3 * DELAY + 1, HOUR] {
        assert_eq!(swept(&progress, seconds), OnSweep::Leave, "{seconds}");
    }
    let OnSweep::Ring(rung_for) = swept(&progress, HOUR + 1) else { panic!("nobody rang") };
    assert_eq!((rung_for.bell(), rung_for.rung_at()), (Some(name(9)), Some(at(HOUR + 1))));
    assert_eq!(swept(&rung_for, 2 * HOUR + 1), OnSweep::Leave);
    assert!(matches!(swept(&rung_for, 2 * HOUR + 2), OnSweep::Ring(_)), "its bell was lost, too");
    // Whichever bell comes first, the new one or the old one, is heard.
    for (number, sent) in [(9, HOUR + 1), (1, 0)] {
        let heard = claimed(rung(&rung_for, ring(number, sent), HOUR + DELAY));
        assert_eq!((heard.progress().bell(), heard.progress().round_attempts()), (Some(name(number)), 2));
    }
    let retried = refused_for_now(claimed(rung(&rung_for, ring(9, HOUR + 1), HOUR + DELAY)));
    assert_eq!(
        swept(&retried, 2 * HOUR + 2 + DELAY),
        OnSweep::Ring(Progress {
            bell: Some(name(9)),
            bell_enqueued_at: None,
            rung_at: Some(at(2 * HOUR + 2 + DELAY)),
            ..retried
        })
    );
    let retried_late = refused_for_now(claimed(rung(&rung_for, ring(9, HOUR + 1), 2 * HOUR)));
    assert_eq!(swept(&retried_late, 2 * HOUR + 3 * DELAY), OnSweep::Leave, "overdue by two delays, not by more");
}

#[test]
fn the_sweep_rings_so_that_somebody_says_that_a_round_is_exhausted() {
    let mut progress = *first().progress();
    for retry in 1..=3 {
        progress = *claimed(rung(&progress, ring(1, 0), retry * DELAY)).progress();
    }
    let OnSweep::Ring(rung_for) = progress.swept(name(9), at(2 * HOUR), &pace()) else { panic!("it is open") };
    let said = written(rung(&rung_for, ring(9, 2 * HOUR), 2 * HOUR + DELAY));
    assert_eq!((said.is_exhausted(), said.bell()), (true, Some(name(9))));
}

#[test]
fn a_round_without_an_end_is_given_up_after_13_days() {
    let ends = |progress: &Progress, seconds| match progress.swept(name(9), at(seconds), &pace()) {
        OnSweep::GiveUp(next) => Some((next.state(), next.reason())),
        OnSweep::Ring(_) | OnSweep::Leave => None,
    };
    let expired = Some((State::Expired, Some(Reason::RetryKeyExpired)));
    let unattended = Some((State::Failed, Some(Reason::Unattended)));
    assert_eq!(exhausted().given_up_at(&pace()), at(13 * DAY));
    for (progress, end) in
        [(exhausted(), unattended), (refused_for_now(first()), unattended), (unanswered(first()), expired)]
    {
        assert_eq!(ends(&progress, 13 * DAY - 1), None);
        assert_eq!(ends(&progress, 13 * DAY), end, "{progress:?}");
    }
    // A bell that the sweep rings gives no new days; a redrive does.
    let OnSweep::Ring(rung_for) = refused_for_now(first()).swept(name(9), at(12 * DAY), &pace()) else { panic!() };
    assert_eq!(ends(&rung_for, 13 * DAY), unattended);
    let redriven = claimed(rung(&exhausted(), moved(ring(1, 0), 5 * DAY), 5 * DAY + 9));
    assert_eq!(redriven.progress().given_up_at(&pace()), at(18 * DAY), "14 days after it was enqueued it is deleted");
    assert_eq!(ends(redriven.progress(), 5 * DAY + 10), None);
    let sent = ended(asked(first()), End::Accepted);
    assert_eq!(ends(&sent, 20 * DAY), None);
}

// Operators

#[test]
fn what_is_on_its_way_is_not_sent_again_and_what_may_have_arrived_only_on_demand() {
    let asked_at = |progress: &Progress, seconds| progress.resendable(at(seconds), &pace());
    let refused = refused_for_now(first());
    assert_eq!(asked_at(first().progress(), 5), Resendable::InFlight);
    assert_eq!(asked_at(&refused, 3 * DELAY), Resendable::InFlight, "the sweep is not at it yet");
    assert_eq!(asked_at(&refused, 3 * DELAY + 1), Resendable::Allowed);
    assert_eq!(asked_at(first().progress(), 3 * DELAY + 1), Resendable::NeedsForce, "its worker may have asked");
    assert_eq!(asked_at(&Progress::postponed(bell(1, 0), at(0), &pace()), 60), Resendable::InFlight);
    let allowed = [
        exhausted(),
        ended(first(), End::Suppressed(Reason::SwitchedOff)),
        ended(asked(first()), End::Refused(Reason::RefusedByLine)),
        Progress::not_linked(at(0)),
    ];
    let needs_force = [
        ended(asked(first()), End::Accepted),
        ended(claimed_in_doubt(), End::Suppressed(Reason::SwitchedOff)),
        written(rung(&unanswered(first()), ring(1, 0), DAY)),
    ];
    for (records, resendable) in [(&allowed[..], Resendable::Allowed), (&needs_force[..], Resendable::NeedsForce)] {
        for progress in records {
            assert_eq!(asked_at(progress, 2000), resendable, "{progress:?}");
        }
    }
}

#[test]
fn sent_again_it_is_a_new_generation_and_a_new_round_that_keeps_the_doubt() {
    let resent = |progress: &Progress, force| {
        progress.resent(bell(2, 2000), force, at(2000), &pace(), keys().get()).map(|claim| claim.won())
    };
    let again = resent(&exhausted(), false).unwrap();
    assert_eq!((again.progress().state(), again.progress().generation()), (State::Pending, 2));
    assert_eq!((again.progress().bell(), again.progress().round_attempts()), (Some(name(2)), 1));
    assert_eq!(again.progress().waiting_since(), at(2000));
    assert!(!refused_for_now(again).customer_may_have_it());
    let doubtful = ended(claimed_in_doubt(), End::Suppressed(Reason::SwitchedOff));
    assert_eq!(resent(&doubtful, false), Err(Resendable::NeedsForce));
    let forced = refused_for_now(resent(&doubtful, true).unwrap());
    assert!(forced.customer_may_have_it(), "the former message may have arrived");
    assert_eq!(resent(&refused_for_now(forced_again(&doubtful)), true), Err(Resendable::InFlight), "force is no help");
}

fn forced_again(progress: &Progress) -> Claimed {
    progress.resent(bell(3, 1990), true, at(1990), &pace(), keys().get()).unwrap().won()
}

#[test]
fn a_discarded_letter_gives_its_order_up_and_nothing_else_is() {
    let discarded = |progress: &Progress, ring, seconds| progress.discarded(&ring, at(seconds), &pace());
    let OnDiscard::GiveUp(given_up) = discarded(&exhausted(), ring(1, 0), 545) else { panic!("it is a letter") };
    assert_eq!((given_up.state(), given_up.reason()), (State::Failed, Some(Reason::Discarded)));
    assert_eq!(discarded(&given_up, ring(1, 0), 545), OnDiscard::Delete, "deleted once it is given up");
    assert_eq!(discarded(&exhausted(), ring(2, 30), 545), OnDiscard::Delete, "it is not the letter");
    let open = refused_for_now(first());
    assert_eq!(discarded(&open, ring(1, 0), 60), OnDiscard::Refuse { until: at(2 * DELAY) });
    assert_eq!(discarded(&open, ring(2, 0), DAY), OnDiscard::Refuse { until: at(DAY + DELAY) }, "the sweep will ring");
    let doubtful = {
        let mut progress = unanswered(first());
        for retry in 1..=3 {
            progress = refused_for_now(claimed(rung(&progress, ring(1, 0), retry * DELAY)));
        }
        progress
    };
    let OnDiscard::GiveUp(given_up) = discarded(&doubtful, ring(1, 0), 545) else { panic!("it is a letter") };
    assert!(given_up.customer_may_have_it());
}

// What is kept

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    order_id: String,
    #[serde(flatten)]
    progress: Progress,
    push_body: String,
}

#[test]
fn it_survives_the_table_beside_other_attributes() {
    let conflict = ended(asked(first()), End::AlreadyAccepted);
    let heard = Ring { enqueued_at: at(0) + Duration::from_millis(123), ..ring(1, 0) };
    let heard = refused_for_now(claimed(rung(&refused_for_now(first()), heard, DELAY)));
    for progress in [*first().progress(), conflict, exhausted(), heard, Progress::not_linked(at(0))] {
        let record = Record { order_id: "A".to_owned(), progress, push_body: "{}".to_owned() };
        let item: HashMap<String, AttributeValue> = serde_dynamo::to_item(&record).unwrap();
        assert_eq!(serde_dynamo::from_item::<_, Record>(item).unwrap(), record);
    }
    let mut plain = asked(first());
    plain.refused();
    let plain = plain.without_button(at(1), keys().get()).unwrap();
    let kept = json!({
        "state": "pending", "created_at": "2026-09-01T00:00:00Z", "generation": 2,
        "retry_key": keys().get().key(2).to_string(), "key_first_used_at": "2026-09-01T00:00:01Z",
        "may_have_reached_line": true, "may_have_reached_line_before": false, "without_button": true,
        "attempt_count": 1, "round_attempts": 1, "last_attempt_at": "2026-09-01T00:00:00Z",
        "due_at": "2026-09-01T00:03:00Z", "waiting_since": "2026-09-01T00:00:00Z",
        "bell": "01010101-0101-0101-0101-010101010101", "rung_at": "2026-09-01T00:00:00Z",
    });
    assert_eq!(json!(plain.next()), kept);
}

/// An item as the version without bells wrote it.
fn former_item(changes: Value) -> HashMap<String, AttributeValue> {
    let mut item = json!({
        "order_id": "A", "status": "finish", "day": "2026-09-01", "attempt_count": 1, "revision": 2,
        "state": "retrying", "line_user_id": "U0123456789abcdef0123456789abcdef", "order": "{}",
        "retry_message_id": "5fea7756-0ea4-451a-a703-a558b933e274", "push_body": "{\"to\":\"U\"}", "generation": 1,
        "key_first_used_at": "2026-09-01T00:00:00Z", "may_have_reached_line": true,
        "may_have_reached_line_before": false, "last_attempt_at": "2026-09-01T00:00:00Z", "last_error": "x",
        "attempts": [{ "at": "2026-09-01T00:00:00Z", "generation": 1, "state": "retrying", "line_status": 500 }],
        "created_at": "2026-09-01T00:00:00Z", "updated_at": "2026-09-01T00:00:01Z", "expire_at": 1822780800,
    });
    for (name, value) in changes.as_object().into_iter().flatten() {
        item[name] = value.clone();
    }
    serde_dynamo::to_item(item).unwrap()
}

fn former(changes: Value) -> Progress {
    serde_dynamo::from_item::<_, Record>(former_item(changes)).unwrap().progress
}

/// A message of that version, enqueued at this second: the order alone.
fn nameless(seconds: u64) -> Ring {
    Ring { bell: None, enqueued_at: at(seconds) }
}

#[test]
fn a_record_of_the_version_without_bells_is_delivered_under_its_key() {
    for (state, lease) in [("retrying", Value::Null), ("pending", json!("2026-09-01T00:00:45Z"))] {
        let progress = former(json!({ "state": state, "lease_until": lease }));
        assert_eq!(progress.due_at(&pace()), at(DELAY));
        assert!(matches!(rung(&progress, nameless(0), 100), OnBell::Fate(Fate::Stay { .. })));
        let mut claimed = claimed(rung(&progress, nameless(0), DELAY));
        assert_eq!(claimed.ask(keys().get()), keys().get().former_key(1));
        let kept = ended(claimed, End::AlreadyAccepted);
        assert_eq!(kept.state(), State::Sent, "an earlier request may have been accepted");
        assert_eq!(kept.retry_key(keys().get()), keys().get().former_key(1));
    }
    let unused = former(json!({ "key_first_used_at": null, "may_have_reached_line": false }));
    assert_eq!(unused.retry_key(keys().get()), keys().get().key(1), "a key that was never used is named anew");
}

#[test]
fn a_letter_of_the_version_without_bells_can_be_redriven() {
    let progress = former(json!({ "reason": "retries_exhausted", "last_attempt_at": "2026-09-01T00:09:00Z" }));
    assert!(progress.is_exhausted());
    assert_eq!(progress.letter(&nameless(0), &pace()), Letter::Exhausted);
    assert_eq!(written(rung(&progress, nameless(0), 545)).fate(&pace()), Fate::Burn);
    let mut again = refused_for_now(claimed(rung(&progress, nameless(3000), 3001)));
    assert_eq!((again.bell(), again.round_attempts()), (None, 1));
    for retry in 1..=3 {
        again = refused_for_now(claimed(rung(&again, nameless(3000), 3001 + retry * DELAY)));
    }
    assert_eq!(rung(&again, nameless(3000), 3550), OnBell::Fate(Fate::Burn), "one redrive, one round");
}

#[test]
fn a_settled_record_of_the_version_without_bells_stays_settled() {
    for (state, reason) in
        [("sent", Value::Null), ("failed", json!("refused_by_line")), ("suppressed", json!("switched_off"))]
    {
        let progress = former(json!({ "state": state, "reason": reason }));
        assert_eq!(rung(&progress, nameless(0), DELAY), OnBell::Fate(Fate::Delete));
    }
}

#[test]
fn names_are_those_of_the_table() {
    for state in State::ALL {
        assert_eq!(json!(state), json!(state.name()));
    }
    for reason in Reason::ALL {
        assert_eq!(json!(reason), json!(reason.name()));
    }
}
