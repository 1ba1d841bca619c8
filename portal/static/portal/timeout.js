// Asks two minutes before one is signed out whether to stay, and goes to sign in at the end. Without it the foot of the
// page still tells the time. All is counted from what the server said, so that a wrong clock here does not matter.

const WARN_SECONDS = 120;
const SAY_AT_SECONDS = [60, 30, 10];
// A clock that runs a little ahead here must not ask too early: asking is activity, and would put the end off.
const GRACE_SECONDS = 2;
// Clocks of a machine that slept, or of a tab that was out of sight, stand still meanwhile.
const LOOK_EVERY_SECONDS = 30;

const foot = document.querySelector("#timeout");
const dialog = document.querySelector(".timeout-dialog");
const form = dialog.querySelector("form");
const close = dialog.querySelector("[data-timeout-close]");
const part = (name) => dialog.querySelector(`[data-timeout-${name}]`);
// What is done in one tab counts for all of them. Nothing is stored.
const tabs = "BroadcastChannel" in window ? new BroadcastChannel("portal-timeout") : null;

let end = null;
let shown = null;
let isRead = false;
let isOver = false;
let lastSaid = null;
let timer = null;

function inWords(seconds) {
  const minutes = Math.floor(seconds / 60);
  const rest = seconds % 60;
  const words = [];
  if (minutes) words.push(`${minutes} minute${minutes === 1 ? "" : "s"}`);
  if (rest || !minutes) words.push(`${rest} second${rest === 1 ? "" : "s"}`);
  return `${words.join(" ")} left`;
}

function take(told) {
  // Another tab may tell again of an end that cannot be put off, and that was read here.
  if (told.extends || end?.extends !== told.extends) isRead = false;
  end = told;
  foot.textContent = told.words;
  part("trouble").textContent = "";
  look();
}

function takeAnswer(said) {
  const told = { at: Date.now() + said.seconds * 1000, words: said.words, extends: said.extends };
  tabs?.postMessage(told);
  take(told);
}

function look() {
  clearTimeout(timer);
  if (isOver) return;
  const seconds = Math.ceil((end.at - Date.now()) / 1000);
  if (seconds <= -GRACE_SECONDS) {
    isOver = true;
    // The page asks who it is, and leads to the login page and from there back to itself.
    // Never the path alone: one that begins with two slashes would be another site.
    location.replace(foot.dataset.page ?? location.href.split("#")[0]);
  } else if (seconds > WARN_SECONDS) {
    if (dialog.open) dialog.close();
    timer = setTimeout(look, Math.min(seconds - WARN_SECONDS, LOOK_EVERY_SECONDS) * 1000);
  } else {
    warn(Math.max(0, seconds));
    timer = setTimeout(look, 1000);
  }
}

function describe(seconds) {
  dialog.querySelector("h2").textContent = end.extends ? "Are you still there?" : "Your time is nearly up";
  dialog.querySelector("#timeout-words").textContent = end.extends ? end.words : `${end.words} Save what you are doing.`;
  form.hidden = !end.extends;
  close.hidden = end.extends;
  part("said").textContent = "";
  [shown, lastSaid] = [end, seconds];
  if (dialog.open) (end.extends ? form.querySelector("button") : close).focus();
}

function warn(seconds) {
  part("left").textContent = inWords(seconds);
  if (shown !== end) describe(seconds);
  if (!dialog.open && !isRead) dialog.showModal();
  // A screen reader hears of it at a few moments, not every second.
  if (dialog.open && SAY_AT_SECONDS.some((at) => seconds <= at && lastSaid > at)) {
    lastSaid = seconds;
    part("said").textContent = inWords(seconds);
  }
}

async function stay() {
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      headers: { Accept: "application/json" },
    });
    if (!answer.ok) throw new Error(answer.status);
    takeAnswer(await answer.json());
  } catch {
    isRead = false;
    part("trouble").textContent = "That did not work. Copy what you have typed, then load this page again.";
    look();
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  stay();
});

// At once: the event of closing comes late enough for the next look to open it again.
close.addEventListener("click", () => {
  isRead = true;
  dialog.close();
});

// Escape stays. A browser may close at a second one without asking.
dialog.addEventListener("cancel", (event) => {
  if (!end.extends) {
    isRead = true;
    return;
  }
  event.preventDefault();
  stay();
});

dialog.addEventListener("close", () => {
  // Closed by hand, and not since the end has moved on.
  isRead = end.at - Date.now() <= WARN_SECONDS * 1000;
});

document.addEventListener("visibilitychange", look);
window.addEventListener("pageshow", look);

// A part of the page was fetched: that was activity, and its answer says until when.
document.body.addEventListener("htmx:afterRequest", (event) => {
  const said = event.detail.xhr.getResponseHeader("Portal-Timeout");
  if (said) takeAnswer(JSON.parse(said));
});

tabs?.addEventListener("message", (event) => take(event.data));

takeAnswer({
  seconds: Number(foot.dataset.seconds),
  words: foot.textContent,
  extends: foot.dataset.extends !== undefined,
});
