// Orders by what became of their message: those that did not go out, if nothing else is asked for.

/** How many days back the list goes, if nobody says which. */
const LATEST = 7;
const MOST_DAYS = 92;
const PAGE = 100;
/** As many rows are loaded again for who comes back. */
const MOST_ROWS = 1000;
const MOST_EXPORTED = 20_000;

/** What the list is of: as `listHash` has it. */
let listed = { span: "", counted: "not_sent", reason: "" };

const listPart = pagedPart("list", {
  path: () => "/deliveries",
  items: "deliveries",
  none: () => t("list.none"),
  onMore: () => keepPlace(),
  draw({ all }) {
    if (all.length === 0) {
      return el("p", { class: "caption" }, listCaption());
    }
    const heads = [
      column(t("order.id")),
      column(t("state")),
      column(t("last.error"), "long"),
      column(t("attempts"), "number"),
      column(t("arrived", { zone: zone() })),
      column(t("changed", { zone: zone() })),
      column(t("action"), "act"),
    ];
    const rows = all.map((one) => [
      el("a", {
        href: `#order=${encodeURIComponent(one.orderId)}`,
        class: "id",
        click: () => keepPlace(one.orderId),
      }, one.orderId),
      stateOf(one),
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
    return [recoverListed(), marked(table(listCaption(), heads, rows))];
  },
});

/** From when to when a span is: of LINE's days, of instants, or the latest days. */
function instantsOf(span) {
  const [first, last = first] = span.split("..");
  if (isDay(first) && isDay(last)) {
    return { from: beginOf(first), to: beginOf(dayPlus(last, 1)) };
  }
  const [from, to] = [Date.parse(first), Date.parse(last)];
  if (from < to) {
    return { from, to };
  }
  const now = today ?? lineDay(Date.now());
  return { from: beginOf(dayPlus(now, 1 - LATEST)), to: beginOf(dayPlus(now, 1)) };
}

/** The other way round: whole days where they are some. */
function spanOf(from, to) {
  const [first, last] = [lineDay(from), lineDay(to - 1)];
  if (from === beginOf(first) && to === beginOf(dayPlus(last, 1))) {
    return first === last ? first : `${first}..${last}`;
  }
  const minute = (at) => new Date(at).toISOString().replace(/:\d\d\.\d+Z$/, "Z");
  return `${minute(from)}..${minute(to)}`;
}

/** The days of the list, its state and reason, for who wants them all sent again. */
function recoverListed() {
  const { from, to } = instantsOf(listed.span);
  return recoverButton({ from: lineDay(from), to: lineDay(to - 1), state: listed.counted, reason: listed.reason });
}

function listCaption() {
  const { from, to } = instantsOf(listed.span);
  const times = [from, to].map((at) => fieldOf(at).replace("T", " ")).join(" – ");
  const reason = listed.reason && named("reason", listed.reason);
  return [t(`count.${listed.counted}`), reason, `${times} (${zone()})`].filter(Boolean).join(" · ");
}

/** The fields say what the list is of, on the clock that is chosen. */
function drawListFields() {
  const { from, to } = instantsOf(listed.span);
  $("list-from").value = fieldOf(from);
  $("list-to").value = fieldOf(to);
  $("count").value = listed.counted;
  $("reason").value = listed.reason;
}

/** Notes in the address how much was seen and where somebody went: the way back leads there. */
function keepPlace(at = "") {
  const rows = Math.min(listPart.value()?.all.length ?? 0, MOST_ROWS);
  history.replaceState(null, "", listHash({ ...listed, rows: rows > PAGE ? rows : "", at }));
}

/** `span/counted/reason/rows/at`, all of it to be left out; a state of former links is said as it is counted. */
function openDeliveries(argument) {
  const [span, what = "", why = "", rows, at] = argument.split("/");
  const [counted, reason] = what === "expired"
    ? ["failed", "retry_key_expired"]
    : [what === "retrying" ? "open" : what, why];
  listed = {
    span,
    counted: Object.hasOwn(COUNTS, counted) ? counted : "not_sent",
    reason: REASONS.includes(reason) ? reason : "",
  };
  drawListFields();
  loadList({ rows: Math.min(Number(rows) || 1, MOST_ROWS), at });
}

/** What the API is asked for. */
function listQuery() {
  const { from, to } = instantsOf(listed.span);
  const iso = (at) => new Date(at).toISOString();
  return { from: iso(from), to: iso(to), ...COUNTS[listed.counted], reason: listed.reason, limit: PAGE };
}

async function loadList({ keep = false, rows, at } = {}) {
  const wanted = listed;
  const answer = await listPart.open(listQuery(), { keep, rows });
  if (answer && at && wanted === listed && place().name === "deliveries") {
    const link = [...$("list").querySelectorAll("th a")].find((one) => one.textContent === at);
    link?.scrollIntoView({ block: "center" });
    link?.focus({ preventScroll: true });
  }
}

const reloadList = () => loadList({ keep: true, rows: listPart.value()?.all.length });

/** Another list: it has an address of its own. */
function goToList(change) {
  go(listHash({ ...listed, ...change }));
}

function chooseSpan() {
  const [from, to] = ["list-from", "list-to"].map((id) => instantOf($(id).value));
  const problem = !(from < to) ? "list.order" : to - from > MOST_DAYS * DAY ? "list.long" : undefined;
  $("list-error").textContent = problem ? t(problem, { n: MOST_DAYS }) : "";
  if (!problem) {
    goToList({ span: spanOf(from, to) });
  }
}

/** The same length, before or after. */
function moveSpan(way) {
  const { from, to } = instantsOf(listed.span);
  const by = way * (to - from);
  goToList({ span: spanOf(from + by, to + by) });
}

/** The whole list as a file, on the clock that is chosen. */
async function exportList() {
  const all = [];
  let cursor;
  try {
    do {
      const page = await get("/deliveries", { ...listQuery(), cursor });
      all.push(...page.deliveries);
      cursor = page.next;
    } while (cursor && all.length < MOST_EXPORTED);
  } catch (trouble) {
    if (trouble instanceof Trouble) {
      say(trouble.words());
    }
    return;
  }
  const heads = ["order.id", "state", "reason", "last.error", "attempts"].map((word) => t(word));
  const rows = all.map((one) => [
    one.orderId,
    named("state", one.delivery),
    one.reason ? named("reason", one.reason) : "",
    one.lastError,
    one.attemptCount,
    clock(one.createdAt),
    clock(one.updatedAt),
  ]);
  const { from, to } = instantsOf(listed.span);
  const name = `orders-${[from, to - 1].map(lineDay).join("-")}-${listed.counted}.csv`;
  const times = [t("arrived", { zone: zone() }), t("changed", { zone: zone() })];
  save({ value: csvOf([[...heads, ...times], ...rows]) }, name);
  say(t(cursor ? "exported.some" : "exported", { n: number(all.length) }));
}

VIEWS["deliveries"] = { word: "deliveries", open: openDeliveries, resent: reloadList };

onSubmit("list-form", chooseSpan);
$("span-before").addEventListener("click", () => moveSpan(-1));
$("span-after").addEventListener("click", () => moveSpan(1));
$("count").addEventListener("change", () => goToList({ counted: $("count").value }));
$("reason").addEventListener("change", () => goToList({ reason: $("reason").value }));
$("list-export").addEventListener("click", (event) => whileBusy(event.currentTarget, "exporting", exportList()));
