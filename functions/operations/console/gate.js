// The gate: where the key is typed, and what is seen while there is none.

let gateWords = null;

async function unlock(event) {
  event.preventDefault();
  if (checking) {
    return;
  }
  const typed = $("key").value.trim();
  const isToBeKept = $("keep").checked;
  // A password manager takes a key out of its field once it was accepted.
  if (!isToBeKept) {
    $("key").value = "";
  }
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
    if (isToBeKept) {
      await offerToPasswordManager(typed);
    }
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

/** The browser's own question, where it has one; others watch the form. The page itself keeps nothing. */
async function offerToPasswordManager(password) {
  if ("PasswordCredential" in globalThis) {
    const id = $("key-name").value.trim() || t("title");
    await navigator.credentials.store(new globalThis.PasswordCredential({ id, password })).catch(() => {});
  }
}

/** Only a form with a name and a password is one that a password manager fills and keeps. */
function letBeKept() {
  const isToBeKept = $("keep").checked;
  $("key-name-field").hidden = !isToBeKept;
  $("key").autocomplete = isToBeKept ? "current-password" : "off";
  $("gate-note").dataset.t = isToBeKept ? "gate.note.kept" : "gate.note";
  $("gate-note").textContent = t($("gate-note").dataset.t);
}

async function unlocked() {
  gateWords = null;
  show();
  $("key").value = "";
  switchesPart.put(switches);
  drawBanner();
  lookAround({ first: true });
  probeSobot();
  route(true);
  const held = session;
  await loadStack();
  if (held === session && stack !== null) {
    drawZones();
    drawStack();
    drawTitle();
  }
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
    drawTitle();
  }
}

whenLocked((why, wasOpen) => {
  for (const input of document.querySelectorAll("main input:not([type=checkbox])")) {
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
$("keep").addEventListener("change", letBeKept);
$("lock").addEventListener("click", () => lock("gate.locked"));
