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
  drawZones();
  drawStack();
  showTimes();
  drawDeadTally();
  drawBanner();
  showGate();
  drawTitle();
}

/** Everything with a time in it says it anew. */
function showTimes() {
  $("footer").textContent = t("zone", { zone: `${ZONES[chosenZone]} (${zone()})` });
  for (const one of parts) {
    one.show();
  }
  drawListFields();
}

function chooseZone(wanted) {
  chosenZone = wanted;
  showTimes();
  drawBanner();
}

$("language").addEventListener("change", () => setLanguage($("language").value));
$("zone").addEventListener("change", () => chooseZone($("zone").value));
$("skip").addEventListener("click", (event) => {
  // Its hash would be taken for a view.
  event.preventDefault();
  $("main").focus();
});

setLanguage(language);
show();
$("key").focus();
