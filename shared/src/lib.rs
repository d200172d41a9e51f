//! What the functions share. Data flows one way: a trigger calls a function, the function calls this crate.
//!
//! * [`order`] - the finished order as the order system sends it, every rule for its fields, and money
//! * [`notification`] - what a customer is told of: its status, its message, its statistics
//! * [`message`] - from an order to the message that the customer sees, and its words
//! * [`delivery`] - never lost, never twice: the record, the attempt, the table of verdicts, the switch
//! * [`customer`] - which LINE user a member of the company is, and whether a friend
//! * [`inbox`] - what users write and do: from the webhooks' queue to the operator's table
//! * [`report`] - what operators get by mail
//! * [`audit`] - what operators did, and why
//! * [`line`] - LINE's Messaging API and LINE Login: clients, message limits, JWT assertion, authenticated channel
//! * [`sobot`] - Sobot's API: its token, the content of messages, the mass sends
//! * [`token`] - one access token shared by every instance of every function
//! * [`aws`] - what every use of AWS has in common
//! * [`lambda`] - what every function stands on: environment, log, HTTP, callers
//! * [`foreign_json`] - what somebody else wrote, mended where it is not quite JSON or not quite Unicode
//! * [`ids`], [`invalid`], [`language`], [`clock`], [`metric`], [`html`] - words that every room uses
//! * [`outbound`] - HTTP, TLS and credentials: how a function reaches AWS, LINE and Sobot
//! * [`single_flight`] - what many tasks need is read once, and fails once

pub mod audit;
pub mod aws;
pub mod clock;
pub mod customer;
pub mod delivery;
#[cfg(test)]
mod expected;
pub mod foreign_json;
pub mod html;
pub mod ids;
pub mod inbox;
pub mod invalid;
pub mod lambda;
pub mod language;
pub mod line;
pub mod message;
pub mod metric;
pub mod notification;
pub mod order;
pub mod outbound;
pub mod report;
pub mod single_flight;
pub mod sobot;
pub mod token;
