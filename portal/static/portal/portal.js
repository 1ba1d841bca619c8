// What the pages do beside htmx. Everything works without it.

// --- the time left of a log-in-as: counted from what the server said, so that a wrong clock here does not matter.

const left = document.querySelector("[data-seconds-left]");
const said = document.querySelector("[data-time-said]");
const WARN_AT_MINUTES = [10, 5, 1];

function minutesLeft(minutes) {
  return minutes > 0 ? `${minutes} minute${minutes === 1 ? "" : "s"} left` : "Time is up";
}

function countDown() {
  const endsAt = Date.now() + Number(left.dataset.secondsLeft) * 1000;
  let shown = null;
  const tick = () => {
    const seconds = Math.max(0, Math.round((endsAt - Date.now()) / 1000));
    const minutes = Math.ceil(seconds / 60);
    if (minutes !== shown) {
      left.textContent = minutesLeft(minutes);
      left.classList.toggle("is-short", minutes <= 5);
      // A screen reader hears of it at a few moments, not every minute.
      if (shown !== null && (WARN_AT_MINUTES.includes(minutes) || minutes === 0)) {
        said.textContent = minutesLeft(minutes);
      }
      shown = minutes;
    }
    if (seconds > 0) setTimeout(tick, 1000);
  };
  tick();
}

if (left) countDown();

// --- "/" goes to Quick Find, unless one is typing.

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const field = document.querySelector("[data-focus-key='/']");
  if (field) {
    event.preventDefault();
    field.focus();
    field.select();
  }
});

// --- the menu under one's name closes as menus do.

const menu = document.querySelector("details.menu");

document.addEventListener("click", (event) => {
  if (menu?.open && !menu.contains(event.target)) menu.open = false;
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && menu?.open) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// --- on a small screen the tree shows as soon as it is narrowed.

const tree = document.querySelector("#setup-tree");
const quickFind = document.querySelector("#quick-find");

quickFind?.addEventListener("input", () => tree.classList.toggle("is-narrowed", quickFind.value.trim() !== ""));
