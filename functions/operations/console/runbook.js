// The runbook, functions/operations/README.md, at the places where it is needed. It is in the page, by its headings.

const RUNBOOK = JSON.parse($("runbook").textContent);

/** The heading that speaks of a reason. */
const HEADING_OF_REASON = {
  refused_by_line: "Failed deliveries",
  quota_exhausted: "Quota used up",
  retries_exhausted: "Push retry dead letters",
  retry_key_expired: "Failed deliveries",
  retry_key_conflict: "Failed deliveries",
  discarded: "Failed deliveries",
  unattended: "Ending deliveries",
};
/** And of a dead-letter queue. */
const HEADING_OF_QUEUE = {
  "push-retry": "Push retry dead letters",
  "inbox": "Inbox dead letters",
  "quota-warning": "Quota warning dead letters",
  "daily-report": "Daily report dead letters",
};

/** A paragraph's words, its code as such; of a link only the words. */
function runbookWords(text) {
  const parts = text.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/\*([^*]+)\*/g, "$1").split("`");
  return parts.map((part, index) => (index % 2 === 1 ? el("code", {}, part) : part));
}

function runbookBlock(text) {
  const fence = text.match(/^```\w*\n([\s\S]*?)\n```$/);
  return fence ? pretty(fence[1]) : el("p", {}, runbookWords(text.replaceAll("\n", " ")));
}

/** What the runbook says under a heading, folded; nothing where there is no such heading. */
function runbook(heading) {
  const text = RUNBOOK[heading];
  return text && el(
    "details",
    { class: "runbook" },
    el("summary", {}, t("runbook", { heading })),
    el("div", { lang: "en" }, text.split(/\n\n+/).map(runbookBlock)),
  );
}
