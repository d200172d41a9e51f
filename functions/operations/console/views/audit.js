// What operators did.

const auditPart = pagedPart("audit", {
  path: () => "/audit",
  items: "entries",
  none: () => t("audit.none"),
  draw({ all }) {
    const heads = [
      column(t("audit.subject"), "id"),
      column(t("audit.by")),
      column(t("audit.at", { zone: zone() })),
      column(t("audit.reason"), "long"),
      column(t("audit.detail"), "long"),
    ];
    const subject = (
      one,
    ) => (one.kind === "resend" && ID.test(one.subject)
      ? orderLink(one.subject)
      : one.kind === "switch"
      ? named("status", one.subject)
      : one.kind === "redrive"
      ? named("queue", one.subject)
      : one.subject);
    const rows = all.map((one) => [subject(one), one.by, time(one.at), one.reason ?? "—", detailOf(one)]);
    return all.length > 0 ? marked(table(t("audit.caption"), heads, rows)) : [];
  },
});

function detailOf({ kind, detail }) {
  if (kind === "switch" && typeof detail?.enabled === "boolean") {
    return t(detail.enabled ? "turned.on" : "turned.off");
  }
  const entries = Object.entries(detail ?? {});
  return entries.length > 0
    ? entries.map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join(
      t("comma"),
    )
    : "—";
}

function openAudit(kind) {
  if ([...$("kind").options].some(({ value }) => value === kind)) {
    $("kind").value = kind;
  }
  auditPart.open({ kind: $("kind").value });
}

VIEWS["audit"] = { word: "audit", open: openAudit };

$("kind").addEventListener("change", () => go(`#audit=${$("kind").value}`));
