// The overview: what is to be seen first.

async function openOverview(_, first, anew = false) {
  const keep = { keep: true };
  const held = session;
  if (!first) {
    switchesPart.load(loadSwitches, keep);
  }
  if ($("switch-changes").open) {
    historyPart.open({ kind: "switch", limit: 10 }, keep);
  }
  quotaPart.load(() => get("/quota"), keep);
  const counted = await todayPart.load(countToday, keep);
  // Thirteen days more are not counted anew whenever somebody passes by.
  const old = daysPart.value() === undefined || Date.now() - daysAt > 5 * 60_000;
  if (counted && held === session && (old || anew)) {
    loadDays();
  }
}

$("refresh").addEventListener("click", () => openOverview("", false, true));
