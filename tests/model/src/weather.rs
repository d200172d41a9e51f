//! What may happen in a world: how much of it, and how wrong. Whatever is allowed may happen in any order, at any time.

/// A kind of world.
#[derive(Clone, Debug)]
pub struct Weather {
    pub name: &'static str,
    /// How much may happen.
    pub left: Left,
    /// What may go wrong.
    pub faults: &'static [Fault],
    /// What LINE may do with a request.
    pub line: &'static [Answer],
    /// How many work at once.
    pub workers: usize,
    /// How far the clocks of workers may be from SQS's, in seconds.
    pub skews: &'static [i64],
    /// Days pass: keys grow old, and letters, and SQS deletes what is older yet.
    pub days: bool,
    /// The switch may be off.
    pub switch: bool,
    /// LINE hangs, and the first push may be postponed.
    pub postpones: bool,
    /// How many different contents are posted under the order's id.
    pub contents: u8,
    /// What is to be seen in this weather, or it proves nothing.
    pub sights: &'static [&'static str],
}

/// How much may happen yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Left {
    pub calls: u8,
    pub faults: u8,
    pub sweeps: u8,
    pub redrives: u8,
    pub resends: u8,
    pub discards: u8,
    pub erasures: u8,
    pub foreign_keys: u8,
}

impl Left {
    const CALL: Self =
        Self { calls: 1, faults: 0, sweeps: 0, redrives: 0, resends: 0, discards: 0, erasures: 0, foreign_keys: 0 };
}

/// What may go wrong, each at the cost of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A worker dies.
    Crash,
    /// A write takes effect or not, and nobody knows.
    Write,
    /// A message is sent or not, and nobody knows.
    Send,
    /// `SendMessage` is repeated: two messages.
    Copy,
    /// SQS loses a message.
    Lose,
    /// SQS moves a message to the dead-letter queue, because it was received too often.
    Net,
    /// SQS hands a message out, and nobody is there to take it.
    Throttle,
    /// An attempt goes on after the next one is due.
    Outlive,
    /// A request comes to LINE after its worker has given it up.
    Late,
}

/// What LINE does with a request under a key of which it accepted nothing before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Accepts,
    /// It accepts, and the answer is lost, or 5xx.
    AcceptsAndHangs,
    /// It does not accept, and the answer is lost, or 5xx.
    Hangs,
    /// The connection breaks before LINE has the request, and the worker asks again at once.
    Breaks,
    /// There is no connection, or no token.
    IsAway,
    /// Not now: 429.
    RefusesForNow,
    /// The token: 401. The worker asks again at once.
    RefusesToken,
    /// The recipient: 400.
    Refuses,
    /// The message: 400.
    BlamesMessage,
}

use Answer::{Accepts, AcceptsAndHangs, BlamesMessage, Breaks, Hangs, IsAway, Refuses, RefusesForNow, RefusesToken};

const CALM: Weather = Weather {
    name: "calm",
    left: Left::CALL,
    faults: &[],
    line: &[Accepts, RefusesForNow],
    workers: 1,
    skews: &[0],
    days: false,
    switch: false,
    postpones: false,
    contents: 1,
    sights: &[],
};

/// Workers die between any two steps, and no answer of AWS's is certain.
pub const DEATHS: Weather = Weather {
    name: "deaths",
    left: Left { calls: 2, faults: 1, sweeps: 1, ..Left::CALL },
    faults: &[Fault::Crash, Fault::Write, Fault::Send],
    workers: 2,
    sights: &["sent", "exhausted, with its letter", "rung for by the sweep, and sent"],
    ..CALM
};

/// Bells are lost, copied, moved by the net and redriven.
pub const BELLS: Weather = Weather {
    name: "bells",
    left: Left { faults: 1, sweeps: 1, redrives: 1, ..Left::CALL },
    faults: &[Fault::Crash, Fault::Copy, Fault::Lose, Fault::Net, Fault::Throttle],
    sights: &["exhausted, with its letter", "redriven, and sent", "rung for by the sweep, and sent"],
    ..CALM
};

/// LINE answers anything, another stack uses the same key, and the switch is turned.
pub const LINE: Weather = Weather {
    name: "line",
    left: Left { calls: 2, foreign_keys: 1, ..Left::CALL },
    line: &[Accepts, AcceptsAndHangs, Hangs, Breaks, IsAway, RefusesForNow, RefusesToken, Refuses, BlamesMessage],
    switch: true,
    postpones: true,
    sights: &[
        "sent",
        "postponed",
        "suppressed",
        "suppressed, in doubt",
        "refused",
        "a key that somebody else used",
        "sent without its button",
    ],
    ..CALM
};

