//! What the functions called, on every wire, and which of it is broken.

use std::{collections::BTreeMap, fmt};

use local_stand::{
    stand::Stand,
    wire::{CallName, Wire},
};

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    /// DynamoDB, SQS, Secrets Manager, SES.
    Aws,
    /// LINE.
    Line,
    /// Sobot.
    Sobot,
    /// The company's app.
    App,
}

impl Destination {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Aws, Self::Line, Self::Sobot, Self::App];

    /// Its wire.
    pub fn wire(self, stand: &Stand) -> &Wire {
        match self {
            Self::Aws => stand.aws.tap(),
            Self::Line => stand.line.wire(),
            Self::Sobot => stand.sobot.wire(),
            Self::App => stand.app.wire(),
        }
    }
}

/// One call of a story: the so-many-th of its name.
#[derive(Clone, Debug)]
pub struct Strike {
    /// Where it goes.
    pub to: Destination,
    /// What it is.
    pub name: CallName,
    /// Which of the calls of this name, from 1.
    pub number: usize,
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (no. {})", self.name, self.number)
    }
}

/// How often each call was made.
#[derive(Clone, Debug, Default)]
pub struct Calls(BTreeMap<(Destination, CallName), usize>);

/// How many calls each wire had seen at a moment.
pub type Mark = [usize; 4];

impl Calls {
    /// How many calls each wire has seen.
    pub fn mark(stand: &Stand) -> Mark {
        Destination::ALL.map(|destination| destination.wire(stand).look(<[_]>::len))
    }

    /// The functions' calls between these marks; an attempt that the SDK repeated is no further call.
    pub fn between(stand: &Stand, from: Mark, to: Mark) -> Self {
        let mut made = BTreeMap::new();
        for (destination, (from, to)) in Destination::ALL.into_iter().zip(from.into_iter().zip(to)) {
            destination.wire(stand).look(|calls| {
                let mut known = Vec::new();
                for call in calls[from..to].iter().filter(|call| !call.caller.function.is_empty()) {
                    if call.invocation.is_none() || !known.contains(&&call.invocation) {
                        known.push(&call.invocation);
                        *made.entry((destination, call.name.clone())).or_insert(0) += 1;
                    }
                }
            });
        }
        Self(made)
    }

    /// The last call of this name, if there was one.
    pub fn last(&self, strike: &Strike) -> Option<Strike> {
        let number = *self.0.get(&(strike.to, strike.name.clone()))?;
        Some(Strike { number, ..strike.clone() })
    }

    /// The calls to be broken, one at a time. One that is made over and over with other values - the partitions of an
    /// index, the days of a report - is broken the first and the last time.
    pub fn strikes(&self) -> Vec<Strike> {
        let ends = |times: usize| if times == 1 { vec![1] } else { vec![1, times] };
        let strikes = self.0.iter().flat_map(|((to, name), times)| {
            ends(*times).into_iter().map(|number| Strike { to: *to, name: name.clone(), number })
        });
        strikes.collect()
    }
}
