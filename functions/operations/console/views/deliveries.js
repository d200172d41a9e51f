// The orders of a day whose message did not go out.

const listPart = pagedPart("list", {
  path: () => "/deliveries",
  items: "deliveries",
  none({ query }) {
    const state = named("state", query.state);
    return query.reason
      ? t("list.none.reason", { state, reason: named("reason", query.reason) })
      : t("list.none", { state });
  },
  draw({ first, query, all }) {
    if (all.length === 0) {
      return el("p", { class: "caption" }, t("list.caption", { date: first.date, state: named("state", query.state) }));
    }
    const heads = [
      column(t("order.id")),
      column(t("reason")),
      column(t("last.error"), "long"),
      column(t("attempts"), "number"),
      column(t("arrived", { zone: zone() })),
      column(t("changed", { zone: zone() })),
      column(t("action"), "act"),
    ];
    const rows = all.map((one) => [
      orderLink(one.orderId),
      one.reason ? named("reason", one.reason) : "—",
      one.lastError ?? "—",
      number(one.attemptCount),
      time(one.createdAt),
      time(one.updatedAt),
      el("button", {
        type: "button",
        "aria-label": `${t("resend")} ${one.orderId}`,
        click: (event) => askResend(one, event.currentTarget),
      }, t("resend")),
    ]);
    return marked(table(t("list.caption", { date: first.date, state: named("state", query.state) }), heads, rows));
  },
});

/** What the list is of: what failed, if nothing else is said, on a day or on today. */
function chooseList(day, state = "failed", reason = "") {
  $("day").value = day;
  $("state").value = state;
  $("reason").value = reason;
}

/** `2026-09-07`, or as the daily report links to it: `2026-09-07/retrying/retries_exhausted`. */
function openDeliveries(argument) {
  const [day, state, reason] = argument.split("/");
  if (/^\d{4}-\d{2}-\d{2}$/.test(day)) {
    chooseList(day, state, reason);
  }
  loadList();
}

async function loadList({ keep = false } = {}) {
  const day = $("day").value;
  const answer = await listPart.open({ date: day, state: $("state").value, reason: $("reason").value }, { keep });
  // Without a day the API says which one it is.
  if (answer && day === "" && $("day").value === "") {
    $("day").value = answer.first.date;
    today = answer.first.date;
    answer.query.date = answer.first.date;
  }
  if (today !== undefined) {
    $("day").max = today;
  }
  $("day-after").disabled = today !== undefined && $("day").value >= today;
}

function moveDay(days) {
  const day = $("day").value || today;
  if (day === undefined) {
    return;
  }
  $("day").value = dayPlus(day, days);
  loadList();
}

VIEWS["deliveries"] = { word: "deliveries", open: openDeliveries, resent: () => loadList({ keep: true }) };

$("day").addEventListener("change", () => loadList());
$("day-before").addEventListener("click", () => moveDay(-1));
$("day-after").addEventListener("click", () => moveDay(1));
$("state").addEventListener("change", () => loadList());
$("reason").addEventListener("change", () => loadList());
