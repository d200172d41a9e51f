// Overview: what waits for a person, first. How much there is stands in the navigation, too.

/** Who tells of something. */
const WATCHES = ["dead", "days", "quota", "reports"];

/** What each of them told last, `{ all }`; with `{ trouble, again }` where more cannot be seen. */
let needs = {};

const needsPart = part("needs", {
  draw() {
    const told = WATCHES.map((watch) => needs[watch]).filter(Boolean);
    const all = told.flatMap(({ all }) => all ?? []);
    const unseen = told.filter(({ trouble }) => trouble);
    const isWaiting = told.length < WATCHES.length;
    return [
      all.length > 0 ? el("ul", { class: "needs" }, all.map(drawNeed)) : null,
      unseen.map(({ trouble, again }) => troubleBox(trouble, again)),
      isWaiting ? note(t("loading")) : null,
      all.length + unseen.length === 0 && !isWaiting ? fine("needs.nothing") : null,
    ].filter(Boolean);
  },
});

const drawNeed = ({ words, href, heading }) =>
  el(
    "li",
    {},
    mark(),
    el("div", {}, href ? el("a", { href }, words()) : el("p", {}, words()), runbook(heading)),
  );

/** Says what waits: each with its words, its place where it has another one, and its heading of the runbook. */
function setNeeds(watch, all) {
  needs[watch] = { all };
  drawNeeds();
}

/** Says that it could not be seen whether something waits. */
function setUnseen(watch, trouble, again) {
  needs[watch] = {
    ...needs[watch],
    trouble: new Trouble(0, () => t(`unseen.${watch}`, { why: troubleWords(trouble) })),
    again,
  };
  drawNeeds();
}

function drawNeeds() {
  needsPart.put(needs);
  drawTally("tally-overview", WATCHES.reduce((sum, watch) => sum + (needs[watch]?.all?.length ?? 0), 0));
}

/** A number beside a page's name; nothing where there is nothing. */
function drawTally(id, count) {
  $(id).replaceChildren(
    ...count > 0
      ? [
        el("span", { class: "tally", "aria-hidden": "true" }, number(count)),
        el("span", { class: "away" }, t("needs.count", { n: number(count) })),
      ]
      : [],
  );
}

whenLocked(() => {
  needs = {};
  drawTally("tally-overview", 0);
});
