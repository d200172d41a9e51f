// Parts of the page that show an answer of the API.

const parts = [];

// What customers wrote goes with the key.
whenLocked(() => parts.forEach((one) => one.forget()));

/** A part that loads and draws itself: every state of it has words. Of two loads the later one counts. */
function part(id, { draw, idle }) {
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
    if (state.is === "trouble") {
      return [troubleBox(state.trouble, state.again)];
    }
    return [draw(state.value)].flat(Infinity);
  };
  const show = () => {
    box.setAttribute("aria-busy", String(state.is === "loading"));
    redraw(box, nodes());
  };
  const self = {
    show,
    value: () => state.value,
    forget() {
      turn += 1;
      state = { is: "idle" };
      show();
    },
    /** Shows a value that came another way. */
    put(value) {
      turn += 1;
      state = { is: "ready", value };
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
      state = { is: "loading", value: keep ? state.value : undefined };
      if (!keep || state.value === undefined) {
        show();
      } else {
        box.setAttribute("aria-busy", "true");
      }
      try {
        const value = await fetching();
        if (mine === turn) {
          state = { is: "ready", value };
          show();
        }
        return value;
      } catch (trouble) {
        if (!(trouble instanceof Gone) && !(trouble instanceof Trouble)) {
          console.error(trouble);
        }
        if (!(trouble instanceof Gone) && mine === turn) {
          state = { is: "trouble", trouble, again: () => self.load(fetching) };
          show();
        }
        return undefined;
      }
    },
  };
  parts.push(self);
  return self;
}

/** A part that shows a list page by page. `items` names the list in an answer. */
function pagedPart(id, { path, items, draw, idle, none }) {
  let query = {};
  const more = async (button, value) => {
    button.disabled = true;
    button.textContent = t("loading");
    try {
      const page = await get(path(query), { ...value.query, cursor: value.next });
      if (self.value() === value) {
        const before = value.all.length;
        self.put({ ...value, all: [...value.all, ...page[items]], next: page.next, trouble: undefined });
        // The first new row takes the focus, where it has something to focus; the button may be gone.
        const rows = $(id).querySelectorAll("[data-item]");
        (rows[before]?.querySelector("a, button") ?? $(`${id}-more`))?.focus();
        say(counted(self.value()), { quietly: true });
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
      const button = el("button", { type: "button", id: `${id}-more`, click: () => more(button, value) }, t("more"));
      return [
        first,
        value.trouble ? troubleBox(value.trouble) : [],
        el("div", { class: "foot" }, el("span", { class: "soft" }, counted(value)), value.next ? button : null),
      ];
    },
  });
  self.open = (wanted, { keep = false } = {}) => {
    query = wanted;
    return self.load(async () => {
      const sent = { ...wanted, path: undefined };
      const first = await get(path(wanted), sent);
      return { first, query: sent, all: first[items], next: first.next };
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
