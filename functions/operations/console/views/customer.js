// A LINE user: what the user wrote and did. A member: the link, the orders. A person, whole: saved, forgotten.

const messagesPart = pagedPart("messages", {
  idle: "customer.idle",
  path: ({ path }) => path,
  items: "events",
  none: () => t("events.none"),
  draw: ({ first, all }) => [
    el(
      "section",
      { class: "card", "aria-labelledby": "user-name" },
      el("h3", { id: "user-name" }, code(first.lineUserId)),
      terms([
        [t("friend"), first.friend === undefined ? t("unknown") : t(first.friend ? "yes" : "no")],
        [
          t("linked.member"),
          first.memberId && [
            el("button", { type: "button", class: "link", click: () => lookUpMember(first.memberId) }, first.memberId),
            " ",
            el("button", { type: "button", class: "link", click: () => askUnlink(first.memberId) }, t("unlink.ask")),
          ],
        ],
      ]),
      USER.test(first.lineUserId) && el(
        "p",
        { class: "foot" },
        el("button", {
          type: "button",
          click: () => userOrdersPart.open({ path: `/users/${first.lineUserId}/orders` }),
        }, t("orders.show")),
        " ",
        el("button", {
          type: "button",
          click: (event) => whileBusy(event.currentTarget, "saving", savePerson(`/users/${first.lineUserId}`)),
        }, t("person.save")),
        " ",
        el(
          "button",
          { type: "button", class: "danger", click: () => askForget(`/users/${first.lineUserId}`, first.lineUserId) },
          t("forget.ask"),
        ),
      ),
    ),
    all.length > 0 ? el("ul", { class: "events", "aria-label": t("events.list") }, all.map(drawEvent)) : [],
  ],
});

function drawEvent(one) {
  const content = one.content;
  let body;
  if (one.unsentAt) {
    body = el("p", { class: "soft" }, t("event.unsent", { time: clock(one.unsentAt) }));
  } else if (typeof content?.text === "string" && content.text !== "") {
    body = el("p", { class: "wrote" }, content.text);
  } else if (content && (content.fileName ?? content.file_name)) {
    body = el("p", {}, t("event.file", { name: content.fileName ?? content.file_name }));
  } else if (content && asList(content.keywords).length > 0) {
    body = el("p", {}, t("event.sticker", { words: content.keywords.join(t("comma")) }));
  } else if (["image", "video", "audio"].includes(content?.type)) {
    body = el("p", {}, t(`content.${content.type}`));
  } else if (content?.type === "location") {
    body = el(
      "p",
      {},
      t("content.location", {
        words: [content.title, content.address, `${content.latitude}, ${content.longitude}`].filter(Boolean).join(
          " · ",
        ),
      }),
    );
  } else if (content) {
    body = pretty(content);
  } else {
    body = one.type === "message" ? note(t("event.nothing")) : null;
  }
  return el(
    "li",
    { class: "card", "data-item": "" },
    el(
      "p",
      {},
      el("b", {}, named("type", one.type)),
      " ",
      el(
        "span",
        { class: "hint" },
        time(one.at),
        ` · ${t("event.via", { via: one.via })} · `,
        t(one.verified ? "event.verified" : "event.unverified"),
      ),
    ),
    body,
    one.mediaUrl ? el("p", {}, `${t("event.media")}: `, outside(one.mediaUrl)) : null,
    one.mediaError ? note(named("media", one.mediaError)) : null,
    isWithLine(one) ? mediaButton(one) : null,
    one.mediaError === "refused_by_sobot" ? sobotButton(one) : null,
    one.event ? el("details", {}, el("summary", {}, t("event.raw")), pretty(one.event)) : null,
  );
}

/** Whether LINE has what was sent, for all that is known. */
function isWithLine({ content, mediaUrl, mediaError, unsentAt, messageId }) {
  const kept = content?.type === "file" || content?.provider?.type === "line";
  return kept && messageId && !mediaUrl && !unsentAt && mediaError !== "gone_from_line";
}

function mediaButton({ messageId }) {
  const open = async () => {
    const user = messagesPart.value().first.lineUserId;
    try {
      save(await call(`/users/${user}/messages/${messageId}/content`, { file: true }), messageId);
    } catch (trouble) {
      if (trouble instanceof Trouble) {
        say(trouble.words());
      }
    }
  };
  return el(
    "p",
    {},
    el(
      "button",
      { type: "button", click: (event) => whileBusy(event.currentTarget, "opening", open()) },
      t("event.open"),
    ),
    " ",
    el("span", { class: "hint" }, t("event.open.text")),
  );
}

/** Sobot is asked again where it has what it refused. */
function sobotButton({ messageId }) {
  const ask = async () => {
    const shown = messagesPart.value();
    const path = `/users/${shown.first.lineUserId}/messages/${messageId}/media`;
    try {
      const { value } = await call(path, { method: "POST" });
      const found = (one) =>
        one.messageId === messageId ? { ...one, mediaError: undefined, mediaUrl: value.mediaUrl } : one;
      messagesPart.put({ ...shown, all: shown.all.map(found) });
    } catch (trouble) {
      if (trouble instanceof Trouble) {
        say(trouble.words());
      }
    }
  };
  return el("p", {}, el("button", { type: "button", click: ask }, t("event.ask.sobot")));
}

/** The user's id stays out of the address. */
function lookUpUser(user) {
  $("user-id").value = user;
  go("#customer");
  loadUser(user);
}

