// The overview: what is to be seen first.

async function openOverview(_, first, anew = false) {
  const keep = { keep: true };
  const held = session;
  if (!first) {
    switchesPart.load(loadSwitches, keep);
  }
  loadHistory();
  quotaPart.load(() => get("/quota"), keep);
  const counted = await todayPart.load(countToday, keep);
  // Thirteen days more are not counted anew whenever somebody passes by.
  const old = daysPart.value() === undefined || Date.now() - daysAt > 5 * 60_000;
  if (counted && held === session && (old || anew)) {
    loadDays();
  }
}

VIEWS["overview"] = { word: "overview", open: openOverview };

$("refresh").addEventListener("click", () => openOverview("", false, true));
