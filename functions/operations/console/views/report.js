// The daily report: days without one, who gets no mail, the latest mail, and a test mail to oneself.

const missingPart = part("report-missing", {
  draw({ missing, suppressed }) {
    const item = (day) => el("li", {}, mark(), reportButton(day, () => $("title-report")));
    const without = el("ul", { class: "needs" }, missing.map(item));
    return [
      missing.length > 0 ? [without, runbook("The mail of a day again")] : fine("report.missing.none"),
      suppressed?.length > 0
        ? [
          el(
            "ul",
            { class: "needs" },
            suppressed.map((one) => el("li", {}, mark(), el("p", {}, suppressedWords(one)))),
          ),
          runbook("A recipient without mail"),
        ]
        : suppressed
        ? fine("report.recipients.all")
        : note(t("report.recipients.unknown")),
    ];
  },
});

const reportPart = part("report-mail", {
  draw(mail) {
    if (mail.subject === undefined) {
      return note(t("report.none"));
    }
    return [
      el("p", {}, el("b", {}, mail.subject), " ", el("span", { class: "hint" }, mail.from)),
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

VIEWS["report"] = {
  word: "report",
  open() {
    missingPart.load(readReports, { keep: true });
    reportPart.load(() => get("/reports/preview", {}), { keep: true });
  },
};

onSubmit("report-form", askTestMail);
