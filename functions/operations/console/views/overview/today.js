// Overview: what became of today's orders.

let today;

const todayPart = part("today", {
  draw(day) {
    const sum = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);
    const reasons = (counts) => {
      const rows = Object.entries(counts).filter(([, count]) => count > 0).sort((one, other) => other[1] - one[1]);
      return rows.length > 0
        ? el(
          "ul",
          { class: "reasons" },
          rows.map(([reason, count]) =>
            el("li", {}, el("span", {}, named("reason", reason)), " ", el("b", {}, number(count)))
          ),
        )
        : null;
    };
    const tile = (name, count, more) =>
      el(
        "div",
        { class: `tile ${name} ${count > 0 ? "some" : ""}` },
        el("dt", {}, t(`count.${name}`)),
        el("dd", { class: "count" }, number(count)),
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
        tile("failed", failed, [
          reasons(day.failed),
          failed > 0 ? el("a", { href: `#deliveries=${day.date}` }, t("count.see")) : null,
        ]),
        tile("suppressed", suppressed, reasons(day.suppressed)),
        tile("open", day.open),
        tile("retried", day.retried),
      ),
      el("p", { class: "hint" }, t("as.of", { time: clock(day.at) })),
    ].filter(Boolean);
  },
});

async function countToday() {
  const value = await get("/days/today");
  today = value.date;
  return { ...value, at: new Date().toISOString() };
}
