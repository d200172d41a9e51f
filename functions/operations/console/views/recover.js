// Many orders that did not go out are sent again: counted first, then started, watched, paused, resumed and stopped.

/** How often a recovery that moves is looked at, in ms; it takes a step a minute. */
const RECOVERY_LOOK = 5_000;
const RECOVERABLE = ["suppressed", "failed", "expired", "retrying"];

let recoveryTimer;

/** The way from a list of orders to their recovery; a state that cannot be recovered is left open. */
const recoverButton = ({ from, to, state, reason }) =>
  el("button", {
    type: "button",
    class: "recover",
    click: () => go(`#recoveries=${[from, to, state, reason].join("/")}`),
  }, t("recover.open"));

/** What the form asks for, as the API has it. */
function recoverFilter() {
  const whole = (id) => ($(id).value === "" ? undefined : Number($(id).value));
  return {
    from: $("recover-from").value,
    to: $("recover-to").value,
    state: $("recover-state").value,
    reasons: $("recover-reason").value === "" ? [] : [$("recover-reason").value],
    atMost: whole("recover-most"),
    maxAgeHours: whole("recover-age"),
    force: $("recover-force").checked,
  };
}

const counted = (words) => ([name, count]) => [words(name), number(count)];
const byReason = (counts) => Object.entries(counts).map(counted((name) => named("reason", name)));
const leftOut = (counts) => Object.entries(counts).map(counted((name) => named("recover-skip", name)));

const countedPart = part("recover-counted", {
  draw: ({ filter, survey }) => {
    const left = survey.quotaRemaining;
    const quota = left === undefined
      ? note(t("recover.quota.unknown"))
      : survey.takes > left
      ? el("p", { class: "problem" }, t("recover.quota.short", { n: number(left) }))
      : note(t("recover.quota", { n: number(left) }));
    return [
      el("p", {}, el("b", {}, t("recover.takes", { matches: number(survey.matches), takes: number(survey.takes) }))),
      quota,
      survey.complete ? null : note(t("recover.partial")),
      terms(leftOut(survey.skipped)),
      el("button", {
        type: "button",
        class: "main",
        id: "recover-start",
        disabled: survey.takes === 0,
        click: () => askStart(filter, survey),
      }, t("recover.start")),
    ].filter(Boolean);
  },
});

const countMatches = () => {
  const filter = recoverFilter();
  return countedPart.load(async () => {
    const { value } = await call("/deliveries/recover", { method: "POST", body: { ...filter, dryRun: true } });
    return { filter, survey: value };
  });
};

function askStart(filter, survey) {
  dialog.ask({
    title: () => t("recover.start.ask", { n: number(survey.takes) }),
    text: () => [el("p", {}, t("recover.start.text", { n: number(survey.perMinute) }))],
    confirm: "recover.start.do",
    forced: "recover.start.force",
    twice: filter.force,
    send: async (reason) => {
      await call("/deliveries/recover", { method: "POST", body: { ...filter, dryRun: false, reason } });
      say(t("recover.started"));
      countedPart.forget();
      lookAtRecoveries();
    },
    focus: () => $("title-recoveries"),
  });
}

const recoveriesPart = part("recoveries", {
  draw: ({ recoveries }) => {
    if (recoveries.length === 0) {
      return note(t("recover.none"));
    }
    const [latest, ...former] = recoveries;
    const heads = [
      column(t("recover.started.at", { zone: zone() })),
      column(t("state")),
      column(t("recover.sent"), "number"),
      column(t("audit.by")),
      column(t("audit.reason"), "long"),
    ];
    const rows = former.map((one) => [
      time(one.startedAt),
      named("recover-state", one.state),
      number(one.sent),
      one.startedBy,
      one.reason,
    ]);
    return [drawRecovery(latest), rows.length > 0 ? marked(table(t("recover.former"), heads, rows)) : []];
  },
});

