// What the pages do beside htmx. Everything works without it.

// --- the time left of a log-in-as: counted from what the server said, so that a wrong clock here does not matter.

const left = document.querySelector("[data-seconds-left]");
const said = document.querySelector("[data-time-said]");
const WARN_AT_MINUTES = [10, 5, 1, 0];
// The page before may have counted down to another minute: what was passed on the way here is said too.
const COUNTED = "portal-minutes-left";

function minutesLeft(minutes) {
  return minutes > 0 ? `${minutes} minute${minutes === 1 ? "" : "s"} left` : "Time is up";
}

function countDown() {
  const endsAt = Date.now() + Number(left.dataset.secondsLeft) * 1000;
  let counted = null;
  try {
    counted = JSON.parse(sessionStorage.getItem(COUNTED));
  } catch {
    // A browser that keeps nothing: then it is said on the page where it is passed, and nowhere else.
  }
  const tick = () => {
    const seconds = Math.max(0, Math.round((endsAt - Date.now()) / 1000));
    const minutes = Math.ceil(seconds / 60);
    if (minutes !== counted) {
      left.textContent = minutesLeft(minutes);
      left.classList.toggle("is-short", minutes <= 5);
      // A screen reader hears of it at a few moments, not every minute; also where a tab that slept has missed one.
      if (counted !== null && WARN_AT_MINUTES.some((at) => minutes <= at && counted > at)) {
        said.textContent = minutesLeft(minutes);
      }
      counted = minutes;
      try {
        sessionStorage.setItem(COUNTED, JSON.stringify(minutes));
      } catch {
        // As above.
      }
    }
    if (seconds > 0) setTimeout(tick, 1000);
  };
  left.classList.toggle("is-short", Number(left.dataset.secondsLeft) <= 300);
  // A moment after the page is there: what a live region holds from the beginning is not read.
  setTimeout(tick, 1000);
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

// --- menus close as menus do.

function openMenus() {
  return document.querySelectorAll("details.menu[open], details.columns[open]");
}

document.addEventListener("click", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// --- rows that are selected to do something to them: one box for all of the page, and how many there are. The form
// is replaced with its list, so that nothing here holds on to one.

const SELECTS = "form[data-selects]";

function tellSelected(form) {
  const boxes = [...form.elements].filter((one) => one.name === "id");
  const selected = boxes.filter((one) => one.checked).length;
  const all = form.querySelector("[data-select-all]");
  form.querySelectorAll(".by-script").forEach((part) => part.classList.add("works"));
  all.checked = selected > 0 && selected === boxes.length;
  all.indeterminate = selected > 0 && selected < boxes.length;
  form.querySelector("[data-selected-count]").textContent = selected ? `${selected} selected` : "Nobody selected";
}

function tellAllSelected() {
  document.querySelectorAll(SELECTS).forEach(tellSelected);
}

document.addEventListener("change", (event) => {
  const form = event.target.form?.closest(SELECTS);
  if (!form) return;
  if ("selectAll" in event.target.dataset) {
    for (const one of form.elements) if (one.name === "id") one.checked = event.target.checked;
  }
  tellSelected(form);
});

document.addEventListener("htmx:afterSettle", tellAllSelected);
// A page that one comes back to has its boxes ticked as they were left, after its scripts have run.
window.addEventListener("pageshow", tellAllSelected);
tellAllSelected();

// --- what was typed into a search before htmx listened, or was restored by the browser, is searched for too.

document.body.addEventListener(
  "htmx:load",
  () => {
    for (const field of document.querySelectorAll("input[type='search'][hx-get]")) {
      if (field.value !== field.defaultValue) field.dispatchEvent(new Event("search"));
    }
  },
  { once: true },
);
