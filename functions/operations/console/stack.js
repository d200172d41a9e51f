// Which stack the page is of: said in its head, in its title and in every dialog.

let stack = null;

/** As the mails say it: the account as customers know it, the stack, the country. */
function stackName() {
  if (stack === null) {
    return location.host;
  }
  const country = stack.country &&
    new Intl.DisplayNames(language, { type: "region", style: "short" }).of(stack.country);
  return [stack.account, stack.name, country].filter(Boolean).join(" · ");
}

function drawStack() {
  $("where").textContent = stackName();
  $("dialog-where").textContent = stackName();
}

async function loadStack() {
  try {
    stack = await get("/stack");
  } catch {
    // The page is of use all the same, and says its address.
    return;
  }
  if (stack.country in COUNTRY_ZONES) {
    ZONES.shop = COUNTRY_ZONES[stack.country];
  }
}

whenLocked(() => {
  stack = null;
  delete ZONES.shop;
  drawZones();
  drawStack();
});

/** The clocks that there are to choose from; the shops' only where their country is known. */
function drawZones() {
  if (!(chosenZone in ZONES)) {
    chosenZone = "own";
  }
  const option = ([name, of]) => el("option", { value: name }, `${t(`zone.${name}`)} (${offsetOf(of)})`);
  $("zone").replaceChildren(...Object.entries(ZONES).map(option));
  $("zone").value = chosenZone;
}
