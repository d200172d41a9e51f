// Overview: the month's messages at LINE.

const quotaPart = part("quota", {
  dated: true,
  draw(quota) {
    const source = el("p", { class: "hint" }, t("quota.source"));
    if (quota.limit === undefined) {
      return [el("p", {}, t("quota.unlimited", { used: number(quota.used) })), source];
    }
    const percent = quota.usedPercent ?? (quota.limit > 0 ? Math.floor((quota.used * 100) / quota.limit) : 100);
    const left = quota.remaining ?? Math.max(0, quota.limit - quota.used);
    const marks = [...quota.thresholds].sort((one, other) => one - other);
    const reached = marks.filter((mark) => percent >= mark).at(-1);
    const level = left === 0 ? "ended" : reached !== undefined ? "reached" : "fine";
    const bar = el("div", {
      class: `meter ${level}`,
      role: "meter",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      "aria-valuenow": String(Math.min(100, percent)),
      "aria-label": t("quota"),
      "aria-valuetext": t("quota.label", { percent }),
    });
    const fill = el("div", { class: "fill" });
    fill.style.setProperty("width", `${Math.min(100, percent)}%`);
    bar.append(fill);
    for (const mark of marks.filter((mark) => mark > 0 && mark < 100)) {
      const line = el("div", { class: "mark", title: `${mark}%` });
      line.style.setProperty("left", `${mark}%`);
      bar.append(line);
    }
    return [
      el("p", { class: "big" }, t("quota.left", { left: number(left) })),
      bar,
      el("p", {}, t("quota.used", { used: number(quota.used), limit: number(quota.limit), percent })),
      quota.usedUpOn && left > 0 ? el("p", {}, t("quota.runs_out", { day: quota.usedUpOn })) : null,
      level === "fine" && marks.length === 0 ? null : el(
        "p",
        { class: `level ${level}` },
        el("span", { "aria-hidden": "true" }, level === "fine" ? "✓ " : "! "),
        t(`quota.${level}`, { reached, next: marks[0] }),
      ),
      marks.length > 0
        ? el("p", { class: "hint" }, t("quota.marks", { all: marks.map((mark) => `${mark}%`).join(t("comma")) }))
        : null,
      source,
    ].filter(Boolean);
  },
});

/** The figures; where the month's messages will not last, somebody has to buy some. */
async function readQuota() {
  try {
    const quota = await get("/quota");
    const isUsedUp = quota.limit !== undefined && quota.used >= quota.limit;
    const word = quota.limit === undefined
      ? "no_limit"
      : isUsedUp
      ? "used_up"
      : quota.usedUpOn
      ? "runs_out"
      : undefined;
    const need = {
      words: () => t(`needs.${word}`, { day: quota.usedUpOn }),
      heading: isUsedUp ? "Quota used up" : "Quota",
    };
    setNeeds("quota", word ? [need] : []);
    return quota;
  } catch (trouble) {
    if (trouble instanceof Trouble) {
      setUnseen("quota", trouble, () => quotaPart.load(readQuota, { keep: true }));
    }
    throw trouble;
  }
}