function loadUser(user) {
  if (!CHAT.test(user)) {
    messagesPart.fail(new Trouble(0, () => t("user.wrong")));
    return;
  }
  userOrdersPart.forget();
  messagesPart.open({ path: `/users/${user}/messages` });
}

/** A person's orders. */
function ordersTable(all) {
  const heads = [column(t("order.id")), column(t("state")), column(t("arrived", { zone: zone() }))];
  const rows = all.map((one) => [orderLink(one.orderId), stateOf(one), time(one.createdAt)]);
  return rows.length > 0 ? marked(table(t("orders.caption"), heads, rows)) : [];
}

const userOrdersPart = pagedPart("user-orders", {
  path: ({ path }) => path,
  items: "orders",
  none: () => t("orders.none"),
  draw: ({ all }) => ordersTable(all),
});

const memberPart = pagedPart("member-found", {
  idle: "member.idle",
  path: ({ path }) => path,
  items: "orders",
  none: () => t("orders.none"),
  draw({ first, all }) {
    const path = `/members/${encodeURIComponent(first.memberId)}`;
    const button = (word, click, name) => el("button", { type: "button", class: name, click }, t(word));
    return [
      el("h4", { id: "member-name", tabindex: "-1" }, code(first.memberId)),
      terms([
        [
          t("user"),
          first.lineUserId
            ? el(
              "button",
              { type: "button", class: "link", click: () => lookUpUser(first.lineUserId) },
              first.lineUserId,
            )
            : t("member.unlinked"),
        ],
        [t("member.since"), first.link?.linkedAt && time(first.link.linkedAt)],
        [t("friend"), first.friend && t(first.friend.friend ? "yes" : "no")],
      ]),
      el(
        "p",
        { class: "foot" },
        first.lineUserId ? button("unlink.ask", () => askUnlink(first.memberId), "danger") : null,
        button("person.save", (event) => whileBusy(event.currentTarget, "saving", savePerson(path))),
        button("forget.ask", () => askForget(path, first.memberId), "danger"),
      ),
      ordersTable(all),
    ];
  },
});

/** A member by the company's own id, from wherever one is named. */
function lookUpMember(member) {
  $("member-id").value = member;
  go("#customer");
  loadMember(member);
}

async function loadMember(member) {
  if (!ID.test(member)) {
    memberPart.fail(new Trouble(0, () => t("unlink.wrong")));
    return;
  }
  const found = await memberPart.open({ path: `/members/${encodeURIComponent(member)}/orders` });
  if (found && place().name === "customer") {
    $("member-name").focus();
  }
}

function askUnlink(member) {
  dialog.ask({
    title: () => t("unlink.title", { id: member }),
    text: () => [el("p", {}, t("unlink.text"))],
    confirm: "unlink.do",
    doing: "unlink.doing",
    danger: true,
    send: async (reason) => {
      const { value } = await call(`/links/${encodeURIComponent(member)}`, { method: "DELETE", query: { reason } });
      say(t(`grant.${value.grant}`, { id: value.memberId }));
      const shown = messagesPart.value();
      if (shown?.first.memberId === member) {
        messagesPart.put({ ...shown, first: { ...shown.first, memberId: undefined } });
      }
      if (memberPart.value()?.first.memberId === member) {
        loadMember(member);
      }
    },
    focus: () => $("member-id"),
  });
}

/** All that is kept of a person, every page of it, as one file. */
async function savePerson(path) {
  const person = { deliveries: [], events: [] };
  let cursor;
  try {
    do {
      const { deliveries, events, next, ...once } = await get(path, { cursor });
      Object.assign(person, once);
      person.deliveries.push(...asList(deliveries));
      person.events.push(...asList(events));
      cursor = next;
    } while (cursor);
  } catch (trouble) {
    if (trouble instanceof Trouble) {
      say(trouble.words());
    }
    return;
  }
  save(
    { value: new Blob([JSON.stringify(person, null, 2)], { type: "application/json" }) },
    `${person.pseudonym}.json`,
  );
  say(t("person.saved", { deliveries: number(person.deliveries.length), events: number(person.events.length) }));
}

function askForget(path, id) {
  dialog.ask({
    title: () => t("forget.title", { id }),
    text: () => [
      el("p", {}, t("forget.text")),
      el(
        "ul",
        {},
        ["forget.deliveries", "forget.messages", "forget.link", "forget.stays"].map((word) => el("li", {}, t(word))),
      ),
    ],
    confirm: "forget.do",
    doing: "forget.doing",
    danger: true,
    send: async (reason) => {
      const count = { deliveries: 0, events: 0 };
      let value;
      do {
        // What is too much for one call goes on with the next.
        ({ value } = await call(path, { method: "DELETE", query: { reason } }));
        count.deliveries += value.deliveries;
        count.events += value.events;
      } while (!value.complete);
      const done = t("forget.done", { deliveries: number(count.deliveries), events: number(count.events) });
      say(value.grant ? `${done} ${t(`grant.${value.grant}`, { id: value.memberId })}` : done);
      messagesPart.forget();
      userOrdersPart.forget();
      memberPart.forget();
      $("user-id").value = "";
      $("member-id").value = "";
    },
    focus: () => $("user-id"),
  });
}

VIEWS["customer"] = { word: "customer", open: () => {} };

onSubmit("user-form", () => loadUser($("user-id").value.trim()));
onSubmit("member-form", () => loadMember($("member-id").value.trim()));
