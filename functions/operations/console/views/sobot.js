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

const totalOf = (first) => (first.total === undefined ? [] : note(t("total", { n: number(first.total) })));

const tasksPart = pagedPart("tasks", {
  idle: "tasks.idle",
  path: () => "/sobot/tasks",
  items: "tasks",
  none: () => t("tasks.none"),
  draw({ first, all }) {
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
    return all.length > 0 ? [totalOf(first), marked(table(t("tasks.caption"), heads, rows))] : [];
  },
});

const recordsPart = pagedPart("records", {
  idle: "records.idle",
  path: () => "/sobot/records",
  items: "records",
  none: () => t("records.none"),
  draw({ first, all }) {
    const heads = [
      column(t("recipient")),
      column(t("record.status")),
      column(t("task.name"), "long"),
      column(t("record.sender")),
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
      one.sentAt ? time(one.sentAt) : "—",
      one.messageIds.join(", "),
    ]);
    return all.length > 0 ? [totalOf(first), marked(table(t("records.caption"), heads, rows))] : [];
  },
});

const bothOrNeither = (from, to) => ($(from).value === "") === ($(to).value === "");

function loadTasks() {
  if (!bothOrNeither("tasks-from", "tasks-to")) {
    tasksPart.fail(new Trouble(0, () => t("error.dates")));
    return;
  }
  tasksPart.open({ from: $("tasks-from").value, to: $("tasks-to").value, taskName: $("tasks-name").value.trim() });
}

function loadRecords() {
  if (!bothOrNeither("records-from", "records-to")) {
    recordsPart.fail(new Trouble(0, () => t("error.dates")));
    return;
  }
  recordsPart.open({
    from: $("records-from").value,
    to: $("records-to").value,
    status: $("records-status").value,
    taskId: $("records-task").value.trim(),
    taskName: $("records-name").value.trim(),
    recipient: $("records-recipient").value.trim(),
  });
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
