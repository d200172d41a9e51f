// The operator's key. It lives in one variable and nowhere else, and what was begun with it ends with it.

const IDLE = 15 * 60_000;

let key = null;
// A key that was typed is not yet one that was accepted.
let checking = false;
// Everything that a key began ends with it.
let session = new AbortController();
let lastTouch = Date.now();

/** Whether the key was accepted, not only typed. */
const isOpen = () => key !== null && !checking;

const whatForgets = [];

/** Takes what has to be done when the key is forgotten: a function of `why`, and whether there was a key. */
const whenLocked = (forget) => whatForgets.push(forget);

/** Forgets the key, and everything that it showed. `why` names the words that tell the operator. */
function lock(why) {
  const wasOpen = key !== null;
  key = null;
  session.abort();
  session = new AbortController();
  for (const forget of whatForgets) {
    forget(why, wasOpen);
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
