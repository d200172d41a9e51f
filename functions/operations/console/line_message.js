// A message as LINE shows it to the customer.

const SIZES = ["xxs", "xs", "sm", "md", "lg", "xl", "xxl", "3xl", "4xl", "5xl"];
const GAPS = ["none", "xs", "sm", "md", "lg", "xl", "xxl"];

function drawMessage(message) {
  const links = [];
  let shape;
  if (message.type === "text" && typeof message.text === "string") {
    shape = [el("div", { class: "bubble text" }, message.text)];
  } else if (message.type === "template" && message.template?.type === "buttons") {
    shape = [buttonsTemplate(message.template, links)];
  } else if (message.type === "flex" && message.contents?.type === "bubble") {
    shape = [flexBubble(message.contents, links)];
  } else if (message.type === "flex" && message.contents?.type === "carousel") {
    shape = asList(message.contents.contents).map((bubble) => flexBubble(bubble, links));
  } else {
    shape = [el("div", { class: "bubble text" }, message.altText ?? `[${message.type}]`)];
  }
  const drawn = ["text", "template", "flex"].includes(message.type) && shape.length > 0;
  return el(
    "div",
    { class: "message" },
    drawn ? null : note(t("order.other")),
    el(
      "div",
      { class: "chat" },
      el("div", { class: "face", "aria-hidden": "true" }),
      el("div", { class: "bubbles" }, shape),
    ),
    terms([
      [t("order.notice"), message.altText],
      ...links.map((address) => [t("order.button"), outside(address)]),
    ]),
  );
}

function actionLabel(action, links) {
  if (typeof action?.uri === "string") {
    links.push(action.uri);
  }
  return typeof action?.label === "string" ? action.label : "";
}

function buttonsTemplate(template, links) {
  return el(
    "div",
    { class: "bubble template" },
    template.thumbnailImageUrl ? el("p", { class: "stand-in" }, t("content.image")) : null,
    template.title ? el("p", { class: "template-title" }, template.title) : null,
    el("p", { class: "template-text" }, template.text ?? ""),
    asList(template.actions).map((action) => el("p", { class: "template-action" }, actionLabel(action, links))),
  );
}

function flexBubble(bubble, links) {
  const blocks = ["header", "hero", "body", "footer"].filter((name) => bubble[name]);
  return el(
    "div",
    { class: "bubble flex" },
    blocks.map((name) => el("div", { class: `block ${name}` }, flexPart(bubble[name], links))),
  );
}

function flexPart(node, links) {
  const element = flexElement(node, links);
  if (Number.isFinite(node.flex)) {
    element.style.setProperty("flex", `${node.flex} ${node.flex} ${node.flex > 0 ? "0" : "auto"}`);
  }
  if (GAPS.includes(node.margin)) {
    element.classList.add(`margin-${node.margin}`);
  }
  return element;
}

function flexElement(node, links) {
  const children = asList(node.contents);
  if (node.type === "box") {
    const layout = node.layout === "vertical" ? "vertical" : "horizontal";
    const gap = GAPS.includes(node.spacing) ? `gap-${node.spacing}` : "";
    return el("div", { class: `box ${layout} ${gap}` }, children.map((child) => flexPart(child, links)));
  }
  if (node.type === "text") {
    const spans = children.map((span) => span.text ?? "").join("");
    const names = [
      "words",
      SIZES.includes(node.size) ? `size-${node.size}` : "",
      node.weight === "bold" ? "bold" : "",
      ["center", "end"].includes(node.align) ? node.align : "",
      node.wrap === true ? "" : "cut",
      node.color ? "grey" : "",
    ];
    return el("p", { class: names.filter(Boolean).join(" ") }, spans || (node.text ?? ""));
  }
  if (node.type === "separator") {
    return el("div", { class: "line" });
  }
  if (node.type === "button") {
    return el(
      "p",
      { class: `flex-button ${["primary", "secondary"].includes(node.style) ? node.style : ""}` },
      actionLabel(node.action, links),
    );
  }
  return el("p", { class: "stand-in" }, ["filler", "spacer"].includes(node.type) ? "" : named("content", node.type));
}