function drawRecovery(one) {
  const total = one.state === "finished" ? one.ended : one.total;
  const values = { ended: number(one.ended), total: number(total ?? 0), way: number(one.onTheWay) };
  const { from, to, state, reasons } = one.filter;
  const words = total === undefined ? t("recover.progress.open", values) : t("recover.progress", values);
  const left = one.secondsLeft === undefined ? "" : ` · ${t("recover.left", { n: Math.ceil(one.secondsLeft / 60) })}`;
  const does = one.state === "running" ? ["pause", "stop"] : one.state === "paused" ? ["resume", "stop"] : [];
  return el(
    "section",
    { class: `card recovery ${one.state}`, "aria-labelledby": "recovery-state" },
    el("h3", { id: "recovery-state" }, named("recover-state", one.state)),
    one.metAgain ? el("p", { class: "problem" }, t("recover.met", { reason: named("reason", one.metAgain) })) : null,
    total > 0 ? el("progress", { max: total, value: one.ended, "aria-label": t("recover.nav") }) : null,
    el("p", {}, el("b", {}, words), left),
    terms([
      [t("recover.sent"), number(one.sent)],
      ...byReason(one.suppressed),
      ...byReason(one.failed),
      ...leftOut(one.skipped),
    ]),
    note([`${from} – ${to}`, named("state", state), ...reasons.map((reason) => named("reason", reason))].join(" · ")),
    el("p", { class: "hint" }, time(one.startedAt), ` · ${one.startedBy}: ${one.reason}`),
    one.changeReason && one.changedAt !== one.startedAt
      ? el("p", { class: "hint" }, time(one.changedAt), ` · ${one.changedBy}: ${one.changeReason}`)
      : null,
    el(
      "div",
      { class: "actions" },
      does.map((what) =>
        el("button", {
          type: "button",
          class: what === "stop" ? "danger" : "main",
          id: `recovery-${what}`,
          click: () => askChange(one, what),
        }, t(`recover.${what}`))
      ),
    ),
  );
}

function askChange(one, what) {
  const state = { pause: "paused", resume: "running", stop: "stopped" }[what];
  dialog.ask({
    title: () => t(`recover.ask.${what}`),
    text: () => [el("p", {}, t(`recover.text.${what}`))],
    confirm: `recover.do.${what}`,
    danger: what === "stop",
    send: async (reason) => {
      await call(`/recoveries/${encodeURIComponent(one.id)}`, { method: "PUT", body: { state, reason } });
      say(named("recover-state", state));
      lookAtRecoveries();
    },
    focus: () => $("title-recoveries"),
  });
}

/** Looks, and again in a while as long as anything moves and somebody watches. */
async function lookAtRecoveries() {
  clearTimeout(recoveryTimer);
  const answer = await recoveriesPart.load(() => get("/recoveries"), { keep: true });
  const moves = asList(answer?.recoveries).some((one) => one.state === "running" || one.onTheWay > 0);
  if (moves && isOpen() && place().name === "recoveries") {
    recoveryTimer = setTimeout(lookAtRecoveries, RECOVERY_LOOK);
  }
}

/** `2026-09-07/2026-09-08/suppressed/switched_off`: what a list showed. */
function openRecoveries(argument) {
  const [from, to, state, reason = ""] = argument.split("/");
  const day = today ?? lineDay(Date.now());
  if (argument !== "" || $("recover-from").value === "") {
    $("recover-from").value = from || day;
    $("recover-to").value = to || from || day;
    $("recover-state").value = RECOVERABLE.includes(state) ? state : "suppressed";
    $("recover-reason").value = REASONS.includes(reason) ? reason : "";
    $("recover-force").checked = false;
    countedPart.forget();
  }
  lookAtRecoveries();
}

VIEWS["recoveries"] = { word: "recover.nav", open: openRecoveries };

whenLocked(() => clearTimeout(recoveryTimer));
onSubmit("recover-form", countMatches);
$("recover-form").addEventListener("change", () => countedPart.forget());
$("recover-refresh").addEventListener("click", lookAtRecoveries);
