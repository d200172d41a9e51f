// An order: how far its message got, and what the customer sees.

let orderId = "";

const orderPart = part("found", {
  idle: "order.idle",
  draw(order) {
    const advice = order.reason && `advice.${order.reason}` in WORDS[language]
      ? `advice.${order.reason}`
      : `advice.${order.delivery}`;
    const cannot = ["in_flight", "erased"].includes(order.resend);
    const dead = order.reason === "retries_exhausted";
    const member = order.order?.recipient?.memberId;
    const head = el(
      "section",
      { class: "card order-head", "aria-labelledby": "order-name" },
      el(
        "div",
        {},
        el("h3", { id: "order-name", tabindex: "-1" }, t("order.caption", { id: order.orderId })),
        el("p", {}, badge(order.delivery), order.reason ? ` ${named("reason", order.reason)}` : ""),
        advice in WORDS[language] ? note(t(advice)) : null,
        order.reason === "not_linked" && member
          ? el(
            "p",
            {},
            `${t("member.id")} `,
            el("button", { type: "button", class: "link", click: () => lookUpMember(member) }, member),
          )
          : null,
        order.lastError && order.delivery !== "sent" ? el("blockquote", { class: "said" }, order.lastError) : null,
        cannot ? el("p", { class: "hint", id: "in-flight" }, t(`resend.${order.resend}`)) : null,
        order.delivery === "sent" ? null : runbook(HEADING_OF_REASON[order.reason]),
      ),
      el(
        "div",
        { class: "actions" },
        el("button", { type: "button", id: "order-refresh", click: () => refreshOrder(order.orderId) }, t("refresh")),
        dead ? el("a", { class: "button main", href: "#dead-letters=push-retry" }, t("dead.title")) : null,
        el("button", {
          type: "button",
          id: "order-resend",
          class: order.resend === "allowed" && !dead ? "main" : undefined,
          disabled: cannot,
          "aria-describedby": cannot ? "in-flight" : undefined,
          click: (event) => askResend(order, event.currentTarget),
        }, t("resend")),
      ),
    );
    const sent = order.delivery === "sent";
    const preview = el(
      "section",
      { class: "card", "aria-labelledby": "order-seen" },
      el("h3", { id: "order-seen" }, t(sent ? "order.preview" : "order.preview.not")),
      order.messages.length === 0
        ? note(t(order.erasedAt ? "order.erased" : "order.nobody"))
        : order.messages.map(drawMessage),
    );
    const happened = el(
      "section",
      { class: "card", "aria-labelledby": "order-happened" },
      el("h3", { id: "order-happened" }, t("order.timeline")),
      timeline(order),
    );
    const details = el(
      "section",
      { class: "card", "aria-labelledby": "order-details" },
      el("h3", { id: "order-details" }, t("order.details")),
      terms([
        [t("arrived", { zone: zone() }), time(order.createdAt)],
        [t("changed", { zone: zone() }), time(order.updatedAt)],
        [t("line.day"), order.date],
        [
          t("user"),
          order.lineUserId && [
            code(order.lineUserId),
            " ",
            el(
              "button",
              { type: "button", class: "link", click: () => lookUpUser(order.lineUserId) },
              t("user.messages"),
            ),
          ],
        ],
        [
          t("member.id"),
          member && el("button", { type: "button", class: "link", click: () => lookUpMember(member) }, member),
        ],
        [t("attempts"), number(order.attemptCount)],
        [t("may.have"), t(order.mayHaveReachedLine ? "yes" : "no")],
        [t("generation"), number(order.generation)],
        [t("retry.key"), code(order.retryKey)],
        [t("key.used"), order.keyFirstUsedAt && time(order.keyFirstUsedAt)],
        [t("request.id"), order.lineRequestId && code(order.lineRequestId)],
        [t("accepted.request"), order.lineAcceptedRequestId && code(order.lineAcceptedRequestId)],
        [t("message.id"), order.lineMessageId && code(order.lineMessageId)],
      ]),
      order.order ? el("details", {}, el("summary", {}, t("order.posted")), pretty(order.order)) : null,
    );
    return [head, el("div", { class: "columns" }, el("div", { class: "stack" }, happened, details), preview)];
  },
});

/** Requests and resends in the order in which they happened. */
function timeline(order) {
  const steps = [
    { at: order.createdAt, rank: 0, mark: "•", what: [el("b", {}, t("timeline.arrived"))] },
    ...order.resends.map((one) => ({
      at: one.at,
      rank: 1,
      name: "resent",
      mark: "↻",
      what: [
        el("b", {}, t("timeline.resent", { by: one.by })),
        one.force ? ` (${t("timeline.forced")})` : "",
        el("q", {}, one.reason),
        el("span", { class: "hint" }, t("timeline.key", { n: one.generation })),
      ],
    })),
    ...order.attempts.map((one) => ({
      at: one.at,
      rank: 2,
      name: one.delivery,
      mark: MARKS[one.delivery] ?? "•",
      what: [
        el(
          "b",
          {},
          one.lineStatus !== undefined
            ? t("timeline.answer", { status: one.lineStatus })
            : t(one.delivery === "suppressed" ? "timeline.not.asked" : "timeline.no.answer"),
        ),
        ` → ${named("state", one.delivery)}`,
        one.despite ? note(t(`despite.${one.despite}`)) : null,
        one.error ? el("blockquote", { class: "said" }, one.error) : null,
        el(
          "span",
          { class: "hint" },
          one.lineRequestId ? [t("timeline.request"), " ", code(one.lineRequestId), " · "] : null,
          t("timeline.key", { n: one.generation }),
        ),
      ],
    })),
  ];
  steps.sort((one, other) => Date.parse(one.at) - Date.parse(other.at) || one.rank - other.rank);
  const some = order.attemptCount > order.attempts.length;
  return [
    some ? note(t("timeline.some", { all: number(order.attemptCount), n: number(order.attempts.length) })) : null,
    order.attempts.length === 0 ? note(t("timeline.none")) : null,
    el(
      "ol",
      { class: "timeline", "aria-label": t("timeline.caption") },
      steps.map((step) =>
        el(
          "li",
          { class: step.name },
          el("span", { class: "dot", "aria-hidden": "true" }, step.mark),
          el("div", {}, time(step.at), el("div", {}, step.what)),
        )
      ),
    ),
  ].filter(Boolean);
}

function openOrder(argument) {
  if (argument !== "") {
    $("order-id").value = argument;
    lookUp(argument);
  }
}

async function lookUp(id) {
  orderId = id;
  if (!ID.test(id)) {
    orderPart.fail(new Trouble(0, () => t(id === "" ? "order.empty" : "order.wrong")));
    return;
  }
  const found = await orderPart.load(async () => {
    try {
      return await get(`/orders/${encodeURIComponent(id)}`);
    } catch (trouble) {
      throw trouble.status === 404 ? new Trouble(404, () => t("order.none", { id })) : trouble;
    }
  }, { keep: orderPart.value()?.orderId === id });
  if (found && orderId === id) {
    say(`${t("order.caption", { id })}: ${named("state", found.delivery)}`, { quietly: true });
  }
}

const refreshOrder = (id) => whileBusy($("order-refresh"), "refreshing", lookUp(id));

VIEWS["order"] = {
  word: "order",
  open: openOrder,
  resent(order) {
    orderId = order.orderId;
    orderPart.put(order);
  },
};

onSubmit("order-form", () => {
  const id = $("order-id").value.trim();
  if (ID.test(id)) {
    go(`#order=${encodeURIComponent(id)}`);
  } else {
    lookUp(id);
  }
});
