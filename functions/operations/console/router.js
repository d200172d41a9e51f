// The way to the views.

/**
 * The views, by name: the section `view-{name}` of the page. Each view's file puts it here.
 * `word`: names its title's words. `open(argument, first)`: whenever somebody goes there; `first`: just unlocked.
 * `resent(order)`: an order was sent again while the view was shown.
 */
const VIEWS = {};

/** `#order=R1` is the view `order` with the argument `R1`. */
function place() {
  const [name, ...rest] = location.hash.slice(1).split("=");
  let argument = rest.join("=");
  try {
    argument = decodeURIComponent(argument);
  } catch {
    // Not percent-encoded: as it stands.
  }
  return { name: Object.hasOwn(VIEWS, name) ? name : "overview", argument };
}

let shownView;

/**
 * The place of a list of orders: of which days or times, how they are counted, why. With `rows`, how many were shown;
 * with `at`, from which order somebody went elsewhere.
 */
function listHash({ span = "", counted = "not_sent", reason = "", rows = "", at = "" }) {
  const parts = [span, counted, reason, rows, encodeURIComponent(at)];
  return `#deliveries=${parts.join("/").replace(/\/+$/, "")}`;
}

function drawTitle() {
  const { name } = place();
  document.title = isOpen()
    ? [t(VIEWS[name].word), stack?.account ?? stack?.name, t("title")].filter(Boolean).join(" · ")
    : t("title");
}

function route(first = false) {
  if (!isOpen()) {
    return;
  }
  const { name, argument } = place();
  const isAnother = first || name !== shownView;
  shownView = name;
  if (isAnother && !first) {
    hush();
  }
  for (const view of document.querySelectorAll(".view")) {
    view.hidden = view.id !== `view-${name}`;
  }
  for (const link of $("nav").querySelectorAll("a")) {
    link.toggleAttribute("aria-current", false);
    if (link.getAttribute("href") === `#${name}`) {
      link.setAttribute("aria-current", "page");
    }
  }
  drawTitle();
  VIEWS[name].open(argument, first);
  // A look-up within the view leaves the focus where the operator is.
  if (isAnother) {
    $("scroller").scrollTop = 0;
    document.querySelector(`#view-${name} h2`).focus();
  }
}

function go(hash) {
  if (location.hash === hash) {
    route();
  } else {
    location.hash = hash;
  }
}

const orderLink = (id) => el("a", { href: `#order=${encodeURIComponent(id)}`, class: "id" }, id);

addEventListener("hashchange", () => route());
