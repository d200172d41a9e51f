// Sobot's mass sends, where the stack has Sobot.

async function probeSobot() {
  try {
    await get("/sobot/tasks", {});
    $("nav-sobot").hidden = false;
  } catch (trouble) {
    // 404: this stack has no Sobot. Anything else is for the view to say.
    $("nav-sobot").hidden = trouble instanceof Gone || trouble.status === 404;
  }
}

/** How many there are; at the end of the list also that some are missing, because they are not as documented. */
function totalOf({ first, all, next }) {
  const total = first.total;
  if (total === undefined) {
    return [];
  }
  const some = next === undefined && all.length < total;
  return note(
    some ? t("total.some", { n: number(all.length), total: number(total) }) : t("total", { n: number(total) }),
  );
}

const tasksPart = pagedPart("tasks", {
  idle: "tasks.idle",
  path: () => "/sobot/tasks",
  items: "tasks",
  none: () => t("tasks.none"),
  draw(value) {
    const all = value.all;
    const heads = [
      column(t("task.name"), "long"),
      column(t("task.id")),
      column(t("task.estimated"), "number"),
      column(t("task.sent"), "number"),
      column(t("task.failed"), "number"),
      column(t("task.started", { zone: zone() })),
      column(t("task.ended", { zone: zone() })),
    ];
    const count = (value) => (value === undefined ? "?" : number(value));
    const rows = all.map((one) => [
      el("button", {
        type: "button",
        class: "link",
        "aria-label": t("records.of", { name: one.taskName }),
        click: () => showRecords(one.taskId),
      }, one.taskName),
      one.taskId,
      count(one.estimated),
      count(one.sent),
      count(one.failed),
      one.startedAt ? time(one.startedAt) : "—",
      one.endedAt ? time(one.endedAt) : "—",
    ]);
    return all.length > 0 ? [totalOf(value), marked(table(t("tasks.caption"), heads, rows))] : [];
  },
});

const recordsPart = pagedPart("records", {
  idle: "records.idle",
  path: () => "/sobot/records",
  items: "records",
  none: () => t("records.none"),
  draw(value) {
    const all = value.all;
    const heads = [
      column(t("recipient")),
      column(t("record.status")),
      column(t("task.name"), "long"),
      column(t("record.sender")),
      column(t("record.agent"), "long"),
      column(t("record.at", { zone: zone() })),
      column(t("message.id"), "long"),
    ];
    const rows = all.map((one) => [
      USER.test(one.recipient)
        ? el("button", { type: "button", class: "link id", click: () => lookUpUser(one.recipient) }, one.recipient)
        : one.recipient,
      one.sent ? t("record.sent") : t("record.failed.code", { code: one.errorCode }),
      one.taskName,
      one.sender,
      one.agentId,
      one.sentAt ? time(one.sentAt) : "—",
      one.messageIds.join(", "),
    ]);
    return all.length > 0 ? [totalOf(value), marked(table(t("records.caption"), heads, rows))] : [];
  },
});

// A record does not tell how far its message came: Sobot only finds by it, and counts what it found.
const reachPart = part("reach", { draw: (counts) => note(t("reach", counts)) });

function loadReach(filter) {
  const count = async (status) => {
    const { total, records, next } = await get("/sobot/records", { ...filter, status });
    return total ?? (next === undefined ? records.length : undefined);
  };
  reachPart.load(async () => {
    const [unread, read, failed] = await Promise.all(["delivered", "read", "failed"].map(count));
    const written = (n) => (n === undefined || Number.isNaN(n) ? "?" : number(n));
    return { delivered: written(unread + read), read: written(read), failed: written(failed) };
  });
}

const bothOrNeither = (from, to) => ($(from).value === "") === ($(to).value === "");

function loadTasks() {
  if (!bothOrNeither("tasks-from", "tasks-to")) {
    tasksPart.fail(new Trouble(0, () => t("error.dates")));
    return;
  }
  tasksPart.open({
    from: $("tasks-from").value,
    to: $("tasks-to").value,
    taskName: $("tasks-name").value.trim(),
    sender: $("tasks-sender").value.trim(),
  });
}

function loadRecords() {
  if (!bothOrNeither("records-from", "records-to")) {
    recordsPart.fail(new Trouble(0, () => t("error.dates")));
    return;
  }
  const filter = {
    from: $("records-from").value,
    to: $("records-to").value,
    taskId: $("records-task").value.trim(),
    taskName: $("records-name").value.trim(),
    messageId: $("records-message").value.trim(),
    agentId: $("records-agent").value.trim(),
    sender: $("records-sender").value.trim(),
    recipient: $("records-recipient").value.trim(),
  };
  recordsPart.open({ ...filter, status: $("records-status").value });
  if (filter.taskId === "") {
    reachPart.forget();
  } else {
    loadReach(filter);
  }
}

function showRecords(task) {
  $("records-task").value = task;
  loadRecords();
  $("title-records").focus();
}

function openSobot() {
  if (tasksPart.value() === undefined) {
    loadTasks();
  }
}

VIEWS["sobot"] = { word: "sobot", open: openSobot };

whenLocked(() => {
  $("nav-sobot").hidden = true;
});

onSubmit("tasks-form", loadTasks);
onSubmit("records-form", loadRecords);
