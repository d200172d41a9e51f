// An order's message is sent again, corrected where somebody wrote something wrong.

/** What operators may correct: what people write. An empty field takes it away. */
const CORRECTABLE = ["startShop", "endShop", "detailUrl"];

/** Fields with what the order says now. */
function correctionFields(posted) {
  const field = (name) => [
    el("label", { for: `correction-${name}` }, t(`field.${name}`)),
    el("input", { type: "text", id: `correction-${name}`, autocomplete: "off", value: posted[name] ?? "" }),
  ];
  return el(
    "details",
    { class: "correction" },
    el("summary", {}, t("correction")),
    el("p", { class: "hint" }, t("correction.hint")),
    CORRECTABLE.map(field),
  );
}

/** The fields that were changed, as the API takes them; undefined where none was. */
function correction(posted) {
  const written = CORRECTABLE.map((name) => [name, $(`correction-${name}`)?.value.trim() || null]);
  const changed = written.filter(([name, value]) => value !== (posted[name] ?? null));
  return changed.length > 0 ? Object.fromEntries(changed) : undefined;
}

/** The order as it is now: a list does not say what was posted, and a page may be an hour old. */
async function orderNow(path, found) {
  try {
    return await get(path);
  } catch (trouble) {
    // Where it cannot be had, the message can be sent again as it is; the API decides by what it knows.
    return trouble instanceof Gone ? undefined : found;
  }
}

async function askResend(found, button) {
  const id = found.orderId;
  const path = `/orders/${encodeURIComponent(id)}`;
  const order = await whileBusy(button, "loading", orderNow(path, found));
  if (order === undefined) {
    return;
  }
  const posted = order.order;
  dialog.ask({
    title: () => t("resend.ask", { id }),
    text: () =>
      [
        el("p", {}, t("resend.text")),
        order.reason === "retries_exhausted" ? el("p", {}, t("resend.dead")) : null,
        posted ? correctionFields(posted) : null,
      ].filter(Boolean),
    confirm: "resend.do",
    doing: "resend.doing",
    forced: "resend.force",
    twice: order.resend === "needs_force",
    send: async (reason, force) => {
      const body = { reason, force: force || undefined, correction: posted && correction(posted) };
      let answer;
      try {
        answer = await call(`${path}/resend`, { method: "POST", body });
      } catch (trouble) {
        // A conflict is a delivery in flight, or one that wants a second decision: the order says which.
        if (trouble.status === 409 && !force && (await get(path)).resend === "needs_force") {
          return "twice";
        }
        throw trouble;
      }
      const { status, value } = answer;
      const state = named("state", value.delivery);
      say(
        status === 202
          ? t("resend.done.later", { id })
          : value.delivery === "sent"
          ? t("resend.done.sent", { id })
          : t("resend.done.other", { id, state: value.reason ? `${state} (${named("reason", value.reason)})` : state }),
      );
      VIEWS[place().name].resent?.(value);
      return undefined;
    },
    focus: () => (button.isConnected ? button : place().name === "order" ? $("order-name") : $("title-deliveries")),
  });
}
