// The operator's key. It lives in one variable and nowhere else, and what was begun with it ends with it.

const IDLE = 15 * 60_000;
let key = null;
let checking = false;
// Everything that a key began ends with it.
let session = new AbortController();
let lastTouch = Date.now();

/** Whether the key was accepted, not only typed. */
const isOpen = () => key !== null && !checking;

function lock(why) {
  const wasOpen = key !== null;
  key = null;
  session.abort();
  session = new AbortController();
  $("key").value = "";
  if ($("dialog").open) {
    dialog.abandon();
  }
  // What customers wrote goes with the key.
  for (const one of parts) {
    one.forget();
  }
  for (const input of document.querySelectorAll("main input")) {
    input.value = "";
  }
  switches = undefined;
  drawBanner();
  $("status").textContent = "";
  $("nav-sobot").hidden = true;
  gateWords = why ?? null;
  show();
  if (wasOpen || why) {
    $("key").focus();
  }
}

function touched() {
  lastTouch = Date.now();
}

function forgetWhenIdle() {
  if (key !== null && Date.now() - lastTouch >= IDLE) {
    lock("gate.idle");
  }
}

for (const name of ["pointerdown", "keydown", "wheel", "touchstart"]) {
  addEventListener(name, touched, { passive: true });
}

// A page that the browser keeps for its Back button must not keep the key.
addEventListener("pagehide", () => lock());
document.addEventListener("visibilitychange", forgetWhenIdle);
// Short steps: a computer that slept wakes up past the time.
setInterval(forgetWhenIdle, 5000);
