// An order's message is sent again.

function askResend(order, button) {
  const id = order.orderId;
  const path = `/orders/${encodeURIComponent(id)}`;
  dialog.ask({
    title: () => t("resend.ask", { id }),
    text: () =>
      [el("p", {}, t("resend.text")), order.reason === "retries_exhausted" ? el("p", {}, t("resend.dead")) : null]
        .filter(Boolean),
    confirm: "resend.do",
    forced: "resend.force",
    twice: order.resend === "needs_force",
    send: async (reason, force) => {
      let answer;
      try {
        answer = await call(`${path}/resend`, { method: "POST", body: force ? { reason, force } : { reason } });
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
