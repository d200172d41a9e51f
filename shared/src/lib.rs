//! What the functions share: the LINE client, the delivery, the records and the wording.
//!
//! Data flows one way - a trigger calls a function, the function calls this crate - so nothing here knows a trigger.
//!
//! * [`order`] - the finished order as the order system sends it, and every rule for its fields
//! * [`money`] - an amount in a currency, without floats
//! * [`message`] - from an order to the message that the customer sees
//! * [`wording`] - the words of that message, a struct of labels per language
//! * [`line`] - LINE's Messaging API: client, message limits, JWT assertion, authenticated channel
//! * [`delivery`] - never lost, never twice: the record, the attempt, the table of outcomes
//! * [`inbox`] - what users write and do: from the webhooks' queue to the operator's table
//! * [`sobot`] - Sobot's API: its token, the content of messages, the mass sends
//! * [`friend`] - whether a user is a friend of the official account, as far as known
//! * [`link`] - which LINE user a member of the company is
//! * [`link_token`] - the company's app says which member comes to link
//! * [`used_token`] - a link token belongs to the browser that used it first
//! * [`unlink`] - a member and a LINE user part
//! * [`mail`] - mail through SES
//! * [`once`] - what is done once although it is started at least once
//! * [`quota_warning`] - one mail per threshold of the month's quota
//! * [`switch`] - the switch per order status
//! * [`token`] - one access token shared by every instance of every function
//! * [`http_api`] - callers' keys, JSON answers and problem details
//! * [`audit`] - what operators did, and why
//! * [`secrets`] - what Secrets Manager holds, in memory
//! * [`settings`] - the environment of a function, parsed once
//! * [`aws_error`] - what went wrong with a call to AWS, safe for a log
//! * [`clock`] - the present time as a value
//! * [`log`] - JSON log lines
//! * [`metric`] - measurements for CloudWatch

pub mod audit;
pub mod aws_error;
pub mod clock;
pub mod delivery;
pub mod friend;
pub mod http_api;
pub mod inbox;
pub mod line;
pub mod link;
pub mod link_token;
pub mod log;
pub mod mail;
pub mod message;
pub mod metric;
pub mod money;
pub mod once;
pub mod order;
pub mod quota_warning;
pub mod secrets;
pub mod settings;
pub mod sobot;
pub mod switch;
pub mod token;
pub mod unlink;
pub mod used_token;
pub mod wording;
