// Dead letters: listed, redriven, discarded.

const deadPart = pagedPart("dead", {
  path: () => "/dead-letters",
  items: "deadLetters",
  none: () => t("dead.none"),
  draw({ first, all }) {
    const heads = [
      column(t("queue")),
      column(t("dead.body"), "long"),
      column(t("dead.received"), "number"),
      column(t("dead.sent", { zone: zone() })),
      column(t("action"), "act"),
    ];
    const rows = all.map((one) => [
      named("queue", one.queue),
      [
        one.orderId
          ? el(
            "p",
            {},
            el("a", {
              href: `#order=${encodeURIComponent(one.orderId)}`,
              "aria-label": t("dead.look", { id: one.orderId }),
              class: "id",
            }, one.orderId),
          )
          : null,
        LETTERS.includes(one.letter) ? note(named("letter", one.letter)) : null,
        el("details", {}, el("summary", {}, t("dead.body")), pretty(one.body)),
        one.reportDate ? reportButton(one.reportDate, () => $("title-dead")) : null,
      ],
      number(one.receiveCount),
      time(one.sentAt),
      el("button", {
        type: "button",
        class: "danger",
        "aria-label": `${t("discard")} ${one.orderId ?? one.id}`,
        click: (event) => askDiscard(one, event.currentTarget),
      }, t("discard")),
    ]);
    return [
      el(
        "section",
        { "aria-labelledby": "dead-queues" },
        el("h3", { id: "dead-queues" }, t("dead.queues")),
        el("div", { class: "queues" }, first.queues.map(drawQueue)),
      ),
      el("h3", { id: "dead-list", tabindex: "-1" }, t("dead.list")),
      all.length > 0 ? marked(table(t("dead.caption"), heads, rows)) : [],
    ];
  },
});

function drawQueue(one) {
  const name = named("queue", one.queue);
  const redrive = one.redrive;
  const progress = redrive && redrive.moved !== undefined && redrive.total !== undefined
    ? ` ${t("dead.progress", { moved: number(redrive.moved), total: number(redrive.total) })}`
    : "";
  return el(
    "div",
    { class: `card queue ${one.visible > 0 ? "some" : ""}` },
    el(
      "div",
      {},
      el("h4", {}, name),
      el(
        "p",
        {},
        el(
          "b",
          {},
          one.visible > 0
            ? el("a", { href: `#dead-letters=${one.queue}` }, t("dead.count", { visible: number(one.visible) }))
            : t("dead.count", { visible: number(one.visible) }),
        ),
        one.notVisible > 0 ? ` · ${t("dead.moving", { n: number(one.notVisible) })}` : "",
      ),
      redrive
        ? el(
          "p",
          { class: "hint" },
          t("dead.latest", { status: named("redrive", redrive.status) }),
          progress,
          redrive.startedAt ? [" · ", time(redrive.startedAt)] : null,
          redrive.failure ? ` · ${redrive.failure}` : "",
        )
        : null,
      one.redrivable ? null : el("p", { class: "hint" }, t("dead.not")),
      one.visible > 0 ? runbook(HEADING_OF_QUEUE[one.queue]) : null,
    ),
    one.redrivable
      ? el("button", {
        type: "button",
        class: "main",
        id: `redrive-${one.queue}`,
        disabled: one.visible + one.notVisible === 0,
        "aria-label": `${t("redrive")} ${name}`,
        click: () => askRedrive(one.queue),
      }, t("redrive"))
      : null,
  );
}

async function loadDead(keep) {
  const answer = await deadPart.open({ queue: $("queue").value }, { keep });
  if (answer) {
    putDeadCounts(answer.first.queues);
  }
}

function openDead(queue) {
  $("queue").value = QUEUES.includes(queue) ? queue : "";
  loadDead(false);
}

function askRedrive(queue) {
  const name = named("queue", queue);
  dialog.ask({
    title: () => t("redrive.ask", { queue: name }),
    text: () => [el("p", {}, t("redrive.text"))],
    confirm: "redrive.do",
    doing: "redrive.doing",
    send: async (reason) => {
      const { value } = await call("/dead-letters/redrive", { method: "POST", body: { queue, reason } });
      say(
        value.redrive === "moved"
          ? t("redrive.moved", { queue: name, n: number(value.moved ?? 0) })
          : t("redrive.started", { queue: name }),
      );
      loadDead(true);
    },
    focus: () => ($(`redrive-${queue}`)?.disabled === false ? $(`redrive-${queue}`) : $("title-dead")),
  });
}

function askDiscard(one, button) {
  dialog.ask({
    title: () => t("discard.ask"),
    text: () => [
      el("p", {}, named("queue", one.queue), one.orderId ? [" · ", code(one.orderId)] : null),
      el("p", {}, t("discard.text")),
    ],
    confirm: "discard.do",
    doing: "discard.doing",
    danger: true,
    send: async (reason) => {
      const { value } = await call(`/dead-letters/${encodeURIComponent(one.id)}`, {
        method: "DELETE",
        query: { reason },
      });
      say(
        value.orderId && value.delivery
          ? t("discard.done.order", { id: value.orderId, state: named("state", value.delivery) })
          : t("discard.done"),
      );
      // The queue shows a message that was just looked at only after a moment: take it out of the list here.
      const shown = deadPart.value();
      if (shown) {
        const oneLess = (queue) => ({ ...queue, visible: Math.max(0, queue.visible - 1) });
        const queues = shown.first.queues.map((queue) => (queue.queue === one.queue ? oneLess(queue) : queue));
        const all = shown.all.filter((other) => other.id !== one.id);
        deadPart.put({ ...shown, first: { ...shown.first, queues }, all });
        putDeadCounts(queues);
      }
    },
    focus: () => (button.isConnected ? button : $("dead-list") ?? $("title-dead")),
  });
}

VIEWS["dead-letters"] = { word: "dead", open: openDead };

$("dead-refresh").addEventListener("click", (event) => whileBusy(event.currentTarget, "refreshing", loadDead(true)));
$("queue").addEventListener(
  "change",
  () => go($("queue").value ? `#dead-letters=${$("queue").value}` : "#dead-letters"),
);
