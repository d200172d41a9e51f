// The dialog that asks for a reason before anything is changed.

const dialog = {
  wanted: null,
  busy: false,
  twice: false,

  ask(wanted) {
    if (this.wanted !== null) {
      return;
    }
    this.wanted = wanted;
    this.twice = wanted.twice === true;
    $("dialog-title").textContent = wanted.title();
    $("dialog-text").replaceChildren(...wanted.text());
    $("dialog-reason").value = "";
    $("dialog-reason").setAttribute("aria-invalid", "false");
    $("dialog-force").checked = false;
    this.problem();
    this.draw();
    $("dialog").showModal();
    $("dialog-reason").focus();
  },

  draw() {
    const { confirm, doing = "loading", forced, danger } = this.wanted;
    $("dialog-twice").hidden = !this.twice;
    $("dialog-confirm").textContent = t(this.busy ? doing : this.twice ? forced : confirm);
    $("dialog-confirm").className = danger || this.twice ? "danger-main" : "main";
    $("dialog-confirm").disabled = this.busy;
    $("dialog-cancel").disabled = this.busy;
    $("dialog-reason").readOnly = this.busy;
    $("dialog-force").disabled = this.busy;
  },

  problem(...nodes) {
    $("dialog-error").replaceChildren(...nodes);
  },

  async confirm(event) {
    event.preventDefault();
    if (this.busy || this.wanted === null) {
      return;
    }
    const reason = $("dialog-reason").value.trim();
    $("dialog-reason").setAttribute("aria-invalid", String(reason === ""));
    if (reason === "") {
      this.problem(t("why.needed"));
      $("dialog-reason").focus();
      return;
    }
    const force = this.twice;
    if (force && !$("dialog-force").checked) {
      this.problem(t("twice.needed"));
      $("dialog-force").focus();
      return;
    }
    this.problem();
    this.busy = true;
    this.draw();
    const { wanted } = this;
    try {
      const next = await wanted.send(reason, force);
      this.busy = false;
      if (next === "twice") {
        // The second decision is one of its own: nothing is ticked beforehand.
        this.twice = true;
        this.draw();
        $("dialog-force").focus();
      } else {
        this.close();
      }
    } catch (trouble) {
      this.busy = false;
      if (!(trouble instanceof Gone) && this.wanted === wanted) {
        // The browser closes a dialog at the second Escape, whatever is going on.
        if (!$("dialog").open) {
          $("dialog").showModal();
        }
        this.draw();
        this.problem(...troubleNodes(trouble));
        $("dialog-confirm").focus();
      }
    }
  },

  close() {
    const focus = this.wanted?.focus;
    this.abandon();
    focus?.()?.focus();
  },

  /** Nothing of what was asked stays in the page. */
  abandon() {
    this.wanted = null;
    this.busy = false;
    $("dialog-title").textContent = "";
    $("dialog-text").replaceChildren();
    $("dialog").close();
  },
};

whenLocked(() => {
  if ($("dialog").open) {
    dialog.abandon();
  }
});

$("dialog-form").addEventListener("submit", (event) => dialog.confirm(event));
$("dialog-form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    $("dialog-form").requestSubmit();
  }
});
$("dialog-cancel").addEventListener("click", () => dialog.close());
$("dialog").addEventListener("cancel", (event) => {
  if (dialog.busy) {
    event.preventDefault();
  }
});
$("dialog").addEventListener("close", () => {
  if (dialog.wanted !== null && !dialog.busy) {
    dialog.close();
  }
});
