//! What is told: each story goes to its end, whatever befalls it, and checks there what must hold.
//!
//! * [`orders`] - an order, its retry, the sweep, the redrive, the resend: received once or visibly not, and every word
//!   about it true
//! * [`inbox`] - LINE's and Sobot's webhooks: each event kept once, and gone when it is taken back
//! * [`login`] - two members at once
//! * [`callback`] - a link that the app is told of
//! * [`mails`] - the report and the warning: sent once, and true
//! * [`operations`] - what operators call beside

mod callback;
mod inbox;
mod login;
mod mails;
mod operations;
mod orders;

use std::{future::Future, pin::Pin};

use crate::case::Case;

type Telling<'a> = Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'a>>;

/// A story.
pub struct Story {
    /// Its name.
    pub name: &'static str,
    /// Tells it.
    pub tell: for<'a> fn(&'a Case<'a>) -> Telling<'a>,
}

/// All of them.
pub const STORIES: &[Story] = &[
    Story { name: "order", tell: |case| Box::pin(orders::an_order(case)) },
    Story { name: "sweep", tell: |case| Box::pin(orders::a_lost_bell(case)) },
    Story { name: "redrive", tell: |case| Box::pin(orders::a_dead_letter(case)) },
    Story { name: "resend", tell: |case| Box::pin(orders::a_failed_order(case)) },
    Story { name: "recovery", tell: |case| Box::pin(orders::a_recovered_order(case)) },
    Story { name: "correction", tell: |case| Box::pin(orders::a_corrected_order(case)) },
    Story { name: "force", tell: |case| Box::pin(orders::a_forced_order(case)) },
    Story { name: "forget", tell: |case| Box::pin(orders::a_forgotten_customer(case)) },
    Story { name: "button", tell: |case| Box::pin(orders::a_refused_button(case)) },
    Story { name: "webhook-line", tell: |case| Box::pin(inbox::events_of_line(case)) },
    Story { name: "webhook-sobot", tell: |case| Box::pin(inbox::events_of_sobot(case)) },
    Story { name: "unsend", tell: |case| Box::pin(inbox::a_picture_taken_back(case)) },
    Story { name: "login", tell: |case| Box::pin(login::two_members_at_once(case)) },
    Story { name: "callback", tell: |case| Box::pin(callback::a_link_from_its_beginning_to_its_end(case)) },
    Story { name: "report", tell: |case| Box::pin(mails::the_mail_at_nine(case)) },
    Story { name: "report-run", tell: |case| Box::pin(mails::a_mail_that_is_asked_for(case)) },
    Story { name: "quota", tell: |case| Box::pin(mails::the_quotas_end(case)) },
    Story { name: "operations", tell: |case| Box::pin(operations::a_morning(case)) },
];
