// What may come instead of the answer that was asked for, and how it is shown.

/** An answer that is not what was asked for; `words` are made when they are shown, in the language of then. */
class Trouble extends Error {
  constructor(status, words, problem = {}) {
    super("trouble");
    this.status = status;
    this.words = words;
    this.problem = problem;
  }
}

/** What was begun with a key that is gone. */
class Gone extends Error {}

/** A problem by its code; a gateway's own answers have none, and a `message` if anything. */
function problemWords(status, problem) {
  const word = `problem.${problem?.code}`;
  if (word in WORDS[language]) {
    return t(word, { ...problem, until: problem.until && clock(problem.until) });
  }
  return problem?.detail ?? problem?.message ?? t("error.status", { status });
}

/** What a wrong field must be: by its rule, where that has words, or else as the API says it. */
function ruleWords({ code: kind, detail, rule }) {
  const word = `must.${rule?.name}`;
  if (word in WORDS[language]) {
    return t(word, rule);
  }
  return ["invalid", "not_allowed"].includes(kind) ? detail : undefined;
}

/** One wrong field: which, in which way, and what it must be. */
function wrongField(one) {
  const word = `wrong.${one.code}`;
  const way = word in WORDS[language] ? t(word) : undefined;
  const text = [way, ruleWords(one) ?? (way ? undefined : one.detail)].filter(Boolean).join(t("colon"));
  return el("li", {}, one.field ? [code(one.field), " "] : null, text);
}

/** Where the operator can see what a problem speaks of. */
function problemLink(problem) {
  const isOfLetters = problem.queue || problem.code === "may_arrive_twice" || problem.code === "no_such_dead_letter";
  const [hash, word] = isOfLetters
    ? ["#dead-letters", t("dead.title")]
    : problem.orderId
    ? [`#order=${encodeURIComponent(problem.orderId)}`, t("dead.look", { id: problem.orderId })]
    : [];
  // The place is behind the dialog that asked.
  const leave = (event) => event.target.closest("dialog")?.close();
  return hash && hash !== location.hash ? el("p", {}, el("a", { href: hash, click: leave }, word)) : null;
}

/** Whatever was thrown, in words. */
const troubleWords = (trouble) => (trouble instanceof Trouble ? trouble.words() : t("error.answer"));

function troubleNodes(trouble) {
  const problem = trouble.problem ?? {};
  const wrong = Array.isArray(problem.errors) ? problem.errors : [];
  return [
    el("span", {}, troubleWords(trouble)),
    wrong.length > 0 ? el("ul", {}, wrong.map(wrongField)) : null,
    problemLink(problem),
  ].filter(Boolean);
}

function troubleBox(trouble, again) {
  return el(
    "div",
    { class: "trouble", role: "alert" },
    el("div", {}, troubleNodes(trouble)),
    again ? el("button", { type: "button", click: again }, t("again")) : null,
  );
}
