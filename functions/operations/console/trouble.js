// What may come instead of the answer that was asked for, and how it is shown.

/** An answer that is not what was asked for; `words` are made when they are shown, in the language of then. */
class Trouble extends Error {
  constructor(status, words, fields = []) {
    super("trouble");
    this.status = status;
    this.words = words;
    this.fields = fields;
  }
}

/** What was begun with a key that is gone. */
class Gone extends Error {}

function troubleNodes(trouble) {
  const known = trouble instanceof Trouble;
  const nodes = [el("span", {}, known ? trouble.words() : t("error.answer"))];
  if (known && trouble.fields.length > 0) {
    nodes.push(el("ul", {}, trouble.fields.map((one) => el("li", {}, code(one.field), ` ${one.detail}`))));
  }
  return nodes;
}

function troubleBox(trouble, again) {
  return el(
    "div",
    { class: "trouble", role: "alert" },
    el("div", {}, troubleNodes(trouble)),
    again ? el("button", { type: "button", click: again }, t("again")) : null,
  );
}
