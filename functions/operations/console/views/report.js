// The latest mail of the daily report, and a test mail to oneself.

const reportPart = part("report-mail", {
  draw(mail) {
    if (mail.subject === undefined) {
      return note(t("report.none"));
    }
    return [
      el("p", {}, el("b", {}, mail.subject), el("span", { class: "hint" }, mail.from)),
      // Its HTML is seen in a mail program: a test mail.
      el("pre", { tabindex: "0", "aria-label": mail.subject }, mail.text),
    ];
  },
});

function askTestMail() {
  const to = $("report-to").value.trim();
  $("report-to").setAttribute("aria-invalid", String(to === ""));
  if (to === "") {
    $("report-to").focus();
    return;
  }
  dialog.ask({
    title: () => t("report.ask", { to }),
    text: () => [el("p", {}, t("report.ask.text"))],
    confirm: "report.do",
    doing: "report.doing",
    send: async (reason) => {
      await call("/reports/test-mail", { method: "POST", body: { to, reason } });
      say(t("report.sent", { to }));
    },
    focus: () => $("report-to"),
  });
}

VIEWS["report"] = { word: "report", open: () => reportPart.load(() => get("/reports/preview", {}), { keep: true }) };

onSubmit("report-form", askTestMail);
