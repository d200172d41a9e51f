// The operations API, at the origin of the page.

const TIMEOUT = 30_000;
const A_LITTLE = 1500;
// The page is at {base}/console, whatever the base is.
const BASE = location.pathname.replace(/\/console\/?$/, "");

let calls = 0;

/** Something moves while calls are under way: the style waits a moment before it shows it. */
function count(more) {
  calls += more;
  document.documentElement.toggleAttribute("data-busy", calls > 0);
}

/** Calls; a file is handed over as it is, everything else is JSON. */
async function call(path, { method = "GET", query = {}, body, file = false } = {}) {
  const held = session;
  const url = new URL(`${BASE}${path}`, location.origin);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") {
      url.searchParams.set(name, value);
    }
  }
  const limit = new AbortController();
  const end = () => limit.abort();
  held.signal.addEventListener("abort", end, { once: true });
  const timer = setTimeout(end, TIMEOUT);
  const headers = { Accept: "application/json", Authorization: `Bearer ${key}` };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
  }
  let status = 0;
  let text = "";
  let received;
  count(1);
  try {
    const answer = await fetch(url, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: limit.signal,
    });
    status = answer.status;
    if (file && answer.ok) {
      received = await answer.blob();
    } else {
      text = await answer.text();
    }
  } catch {
    if (held.signal.aborted) {
      throw new Gone();
    }
    const why = limit.signal.aborted ? "error.timeout" : "error.network";
    throw new Trouble(0, () => (method === "GET" ? t(why) : `${t(why)} ${t("error.unsure")}`));
  } finally {
    count(-1);
    clearTimeout(timer);
    held.signal.removeEventListener("abort", end);
  }
  if (held.signal.aborted) {
    throw new Gone();
  }
  if (received) {
    return { status, value: received };
  }
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (status === 401) {
    lock("gate.refused");
    throw new Gone();
  }
  if (status >= 200 && status < 300) {
    if (value === undefined) {
      throw new Trouble(status, () => t("error.answer"));
    }
    return { status, value };
  }
  const unsure = method !== "GET" && status >= 500;
  const words = () => [problemWords(status, value), unsure ? t("error.unsure") : ""].join(" ").trim();
  throw new Trouble(status, words, value);
}

/** Reads; once more a little later where the service had a bad moment, or was asked too much at once. */
async function get(path, query) {
  const held = session;
  try {
    return (await call(path, { query })).value;
  } catch (trouble) {
    if (!(trouble instanceof Trouble) || ![429, 503].includes(trouble.status)) {
      throw trouble;
    }
    await new Promise((resolve) => setTimeout(resolve, A_LITTLE));
    if (held.signal.aborted) {
      throw new Gone();
    }
    return (await call(path, { query })).value;
  }
}

const asList = (value) => (Array.isArray(value) ? value : []);
