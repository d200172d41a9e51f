//! The fault matrix: every call that a function makes, broken in every way, and nothing lost, doubled or untrue.
//!
//! Each [story](stories) is told once as it should go, and each call that a function made meanwhile is noted, on every
//! wire: DynamoDB, SQS, Secrets Manager, SES, LINE, Sobot. Then the story is told again for each of these calls and
//! each [`Trouble`], which befalls that one call, and goes on as life does - the order system repeats its post, the
//! queue its message, the sweep comes, the operator redrives - to its end, where it checks what must hold. A call that
//! is new in a function is covered by being made.
//!
//! * [`calls`] - what was called, and which of a call's repetitions are broken
//! * [`trouble`] - what may befall a call
//! * [`stories`] - what is told, and what must hold at the end
//! * [`case`] - one telling on one stand
//! * [`lanes`] - several stands at a time
//!
//! `cargo test` takes a sample: each call once, with a trouble that the seed chooses. The seed changes with the sources
//! of the functions, so that one state of the code has one sample, wherever it is tested. `SEED=7` takes another,
//! `ALL=1` everything, `ONLY=login` the stories whose name has this, `CALL=PutItem` the calls whose name has this,
//! `TROUBLE=Late` that trouble, `LANES=4` so many stands at a time; `LIST=1` lists the calls and breaks none.

mod calls;
mod case;
mod lanes;
mod stories;
mod trouble;

use std::{
    collections::BTreeMap,
    env,
    fmt::Display,
    fs,
    hash::{DefaultHasher, Hasher as _},
    io::{Write as _, stderr},
    path::Path,
    time::Instant,
};

use local_stand::repository;

use crate::{
    calls::Strike,
    lanes::{Job, Lanes},
    stories::{STORIES, Story},
    trouble::Trouble,
};

/// Says it, also where cargo keeps what a passed test prints to itself.
fn say(text: impl Display) {
    let _ = writeln!(stderr(), "{text}");
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

fn number(name: &str) -> Option<usize> {
    variable(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text}")))
}

/// Whether the variable of this name lets it pass.
fn is_wanted(name: &str, what: impl Display) -> bool {
    variable(name).is_none_or(|wanted| what.to_string().contains(&wanted))
}

/// A number that any change of a function's sources changes.
fn seed_of_the_sources() -> usize {
    fn add(folder: &Path, hasher: &mut DefaultHasher) {
        let mut paths: Vec<_> =
            fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
        paths.sort();
        for path in paths {
            match path.extension() {
                _ if path.is_dir() => add(&path, hasher),
                Some(extension) if extension == "rs" => hasher.write(&fs::read(&path).expect("a source")),
                _ => {}
            }
        }
    }
    let mut hasher = DefaultHasher::new();
    ["functions", "shared"].iter().for_each(|folder| add(&repository().join(folder), &mut hasher));
    usize::try_from(hasher.finish() % 1000).expect("a small number")
}

#[test]
fn every_call_may_fail_in_every_way() {
    let begun = Instant::now();
    let (seed, all) = (number("SEED").unwrap_or_else(seed_of_the_sources), number("ALL") == Some(1));
    let lanes = Lanes::new(number("LANES").unwrap_or(8));
    say(format!("\nfault matrix: {}, SEED={seed}", if all { "every case" } else { "a sample" }));

    let (strikes, mut failures) = tell_untroubled(&lanes);
    if number("LIST") == Some(1) {
        let told = strikes.iter().map(|(story, strike)| format!("{}: {strike}\n", story.name));
        say(told.collect::<String>());
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        return;
    }
    let jobs = if all { every_case(&strikes) } else { sample(&strikes, seed) };
    let cases = lanes.tell(jobs);

    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (job, told) in &cases {
        let (strike, trouble) = job.strike.as_ref().expect("a troubled case");
        let count = counts.entry(strike.name.function.clone()).or_default();
        count.0 += 1;
        match &told.result {
            Ok(()) => count.1 += 1,
            Err(problem) => failures.push(format!("{}, {trouble:?} at {strike}\n    {problem}", job.story.name)),
        }
    }
    failures.extend(lanes.canaries_are_silent().err().map(|problem| problem.to_string()));
    for (function, (cases, passed)) in &counts {
        say(format!("{function}: {cases} cases, {passed} passed"));
    }
    let passed: usize = counts.values().map(|(_, passed)| passed).sum();
    say(format!("{} cases, {passed} passed, SEED={seed}, {} s", cases.len(), begun.elapsed().as_secs()));
    assert!(failures.is_empty(), "{} failed, SEED={seed}:\n{}", failures.len(), failures.join("\n"));
}

/// Tells each story as it should go: the calls that were made, and what did not hold even so.
fn tell_untroubled(lanes: &Lanes) -> (Vec<(&'static Story, Strike)>, Vec<String>) {
    let jobs = STORIES.iter().filter(|story| is_wanted("ONLY", story.name)).map(|story| Job { story, strike: None });
    let (mut strikes, mut failures) = (Vec::new(), Vec::new());
    for (Job { story, .. }, told) in lanes.tell(jobs.collect()) {
        if let Err(problem) = told.result {
            failures.push(format!("{}, untroubled: {problem}", story.name));
        }
        let found = told.calls.strikes();
        assert!(!found.is_empty(), "{}: nothing was called", story.name);
        strikes
            .extend(found.into_iter().filter(|strike| is_wanted("CALL", &strike.name)).map(|strike| (story, strike)));
    }
    (strikes, failures)
}

/// What may befall this call.
fn troubles(strike: &Strike) -> Vec<Trouble> {
    let may = |trouble: &Trouble| trouble.fault(strike).is_some() && is_wanted("TROUBLE", format!("{trouble:?}"));
    Trouble::ALL.into_iter().filter(may).collect()
}

/// Each call of each story, in every trouble.
fn every_case(strikes: &[(&'static Story, Strike)]) -> Vec<Job> {
    let cases = strikes.iter().flat_map(|(story, strike)| {
        let job = |trouble| Job { story, strike: Some((strike.clone(), trouble)) };
        troubles(strike).into_iter().map(job)
    });
    cases.collect()
}

/// Each call once: the seed chooses the trouble, and the story where several make the call.
fn sample(strikes: &[(&'static Story, Strike)], seed: usize) -> Vec<Job> {
    let mut calls: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (story, strike) in strikes {
        calls.entry((&strike.name, strike.number)).or_default().push((story, strike));
    }
    let cases = calls.values().enumerate().filter_map(|(place, told_in)| {
        let (story, strike) = told_in[(seed + place) % told_in.len()];
        let troubles = troubles(strike);
        let trouble = troubles.get((seed + place) % troubles.len().max(1))?;
        Some(Job { story, strike: Some((strike.clone(), *trouble)) })
    });
    cases.collect()
}
