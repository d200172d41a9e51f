// Overview: the last days.

const DAYS = 14;
const DAYS_AT_ONCE = 2;

const daysPart = part("days", {
  draw({ days, trouble }) {
    const known = days.filter((day) => day.counts);
    const sum = (counts) => Object.values(counts ?? {}).reduce((all, one) => all + one, 0);
    const rows = {
      sent: (day) => day.counts.sent,
      suppressed: (day) => sum(day.counts.suppressed),
      failed: (day) => sum(day.counts.failed),
    };
    const total = (row) => number(known.reduce((all, day) => all + rows[row](day), 0));
    const short = (date) => date.slice(5).replace("-", "/");
    const figure = el("div", {
      class: "chart",
      role: "img",
      "aria-label": t("days.chart", { sent: total("sent"), suppressed: total("suppressed"), failed: total("failed") }),
    });
    for (const row of Object.keys(rows)) {
      const most = Math.max(0, ...known.map(rows[row]));
      const bars = days.map((day) => {
        const count = day.counts ? rows[row](day) : undefined;
        const bar = el("div", { class: `rod ${row}` });
        // What is more than nothing is seen.
        bar.style.setProperty("height", count > 0 ? `max(3px, ${(count * 100) / most}%)` : "0");
        const label = count === undefined ? "?" : row !== "sent" && count > 0 ? number(count) : "";
        return el(
          "div",
          { class: "slot", title: `${day.date} · ${t(`count.${row}`)}: ${count === undefined ? "?" : number(count)}` },
          el("span", { class: "tip" }, label),
          el("div", { class: "room" }, bar),
        );
      });
      figure.append(
        el(
          "p",
          { class: "row-name" },
          el("i", { class: `key ${row}` }),
          el("b", {}, t(`count.${row}`)),
          " ",
          el("span", { class: "hint" }, most > 0 ? t("days.max", { n: number(most) }) : t("days.none")),
        ),
        el("div", { class: `slots ${row}` }, bars),
      );
    }
    figure.append(
      el("div", { class: "slots dates" }, days.map((day) => el("div", { class: "slot" }, short(day.date)))),
    );
    const heads = [
      column(t("day")),
      ...["sent", "retried", "open", "suppressed", "failed"].map((name) => column(t(`count.${name}`), "number")),
    ];
    const cells = [...days].reverse().map(({ date, counts }) => {
      if (!counts) {
        return [date, "?", "?", "?", "?", "?"];
      }
      return [
        date,
        ...["sent", "retried", "open"].map((name) => countLink(date, name, counts[name])),
        countLink(date, "suppressed", sum(counts.suppressed)),
        countLink(date, "failed", sum(counts.failed)),
      ];
    });
    const wait = days.some((day) => !day.counts && !day.failed);
    const missing = days.filter((day) => day.failed).length;
    return [
      note(t("days.note")),
      wait ? note(t("loading")) : null,
      missing > 0 && trouble
        ? troubleBox(new Trouble(0, () => t("days.missing", { n: missing, why: trouble.words() })), loadDays)
        : null,
      figure,
      el("details", {}, el("summary", {}, t("days.table")), table(t("days"), heads, cells)),
    ].filter(Boolean);
  },
});

let daysAt = 0;

async function loadDays() {
  if (today === undefined) {
    return;
  }
  const held = session;
  const last = today;
  const before = new Map((daysPart.value()?.days ?? []).map((day) => [day.date, day.counts]));
  const days = Array.from({ length: DAYS }, (_, index) => dayPlus(last, index + 1 - DAYS)).map((date) => ({
    date,
    counts: before.get(date),
  }));
  daysAt = Date.now();
  let trouble;
  const mine = (loadDays.turn = (loadDays.turn ?? 0) + 1);
  const put = () => !held.signal.aborted && mine === loadDays.turn && daysPart.put({ days: [...days], trouble });
  put();
  // The latest first; today's counts are there already.
  days[DAYS - 1].counts = todayPart.value();
  const waiting = [...days.keys()].reverse().slice(1);
  const worker = async () => {
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) {
      try {
        days[index] = { date: days[index].date, counts: await get(`/days/${days[index].date}`) };
      } catch (problem) {
        if (!(problem instanceof Trouble)) {
          return;
        }
        days[index] = { date: days[index].date, failed: true };
        trouble = problem;
      }
      put();
    }
  };
  await Promise.all(Array.from({ length: DAYS_AT_ONCE }, worker));
  if (!held.signal.aborted && mine === loadDays.turn) {
    tellOfDays(days, trouble);
  }
}

/** Those whose outcome nobody knows wait as long as they are counted; what failed otherwise is news for two days. */
const UNKNOWN_OUTCOMES = ["retry_key_expired", "retry_key_conflict"];
const NEWS = 2;

function tellOfDays(days, trouble) {
  const missing = days.filter((day) => !day.counts).length;
  if (missing > 0) {
    setUnseen("days", new Trouble(0, () => t("days.missing", { n: missing, why: troubleWords(trouble) })), loadDays);
    return;
  }
  const spanOf = (some) => `${some[0].date}..${some.at(-1).date}`;
  const need = (some, counted, reason, count) => ({
    words: () => {
      const word = reason === "retries_exhausted"
        ? "exhausted"
        : UNKNOWN_OUTCOMES.includes(reason)
        ? "expired"
        : "failed";
      return t(`needs.${word}`, { n: number(count), reason: named("reason", reason) });
    },
    href: listHash({ span: spanOf(some), counted, reason: reason === "unknown" ? "" : reason }),
    heading: HEADING_OF_REASON[reason] ?? "Failed deliveries",
  });
  const all = [];
  const exhausted = days.reduce((sum, { counts }) => sum + counts.exhausted, 0);
  if (exhausted > 0) {
    all.push(need(days, "open", "retries_exhausted", exhausted));
  }
  for (const reason of [...REASONS, "unknown"]) {
    const some = UNKNOWN_OUTCOMES.includes(reason) ? days : days.slice(-NEWS);
    const count = some.reduce((sum, { counts }) => sum + (counts.failed[reason] ?? 0), 0);
    if (count > 0) {
      all.push(need(some, "failed", reason, count));
    }
  }
  setNeeds("days", all);
}
