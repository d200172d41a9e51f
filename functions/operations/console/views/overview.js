// The overview: what is to be seen first.

/** Loads what the overview shows; `anew`: whatever is there already. Whoever is elsewhere sees the tallies of it. */
async function lookAround({ anew = false, first = false } = {}) {
  const keep = { keep: true };
  const held = session;
  if (!first) {
    switchesPart.load(loadSwitches, keep);
  }
  loadHistory();
  countDead();
  countReports();
  quotaPart.load(readQuota, keep);
  const counted = await todayPart.load(countToday, keep);
  if (held !== session) {
    return;
  }
  if (!counted) {
    // Unless a later look is under way.
    if (todayPart.trouble()) {
      setUnseen("days", todayPart.trouble(), () => lookAround({ anew: true }));
    }
    return;
  }
  // Thirteen days more are not counted anew whenever somebody passes by.
  const isOld = daysPart.value() === undefined || Date.now() - daysAt > 5 * 60_000;
  if (isOld || anew) {
    await loadDays();
  }
}

/** Whoever unlocks the page has looked around already. */
VIEWS["overview"] = { word: "overview", open: (_, first) => !first && lookAround() };

$("refresh").addEventListener(
  "click",
  (event) => whileBusy(event.currentTarget, "refreshing", lookAround({ anew: true })),
);
