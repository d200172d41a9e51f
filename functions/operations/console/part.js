// Parts of the page that show an answer of the API.

const parts = [];

// What customers wrote goes with the key.
whenLocked(() => parts.forEach((one) => one.forget()));

/**
 * A part that loads and draws itself: every state of it has words. Of two loads the later one counts. `dated`: it says
 * of when it is.
 */
function part(id, { draw, idle, dated = false }) {
  const box = $(id);
  let turn = 0;
  let state = { is: "idle" };
  const nodes = () => {
    if (state.is === "idle") {
      return idle ? [note(t(idle))] : [];
    }
    if (state.is === "loading" && state.value === undefined) {
      return [note(t("loading"))];
    }
    const drawn = () => [draw(state.value)].flat(Infinity);
    if (state.is === "trouble") {
      const box = troubleBox(state.trouble, state.again);
      // What was known last is better than nothing, and says of when it is.
      return state.value === undefined
        ? [box]
        : [box, el("p", { class: "level reached" }, t("stale", { time: clock(state.at) })), ...drawn()];
    }
    return state.at && dated
      ? [...drawn(), el("p", { class: "hint" }, t("as.of", { time: clock(state.at) }))]
      : drawn();
  };
  const show = () => {
    box.setAttribute("aria-busy", String(state.is === "loading"));
    redraw(box, nodes());
  };
  const self = {
    show,
    value: () => state.value,
    trouble: () => state.trouble,
    forget() {
      turn += 1;
      state = { is: "idle" };
      show();
    },
    /** Shows a value that came another way. */
    put(value) {
      turn += 1;
      state = { is: "ready", value, at: state.at };
      show();
    },
    fail(trouble) {
      turn += 1;
      state = { is: "trouble", trouble };
      show();
    },
    /** `keep`: the old value stays until the new one is here. */
    async load(fetching, { keep = false } = {}) {
      const mine = ++turn;
      const known = keep ? { value: state.value, at: state.at } : {};
      state = { is: "loading", ...known };
      if (!keep || state.value === undefined) {
        show();
      } else {
        box.setAttribute("aria-busy", "true");
      }
      try {
        const value = await fetching();
        if (mine === turn) {
          state = { is: "ready", value, at: new Date().toISOString() };
          show();
        }
        return value;
      } catch (trouble) {
        if (!(trouble instanceof Gone) && !(trouble instanceof Trouble)) {
          console.error(trouble);
        }
        if (!(trouble instanceof Gone) && mine === turn) {
          state = { is: "trouble", trouble, again: () => self.load(fetching, { keep: true }), ...known };
          show();
        }
        return undefined;
      }
    },
  };
  parts.push(self);
  return self;
}

/**
 * A part that shows a list page by page. `items` names the list in an answer. `onMore`: what is done when it has grown.
 */
function pagedPart(id, { path, items, draw, idle, none, onMore = () => {} }) {
  let query = {};
  const more = async (value) => {
    try {
      const page = await get(path(query), { ...value.query, cursor: value.next });
      if (self.value() === value) {
        const before = value.all.length;
        self.put({ ...value, all: [...value.all, ...page[items]], next: page.next, trouble: undefined });
        // The first new row takes the focus, where it has something to focus; the button may be gone.
        const rows = $(id).querySelectorAll("[data-item]");
        (rows[before]?.querySelector("a, button") ?? $(`${id}-more`))?.focus();
        say(counted(self.value()), { quietly: true });
        onMore(self.value());
      }
    } catch (trouble) {
      if (!(trouble instanceof Gone) && self.value() === value) {
        self.put({ ...value, trouble });
        $(`${id}-more`)?.focus();
      }
    }
  };
  const counted = (value) => t(value.next ? "shown" : "shown.all", { n: number(value.all.length) });
  const self = part(id, {
    idle,
    draw(value) {
      const first = draw(value);
      if (value.all.length === 0 && !value.next) {
        return [first, note(none(value))];
      }
      const button = el("button", {
        type: "button",
        id: `${id}-more`,
        click: () => whileBusy(button, "loading", more(value)),
      }, t("more"));
      return [
        first,
        value.trouble ? troubleBox(value.trouble) : [],
        el("div", { class: "foot" }, el("span", { class: "soft" }, counted(value)), value.next ? button : null),
      ];
    },
  });
  /** `rows`: how many of the list are wanted at least, where it has so many. An empty page is not the end of a list. */
  self.open = (wanted, { keep = false, rows = 1 } = {}) => {
    query = wanted;
    return self.load(async () => {
      const sent = { ...wanted, path: undefined };
      const first = await get(path(wanted), sent);
      const value = { first, query: sent, all: first[items], next: first.next };
      while (value.next && value.all.length < rows) {
        const page = await get(path(wanted), { ...sent, cursor: value.next });
        value.all = [...value.all, ...page[items]];
        value.next = page.next;
      }
      return value;
    }, { keep });
  };
  return self;
}

/** Marks rows, so that the first new one can be found. */
function marked(tableElement) {
  for (const row of tableElement.querySelectorAll("tbody tr")) {
    row.dataset.item = "";
  }
  return tableElement;
}
