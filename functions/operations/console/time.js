// Times as operators read them, on one clock; and days of LINE's calendar, whose zone is UTC+9.

/** The zone of each country's shops; of several the capital's. */
const COUNTRY_ZONES = {
  JP: "Asia/Tokyo",
  TW: "Asia/Taipei",
  TH: "Asia/Bangkok",
  HK: "Asia/Hong_Kong",
  MO: "Asia/Macau",
  ID: "Asia/Jakarta",
  MY: "Asia/Kuala_Lumpur",
  SG: "Asia/Singapore",
  VN: "Asia/Ho_Chi_Minh",
  PH: "Asia/Manila",
  KR: "Asia/Seoul",
};

/** The operator's zone, LINE's, and the shops' where the country is known. */
const ZONES = { own: Intl.DateTimeFormat().resolvedOptions().timeZone, line: "Asia/Tokyo" };
/** Which of them the operator wants; forgotten with the page. */
let chosenZone = "own";

const LINE_OFFSET = 9 * 3600_000;
const DAY = 24 * 3600_000;

/** A zone's offset, as it is now: `UTC+8`. */
function offsetOf(name) {
  const parts = new Intl.DateTimeFormat("en", { timeZone: name, timeZoneName: "shortOffset" }).formatToParts();
  return parts.find((part) => part.type === "timeZoneName").value.replace("GMT", "UTC");
}

const zone = () => offsetOf(ZONES[chosenZone]);

/** The wall clock of the chosen zone. */
function wallClock(at) {
  const format = new Intl.DateTimeFormat("en", {
    timeZone: ZONES[chosenZone],
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  return Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
}

function clock(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) {
    return iso;
  }
  // The same for everybody: 11/12 is another day elsewhere.
  const { year, month, day, hour, minute, second } = wallClock(at);
  return `${year}-${month}-${day} ${hour}:${minute}:${second}`;
}

const time = (iso) => el("time", { datetime: iso, title: iso }, clock(iso));

/** What a field for a date and a time shows of an instant, in milliseconds. */
function fieldOf(at) {
  const { year, month, day, hour, minute } = wallClock(new Date(at));
  return `${year}-${month}-${day}T${hour}:${minute}`;
}

/** The instant that such a field means; in an hour that a summer time repeats, one of the two. */
function instantOf(field) {
  const asUtc = Date.parse(`${field}Z`);
  const offsetAt = (at) => Date.parse(`${fieldOf(at)}Z`) - Math.floor(at / 60_000) * 60_000;
  return asUtc - offsetAt(asUtc - offsetAt(asUtc));
}

const isDay = (text) => /^\d{4}-\d{2}-\d{2}$/.test(text);

/** Days are counted as UTC days, so that no summer time comes between. */
function dayPlus(day, days) {
  const at = new Date(`${day}T00:00:00Z`);
  at.setUTCDate(at.getUTCDate() + days);
  return at.toISOString().slice(0, 10);
}

/** LINE's day of an instant, and the instant at which a day begins. */
const lineDay = (at) => new Date(at + LINE_OFFSET).toISOString().slice(0, 10);
const beginOf = (day) => Date.parse(`${day}T00:00:00Z`) - LINE_OFFSET;