/// Callers at once, with one content or two.
pub const CALLS: Weather = Weather {
    name: "calls",
    left: Left { calls: 2, ..Left::CALL },
    line: &[Accepts, Hangs, RefusesForNow, Refuses],
    workers: 2,
    contents: 2,
    sights: &["refused", "begun anew, and sent"],
    ..CALM
};

/// Callers whose former requests come to LINE late.
pub const CONTENTS: Weather = Weather {
    name: "contents",
    left: Left { calls: 2, faults: 1, ..Left::CALL },
    faults: &[Fault::Late],
    line: &[Accepts, Hangs, Refuses],
    postpones: true,
    contents: 2,
    sights: &["refused", "begun anew, and sent", "begun anew, and postponed"],
    ..CALM
};

/// AWS's answers are lost, and LINE's are final.
pub const ANSWERS: Weather = Weather {
    name: "answers",
    left: Left { calls: 2, faults: 1, ..Left::CALL },
    faults: &[Fault::Write, Fault::Send],
    line: &[Accepts, AcceptsAndHangs, Refuses],
    switch: true,
    sights: &["sent", "suppressed", "refused"],
    ..CALM
};

/// Operators send again, discard and redrive.
pub const OPERATORS: Weather = Weather {
    name: "operators",
    left: Left { redrives: 1, resends: 1, discards: 1, ..Left::CALL },
    line: &[AcceptsAndHangs, RefusesForNow],
    sights: &["redriven, and sent", "sent twice, by force"],
    ..CALM
};

/// Operators send again and discard while bells ring, and while SQS moves them.
pub const RACES: Weather = Weather {
    name: "races",
    left: Left { faults: 1, resends: 1, discards: 1, ..Left::CALL },
    faults: &[Fault::Net],
    line: &[Hangs, RefusesForNow],
    workers: 2,
    sights: &["exhausted, with its letter"],
    ..CALM
};

/// The customer is forgotten at any moment: while calls come, attempts are made, and operators send again.
pub const ERASURES: Weather = Weather {
    name: "erasures",
    left: Left { calls: 2, resends: 1, erasures: 1, ..Left::CALL },
    line: &[Accepts, Refuses],
    workers: 2,
    contents: 2,
    sights: &["erased while it was open", "erased, and sent all the same"],
    ..CALM
};

/// The customer is forgotten while bells are lost and workers die.
pub const ERASED_BELLS: Weather = Weather {
    name: "erased bells",
    left: Left { faults: 1, sweeps: 1, redrives: 1, erasures: 1, ..Left::CALL },
    faults: &[Fault::Crash, Fault::Write],
    sights: &["erased while it was open"],
    ..CALM
};

/// Keys, letters and messages grow old.
pub const DAYS: Weather = Weather {
    name: "days",
    left: Left { sweeps: 1, redrives: 1, ..Left::CALL },
    line: &[AcceptsAndHangs, RefusesForNow],
    days: true,
    sights: &["expired", "a new key without doubt", "given up by the sweep"],
    ..CALM
};

/// Clocks differ by seconds.
pub const CLOCKS: Weather = Weather {
    name: "clocks",
    left: Left { calls: 2, redrives: 1, ..Left::CALL },
    skews: &[-1, 1],
    sights: &["exhausted, with its letter", "redriven, and sent"],
    ..CALM
};

/// Attempts outlive their claims, and requests their workers.
pub const LATE: Weather = Weather {
    name: "late",
    left: Left { calls: 2, faults: 1, ..Left::CALL },
    faults: &[Fault::Outlive, Fault::Late],
    line: &[Accepts, RefusesForNow, BlamesMessage],
    workers: 2,
    switch: true,
    sights: &["sent over another worker's outcome"],
    ..CALM
};

/// All of it at once.
pub const EVERYTHING: Weather = Weather {
    name: "everything",
    left: Left { calls: 4, faults: 5, sweeps: 3, redrives: 3, resends: 2, discards: 2, erasures: 1, foreign_keys: 0 },
    faults: &[
        Fault::Crash,
        Fault::Write,
        Fault::Send,
        Fault::Copy,
        Fault::Lose,
        Fault::Net,
        Fault::Throttle,
        Fault::Outlive,
        Fault::Late,
    ],
    line: LINE.line,
    workers: 3,
    skews: &[-1, 0, 1],
    days: true,
    switch: true,
    postpones: true,
    contents: 2,
    ..CALM
};
