// Overview: how many dead letters wait, without a look at them.

let deadCounts = [];

function drawDeadTally() {
  drawTally("tally-dead", deadCounts.reduce((sum, { visible }) => sum + visible, 0));
}

/** Takes the queues of an answer. */
function putDeadCounts(queues) {
  deadCounts = queues;
  drawDeadTally();
  const some = queues.filter(({ visible }) => visible > 0);
  setNeeds(
    "dead",
    some.map(({ queue, visible }) => ({
      words: () => t("needs.dead", { queue: named("queue", queue), n: number(visible) }),
      href: `#dead-letters=${queue}`,
      heading: HEADING_OF_QUEUE[queue],
    })),
  );
}

async function countDead() {
  try {
    putDeadCounts((await get("/dead-letters", { limit: 0 })).queues);
  } catch (trouble) {
    if (trouble instanceof Trouble) {
      setUnseen("dead", trouble, countDead);
    }
  }
}

whenLocked(() => {
  deadCounts = [];
  drawDeadTally();
});
