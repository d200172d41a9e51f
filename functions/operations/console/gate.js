// The gate: where the key is typed, and what is seen while there is none.

let gateWords = null;

async function unlock(event) {
  event.preventDefault();
  if (checking) {
    return;
  }
  const typed = $("key").value.trim();
  $("key").value = "";
  gateWords = typed === "" ? "gate.empty" : /^[\x21-\x7e]+$/.test(typed) ? null : "gate.characters";
  if (gateWords !== null) {
    showGate();
    $("key").focus();
    return;
  }
  checking = true;
  key = typed;
  lastTouch = Date.now();
  showGate();
  try {
    switches = await get("/switches");
    checking = false;
    unlocked();
  } catch (trouble) {
    checking = false;
    if (!(trouble instanceof Gone)) {
      key = null;
      gateWords = null;
      showGate();
      $("gate-error").replaceChildren(...troubleNodes(trouble));
      $("key").focus();
    }
  }
  showGate();
}

function unlocked() {
  gateWords = null;
  chooseList("");
  show();
  switchesPart.put(switches);
  drawBanner();
  route(true);
  probeSobot();
}

function showGate() {
  $("unlock").disabled = checking;
  $("unlock").textContent = t(checking ? "gate.checking" : "gate.unlock");
  if (checking || gateWords !== null) {
    $("gate-error").textContent = checking ? "" : t(gateWords);
  }
}

function show() {
  const open = isOpen();
  $("gate").hidden = open;
  $("nav").hidden = !open;
  $("lock").hidden = !open;
  if (!open) {
    for (const view of document.querySelectorAll(".view")) {
      view.hidden = true;
    }
    $("gate-error").textContent = "";
    showGate();
    document.title = t("title");
  }
}

whenLocked((why, wasOpen) => {
  for (const input of document.querySelectorAll("main input")) {
    input.value = "";
  }
  $("status").textContent = "";
  gateWords = why ?? null;
  show();
  if (wasOpen || why) {
    $("key").focus();
  }
});

$("gate-form").addEventListener("submit", unlock);
$("lock").addEventListener("click", () => lock("gate.locked"));
