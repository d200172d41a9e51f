// Elements of the page.
//
// Texts of the API are written by customers, shops and LINE. They enter the page as text and attributes only, never as
// markup.

const $ = (id) => document.getElementById(id);

/** An element. Functions are listeners, everything else is an attribute; children that are text stay text. */
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      element.addEventListener(attribute, value);
    } else if (value !== undefined && value !== null && value !== false) {
      element.setAttribute(attribute, value === true ? "" : value);
    }
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false),
  );
  return element;
}

const note = (text) => el("p", { class: "soft" }, text);
const code = (text) => el("code", {}, text);
/** Before what somebody has to do. */
const mark = () => el("span", { class: "mark", "aria-hidden": "true" }, "!");
/** That nobody has to do anything. */
const fine = (word) => el("p", { class: "level fine" }, el("span", { "aria-hidden": "true" }, "✓ "), t(word));

/** A link out of the page, where it is one that may be followed. */
function outside(address) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return code(address);
  }
  if (url.protocol !== "https:") {
    return code(address);
  }
  return el("a", {
    href: url.href,
    rel: "noopener noreferrer",
    target: "_blank",
    "aria-label": t("opens.new", { url: address }),
  }, address);
}

/** A list of terms; those without a value are left out. */
function terms(pairs) {
  const rows = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return el(
    "dl",
    { class: "terms" },
    rows.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))),
  );
}

/** A table; on a phone its rows are cards, so the roles are said, too: a changed `display` takes them away. */
function table(caption, heads, rows) {
  const cell = (content, column) => {
    const head = heads[column];
    const attributes = { "data-head": head.text, class: head.class };
    return column === 0
      ? el("th", { ...attributes, scope: "row", role: "rowheader" }, content)
      : el("td", { ...attributes, role: "cell" }, content);
  };
  const headRow = heads.map((head) => el("th", { scope: "col", role: "columnheader", class: head.class }, head.text));
  return el(
    "table",
    { role: "table" },
    el("caption", {}, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, headRow)),
    el("tbody", { role: "rowgroup" }, rows.map((row) => el("tr", { role: "row" }, row.map(cell)))),
  );
}

const column = (text, name) => ({ text, class: name });

function pretty(value) {
  return el("pre", { tabindex: "0" }, typeof value === "string" ? value : JSON.stringify(value, null, 2));
}

/** A state in a mark, a word and a colour. */
const badge = (state) =>
  el(
    "span",
    { class: `badge ${state in MARKS ? state : ""}` },
    el("span", { "aria-hidden": "true" }, MARKS[state] ?? "•"),
    " ",
    named("state", state),
  );

/** The same with its reason, as one cell of a table. */
const stateOf = ({ delivery, reason }) =>
  el("div", {}, badge(delivery), reason ? el("p", {}, named("reason", reason)) : null);

/** Fills a list with names of the API, after "all"; what is chosen stays. Its id is the group of the names' words. */
function drawChoice(id, names) {
  const chosen = $(id).value;
  const options = names.map((name) => el("option", { value: name }, named(id, name)));
  $(id).replaceChildren(el("option", { value: "" }, t("all")), ...options);
  $(id).value = chosen;
}

function onSubmit(id, handle) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    handle();
  });
}

const working = new WeakSet();

/** While this goes on its button says so, and cannot be pressed once more. It keeps the focus. */
async function whileBusy(button, words, work) {
  const was = button.textContent;
  working.add(button);
  button.setAttribute("aria-disabled", "true");
  button.textContent = t(words);
  try {
    return await work;
  } finally {
    working.delete(button);
    button.removeAttribute("aria-disabled");
    button.textContent = button.dataset.t ? t(button.dataset.t) : was;
  }
}

// A click on a button that is at it already does nothing.
addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (button && working.has(button)) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, { capture: true });

/** Tells what came of something; quietly: only to those who listen to the page. */
function say(text, { quietly = false } = {}) {
  const status = $("status");
  status.textContent = "";
  status.className = quietly ? "away" : "toast";
  // A second later text of the same words is said again, too.
  requestAnimationFrame(() => {
    status.textContent = text;
  });
  clearTimeout(say.timer);
  say.timer = setTimeout(hush, 12_000);
}

function hush() {
  $("status").textContent = "";
}

/** Hands a file to the browser, which saves it: nothing that a customer sent is shown as a part of this page. */
function save({ value: file }, name) {
  const address = URL.createObjectURL(file);
  el("a", { href: address, download: name }).click();
  // The browser needs it until the file is written.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

const FOCUSABLE = "a, button, summary, [tabindex]";

/** Puts new nodes in place of old ones; the focus stays where it was, and what was unfolded stays so. */
function redraw(box, nodes) {
  const focusables = [...box.querySelectorAll(FOCUSABLE)];
  const focused = focusables.indexOf(document.activeElement);
  const unfolded = [...box.querySelectorAll("details")].map((one) => one.open);
  box.replaceChildren(...nodes);
  const folds = box.querySelectorAll("details");
  if (folds.length === unfolded.length) {
    folds.forEach((one, index) => {
      one.open = unfolded[index];
    });
  }
  if (focused >= 0) {
    const { id } = focusables[focused];
    ((id && $(id)) || [...box.querySelectorAll(FOCUSABLE)][focused])?.focus();
  }
}
