// Overview: days without a daily report, and who gets no mail.

/** As the report itself says it. */
const suppressedWords = ({ address, why, since }) =>
  t("needs.suppressed", { address, why: named("suppressed", why), day: since });

/** Has the report of a day sent, if nobody has sent it. */
function askReport(date, focus) {
  dialog.ask({
    title: () => t("report.run.ask", { date }),
    text: () => [el("p", {}, t("report.run.text"))],
    confirm: "report.do",
    doing: "report.doing",
    send: async (reason) => {
      const { value } = await call(`/reports/${date}/run`, { method: "POST", body: { reason } });
      say(t(`report-run.${value.report}`, { date }));
    },
    focus,
  });
}

const reportButton = (date, focus) =>
  el("button", {
    type: "button",
    class: "main",
    click: ({ currentTarget }) => askReport(date, () => (currentTarget.isConnected ? currentTarget : focus())),
  }, t("report.run", { date }));

/** What is to be done about the mails. */
async function readReports() {
  try {
    const reports = await get("/reports");
    const { missing, suppressed } = reports;
    const all = (suppressed ?? []).map((one) => ({
      words: () => suppressedWords(one),
      href: "#report",
      heading: "A recipient without mail",
    }));
    if (missing.length > 0) {
      all.push({
        words: () => t("needs.reports", { days: missing.join(t("comma")) }),
        href: "#report",
        heading: "The mail of a day again",
      });
    }
    setNeeds("reports", all);
    if (!suppressed) {
      setUnseen("reports", new Trouble(0, () => t("report.recipients.unknown")), countReports);
    }
    return reports;
  } catch (trouble) {
    if (trouble instanceof Trouble) {
      setUnseen("reports", trouble, countReports);
    }
    throw trouble;
  }
}

/** Where nothing else shows them, only what is to be done is. */
async function countReports() {
  try {
    await readReports();
  } catch (trouble) {
    if (!(trouble instanceof Trouble) && !(trouble instanceof Gone)) {
      console.error(trouble);
    }
  }
}
