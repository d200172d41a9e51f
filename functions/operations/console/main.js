// The whole page.

function setLanguage(wanted) {
  language = wanted;
  document.documentElement.lang = language;
  $("language").value = language;
  for (const element of document.querySelectorAll("[data-t]")) {
    element.textContent = t(element.dataset.t);
  }
  for (const element of document.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", t(element.dataset.tLabel));
  }
  drawChoice("reason", REASONS);
  drawChoice("queue", QUEUES);
  $("where").textContent = location.host;
  $("footer").textContent = t("zone", { zone: `${ZONE} (${zone()})` });
  for (const one of parts) {
    one.show();
  }
  drawBanner();
  showGate();
  document.title = isOpen() ? `${t(VIEWS[place().name].word)} · ${t("title")}` : t("title");
}

$("language").addEventListener("change", () => setLanguage($("language").value));
$("skip").addEventListener("click", (event) => {
  // Its hash would be taken for a view.
  event.preventDefault();
  $("main").focus();
});

setLanguage(language);
show();
$("key").focus();
