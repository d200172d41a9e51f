// Times as operators read them, and days of the calendar.

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The zone's offset, as it is now. */
function zone() {
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "shortOffset" }).formatToParts();
  return parts.find((part) => part.type === "timeZoneName").value;
}

function clock(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) {
    return iso;
  }
  const two = (value) => String(value).padStart(2, "0");
  // The same for everybody: 11/12 is another day elsewhere.
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${
    two(at.getMinutes())
  }:${two(at.getSeconds())}`;
}

const time = (iso) => el("time", { datetime: iso, title: iso }, clock(iso));

/** Days are counted as UTC days, so that no summer time comes between. */
function dayPlus(day, days) {
  const at = new Date(`${day}T00:00:00Z`);
  at.setUTCDate(at.getUTCDate() + days);
  return at.toISOString().slice(0, 10);
}
