//! A model of the delivery: every order of events, and every failure between two steps, over the very functions that
//! run.
//!
//! One order's world - record, queue, dead-letter queue, LINE, callers, sweep, operators - is explored breadth first,
//! with all that a [`weather`] allows, to its last state: no law may be broken in any. In each of them, besides, every
//! worker is let die and everything go well from there on, in two moods of LINE's: whatever was promised must then come
//! to its end. The decisions are those of `shared::delivery::state`; the model adds what they are about, one call to
//! AWS or LINE at a time, in the seconds of a world whose retry delay has six and whose day has thirty.
//!
//! * [`world`] - the state, and a witness of what nobody in it knows
//! * [`weather`] - what may happen, and how much of it
//! * [`actions`] - what may happen next
//! * [`steps`] - what comes of it
//! * [`laws`] - what must hold everywhere, and what must be seen somewhere
//! * [`rules`] - the delivery's rules, each of which can be broken, to see that a law notices
//!
//! `cargo test -p delivery-model -- --nocapture` prints how many worlds were seen and how many steps deep. For longer:
//! `MORE_FAULTS=1 WORLDS=5000000 cargo test -p delivery-model -- --nocapture` lets one more thing go wrong in each
//! weather and walks further through everything at once, at random (ten million worlds, some minutes); `SEED=2` walks
//! elsewhere.

mod actions;
mod laws;
mod model;
mod rules;
mod steps;
mod weather;
mod world;

use std::{env, fmt::Write as _, time::Instant};

use stateright::{Checker, HasDiscoveries, Model as _, Path, UniformChooser};

use crate::{
    actions::Action,
    laws::Law,
    model::Delivery,
    rules::Rule,
    weather::Weather,
    world::{START, World},
};

