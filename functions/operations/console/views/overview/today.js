// Overview: what became of today's orders.

let today;

/** A number that leads to what it counts, for one reason or for all of them. */
function countLink(date, name, count, reason = "") {
  // A reason that was never recorded can be counted, and not asked for.
  if (count === 0 || reason === "unknown") {
    return number(count);
  }
  const words = [reason ? named("reason", reason) : t(`count.${name}`), number(count)].join(": ");
  return el("a", {
    href: listHash({ span: date, counted: name, reason }),
    "aria-label": t("count.see", { date, words }),
  }, number(count));
}

const todayPart = part("today", {
  dated: true,
  draw(day) {
    const sum = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);
    const reasons = (name, counts) => {
      const rows = Object.entries(counts).filter(([, count]) => count > 0).sort((one, other) => other[1] - one[1]);
      return rows.length > 0
        ? el(
          "ul",
          { class: "reasons" },
          rows.map(([reason, count]) =>
            el("li", {}, el("span", {}, named("reason", reason)), " ", countLink(day.date, name, count, reason))
          ),
        )
        : null;
    };
    const tile = (name, count, more) =>
      el(
        "div",
        { class: `tile ${name} ${count > 0 ? "some" : ""}` },
        el("dt", {}, t(`count.${name}`)),
        el("dd", { class: "count" }, countLink(day.date, name, count)),
        el("dd", { class: "hint" }, t(`count.${name}.note`)),
        more ? el("dd", {}, more) : null,
      );
    const failed = sum(day.failed);
    const suppressed = sum(day.suppressed);
    const nothing = day.sent + day.open + failed + suppressed === 0;
    return [
      note(t("today.of", { date: day.date })),
      nothing ? el("p", {}, t("count.empty")) : null,
      el(
        "dl",
        { class: "tiles" },
        tile("sent", day.sent),
        tile("failed", failed, reasons("failed", day.failed)),
        tile("suppressed", suppressed, reasons("suppressed", day.suppressed)),
        tile("open", day.open),
        tile("retried", day.retried),
      ),
    ].filter(Boolean);
  },
});

async function countToday() {
  const value = await get("/days/today");
  today = value.date;
  return value;
}
