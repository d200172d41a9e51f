// Overview: the switches and who turned them; the banner of every view while one is off.

const SWITCHES_EVERY = 60_000;

// Of the latest answer.
let switches;

const switchesPart = part("switches", {
  draw(all) {
    const master = all.switches.find((one) => one.status === "all");
    return all.switches.map((one) => {
      const held = one.enabled && one.status !== "all" && master?.enabled === false;
      const word = held ? "switch.held" : one.enabled ? "switch.on" : "switch.off";
      const turn = one.enabled ? "switch.turn.off" : "switch.turn.on";
      return el(
        "div",
        { class: "switch" },
        el(
          "div",
          {},
          el("h4", {}, named("status", one.status)),
          el(
            "p",
            {},
            el(
              "span",
              { class: `badge ${one.enabled && !held ? "sent" : "failed"}` },
              el("span", { "aria-hidden": "true" }, one.enabled && !held ? "✓" : "‖"),
              " ",
              t(word),
            ),
          ),
          changed(one),
        ),
        el("button", {
          type: "button",
          id: `turn-${one.status}`,
          class: one.enabled ? "danger" : "main",
          "aria-label": `${t(turn)} ${named("status", one.status)}`,
          click: () => askSwitch(one),
        }, t(turn)),
      );
    });
  },
});

function changed(one) {
  if (one.changedAt === undefined) {
    return el("p", { class: "hint" }, t("switch.never"));
  }
  return el(
    "p",
    { class: "hint" },
    t("switch.changed", { by: one.changedBy ?? t("unknown"), time: clock(one.changedAt) }),
    " ",
    el("q", {}, one.reason ?? ""),
  );
}

function drawBanner() {
  const off = (switches?.switches ?? []).filter((one) => !one.enabled);
  const line = (one) =>
    el(
      "div",
      { class: "alarm-line" },
      el(
        "div",
        {},
        el(
          "h2",
          { id: `off-${one.status}` },
          el("span", { "aria-hidden": "true" }, "‖ "),
          one.status === "all" ? t("banner.all") : t("banner.status", { status: one.status }),
        ),
        changed(one),
      ),
      el("button", {
        type: "button",
        "aria-label": `${t("switch.turn.on")} ${named("status", one.status)}`,
        click: () => askSwitch(one),
      }, t("switch.turn.on")),
    );
  redraw(
    $("banner"),
    off.length === 0 ? [] : [
      el(
        "section",
        { class: "alarm", "aria-labelledby": `off-${off[0].status}` },
        off.map(line),
        el("p", {}, t("banner.text")),
      ),
    ],
  );
}

const historyPart = pagedPart("switch-history", {
  path: () => "/audit",
  items: "entries",
  none: () => t("switch.changes.none"),
  draw: ({ all }) =>
    el(
      "ul",
      { class: "changes" },
      all.map((entry) =>
        el(
          "li",
          { "data-item": "" },
          el("b", {}, entry.detail?.enabled === undefined ? "" : t(entry.detail.enabled ? "turned.on" : "turned.off")),
          " ",
          named("status", entry.subject),
          el("span", { class: "hint" }, time(entry.at), " · ", entry.by),
          el("q", {}, entry.reason),
        )
      ),
    ),
});

/** The latest changes, where they are unfolded. */
function loadHistory() {
  if ($("switch-changes").open && isOpen()) {
    historyPart.open({ kind: "switch", limit: 10 }, { keep: true });
  }
}

function askSwitch(one) {
  const what = named("status", one.status);
  const enabled = !one.enabled;
  const way = enabled ? "on" : "off";
  const seconds = switches.effectiveWithinSeconds;
  dialog.ask({
    title: () => t(`switch.ask.${way}`, { what }),
    text: () => [el("p", {}, t(`switch.text.${way}`, { seconds }))],
    confirm: `switch.do.${way}`,
    doing: `switch.doing.${way}`,
    danger: !enabled,
    send: async (reason) => {
      const { value } = await call(`/switches/${one.status}`, { method: "PUT", body: { enabled, reason } });
      switches = { ...switches, switches: switches.switches.map((old) => (old.status === value.status ? value : old)) };
      switchesPart.put(switches);
      drawBanner();
      loadHistory();
      say(t(`switch.done.${way}`, { what, seconds }));
    },
    focus: () => $(`turn-${one.status}`),
  });
}

async function loadSwitches() {
  switches = await get("/switches");
  drawBanner();
  return switches;
}

whenLocked(() => {
  switches = undefined;
  drawBanner();
});

$("switch-changes").addEventListener("toggle", loadHistory);
setInterval(() => {
  if (isOpen() && document.visibilityState === "visible" && !$("dialog").open) {
    const before = JSON.stringify(switches);
    loadSwitches().then((value) => JSON.stringify(value) !== before && switchesPart.put(value), () => {});
  }
}, SWITCHES_EVERY);