/// A number from the environment.
fn number(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Explores all that can happen in this weather.
fn explore(mut weather: Weather) {
    if !weather.faults.is_empty() {
        weather.left.faults += u8::try_from(number("MORE_FAULTS", 0)).expect("a few");
    }
    let (name, sights) = (weather.name, weather.sights);
    let begun = Instant::now();
    let model = Delivery::new(weather, None);
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    hold(name, &checker, begun);
    let unseen: Vec<_> = sights.iter().filter(|sight| checker.discovery(sight).is_none()).collect();
    assert!(unseen.is_empty(), "{name}: never seen: {unseen:?}");
}

/// Walks at random through worlds that are too many to be explored.
fn walk(weather: Weather) {
    let (name, worlds, seed) = (weather.name, number("WORLDS", 100_000), number("SEED", 1));
    let begun = Instant::now();
    let checker = Delivery::new(weather, None)
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .target_state_count(worlds)
        .spawn_simulation(seed as u64, UniformChooser)
        .join();
    hold(name, &checker, begun);
}

/// No law is broken.
fn hold(name: &str, checker: &impl Checker<Delivery>, begun: Instant) {
    print(name, checker, begun);
    if let Some(law) = Law::ALL.iter().find(|law| checker.discovery(law.name()).is_some()) {
        let path = checker.discovery(law.name()).expect("it was there");
        panic!("{name}: broken: {}\n{}", law.name(), story(path));
    }
}

/// With this rule broken, this law is broken.
fn notices(rule: Rule, law: Law, weather: Weather) {
    let begun = Instant::now();
    let checker = Delivery::new(weather, Some(rule))
        .checker()
        .finish_when(HasDiscoveries::AnyOf([law.name()].into()))
        .spawn_bfs()
        .join();
    print(&format!("{rule:?}"), &checker, begun);
    assert!(checker.discovery(law.name()).is_some(), "without {rule:?} it still holds: {}", law.name());
}

fn print(name: &str, checker: &impl Checker<Delivery>, begun: Instant) {
    let (all, different) = (checker.state_count(), checker.unique_state_count());
    let (depth, seconds) = (checker.max_depth(), begun.elapsed().as_secs_f32());
    println!("{name}: {all} worlds, {different} of them different, {depth} steps deep, {seconds:.1} s");
}

/// How it came to that.
fn story(path: Path<World, Action>) -> String {
    let mut story = String::new();
    for (world, action) in path.into_vec() {
        let second = (world.now - START).whole_seconds();
        let stands = world.progress().map(|progress| {
            let doubt = if progress.customer_may_have_it() { "in doubt" } else { "certain" };
            (progress.state(), progress.reason(), progress.round_attempts(), progress.generation(), doubt)
        });
        writeln!(story, "{second:>3} {stands:?}\n    {action:?}").expect("it is only text");
    }
    story
}

mod weathers {
    use crate::{explore, walk, weather};

    #[test]
    fn deaths() {
        explore(weather::DEATHS);
    }

    #[test]
    fn answers() {
        explore(weather::ANSWERS);
    }

    #[test]
    fn bells() {
        explore(weather::BELLS);
    }

    #[test]
    fn line() {
        explore(weather::LINE);
    }

    #[test]
    fn calls() {
        explore(weather::CALLS);
    }

    #[test]
    fn contents() {
        explore(weather::CONTENTS);
    }

    #[test]
    fn operators() {
        explore(weather::OPERATORS);
    }

    #[test]
    fn races() {
        explore(weather::RACES);
    }

    #[test]
    fn erasures() {
        explore(weather::ERASURES);
    }

    #[test]
    fn erased_bells() {
        explore(weather::ERASED_BELLS);
    }

    #[test]
    fn days() {
        explore(weather::DAYS);
    }

    #[test]
    fn clocks() {
        explore(weather::CLOCKS);
    }

    #[test]
    fn late() {
        explore(weather::LATE);
    }

    #[test]
    fn everything() {
        walk(weather::EVERYTHING);
    }
}

/// A test for each rule: the law that notices when it is broken, and the weather in which it does.
macro_rules! broken_rules {
    ($($test:ident: $rule:ident => $law:ident in $weather:ident;)+) => {
        mod broken_rules {
            use crate::{laws::Law, notices, rules::Rule, weather};
            $(
                #[test]
                fn $test() {
                    notices(Rule::$rule, Law::$law, weather::$weather);
                }
            )+
        }
    };
}

broken_rules! {
    bells_have_names: BellsHaveNames => NotLost in BELLS;
    copies_are_not_guessed: CopiesAreNotGuessed => NotLost in BELLS;
    copies_are_known_by_their_time: CopiesAreKnownByTheirTime => OneLetter in BELLS;
    surplus_bells_are_deleted: SurplusBellsAreDeleted => OneLetter in CALLS;
    exhausted_bells_become_letters: ExhaustedBellsBecomeLetters => NotLost in BELLS;
    exhaustion_is_said: ExhaustionIsSaid => BellsEnd in DEATHS;
    receives_are_not_attempts: ReceivesAreNotAttempts => RoundIsComplete in BELLS;
    claims_spend_attempts: ClaimsSpendAttempts => RoundIsComplete in DEATHS;
    skipped_pushes_spend_nothing: SkippedPushesSpendNothing => RoundIsComplete in LINE;
    what_is_not_due_is_left_alone: WhatIsNotDueIsLeftAlone => RoundIsComplete in CALLS;
    claims_are_conditional: ClaimsAreConditional => RoundIsComplete in DEATHS;
    outcomes_are_conditional: OutcomesAreConditional => RecordIsTrue in LATE;
    sent_is_written_over_anything: SentIsWrittenOverAnything => RecordIsTrue in LATE;
    only_what_is_written_is_told: OnlyWhatIsWrittenIsTold => CallerIsToldTheTruth in ANSWERS;
    only_what_is_durable_is_promised: OnlyWhatIsDurableIsPromised => NotLost in DEATHS;
    the_sweep_rings: TheSweepRings => BellsEnd in BELLS;
    the_sweep_names_its_bell: TheSweepNamesItsBell => BellsAreBounded in BELLS;
    the_sweep_rings_once_an_hour: TheSweepRingsOnceAnHour => BellsAreBounded in BELLS;
    the_sweep_leaves_letters: TheSweepLeavesLetters => BellsEnd in BELLS;
    patience_ends: PatienceEnds => NotLost in DAYS;
    only_what_is_given_up_is_discarded: OnlyWhatIsGivenUpIsDiscarded => DiscardedIsGivenUp in RACES;
    only_moved_bells_begin_rounds: OnlyMovedBellsBeginRounds => RoundIsWanted in DEATHS;
    one_move_is_one_round: OneMoveIsOneRound => RoundIsWanted in BELLS;
    rounds_begin_after_the_last_attempt: RoundsBeginAfterTheLastAttempt => RoundIsWanted in BELLS;
    redrives_begin_rounds: RedrivesBeginRounds => RedriveIsHeard in BELLS;
    calls_begin_no_rounds: CallsBeginNoRounds => RoundIsWanted in CALLS;
    claims_bring_doubt: ClaimsBringDoubt => RecordIsTrue in LINE;
    doubt_stays: DoubtStays => RecordIsTrue in LINE;
    unsent_is_no_doubt: UnsentIsNoDoubt => DoubtHasACause in LINE;
    requests_are_counted: RequestsAreCounted => RequestsAreCounted in LINE;
    unused_keys_conflict: UnusedKeysConflict => RecordIsTrue in LINE;
    keys_end: KeysEnd => Once in DAYS;
    doubt_expires: DoubtExpires => Once in DAYS;
    doubt_keeps_the_button: DoubtKeepsTheButton => Once in LATE;
    the_button_is_lost_once: TheButtonIsLostOnce => ButtonIsLostOnce in LINE;
    keys_are_written_first: KeysAreWrittenFirst => KeyIsWrittenFirst in LINE;
    doubt_needs_force: DoubtNeedsForce => Once in OPERATORS;
    doubt_is_not_replaced: DoubtIsNotReplaced => Once in CONTENTS;
    nothing_erased_is_sent_again: NothingErasedIsSentAgain => ErasedStaysErased in ERASURES;
    nothing_erased_is_replaced: NothingErasedIsReplaced => ErasedStaysErased in ERASURES;
    facts_keep_an_erasure: FactsKeepAnErasure => ErasedStaysErased in ERASURES;
}
