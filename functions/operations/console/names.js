// What the API calls things, as functions/openapi.yaml has it: states and their marks, reasons, queues, ids.

const MARKS = { pending: "…", sent: "✓", retrying: "↻", suppressed: "‖", failed: "✕", expired: "?" };

const REASONS = [
  "refused_by_line",
  "quota_exhausted",
  "switched_off",
  "not_a_friend",
  "not_linked",
  "retries_exhausted",
  "retry_key_expired",
  "retry_key_conflict",
  "discarded",
  "unattended",
];

/** As what a day counts its orders, and how those are asked for; `not_sent` is whatever did not go out. */
const COUNTS = {
  not_sent: { state: "pending,retrying,suppressed,failed,expired" },
  failed: { state: "failed,expired" },
  open: { state: "pending,retrying" },
  suppressed: { state: "suppressed" },
  sent: { state: "sent" },
  retried: { retried: "true" },
};

const LETTERS = ["exhausted", "on_its_way", "left_over"];

const QUEUES = ["push-retry", "inbox", "quota-warning", "daily-report"];
const ID = /^[A-Za-z0-9._:-]{1,64}$/;
const USER = /^U[0-9a-f]{32}$/;
/** A user, a group or a room. */
const CHAT = /^[UCR][0-9a-f]{32}$/;
