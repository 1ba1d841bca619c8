// Quick Find by keyboard. The arrow keys move the focus from the field through what was found and back; the links stay
// links, so that Enter opens one and Tab works as ever. Enter in the field sends the form: all that was found, on a page.

const field = document.querySelector("#quick-find");
const tree = document.querySelector("#setup-tree");
// Whether the arrow was pressed before what it goes to had come.
let isWaiting = false;

const words = (text) => text.trim().split(/\s+/).join(" ");
const links = () => [...tree.querySelectorAll("a[href]")].filter((link) => link.checkVisibility());
const isShown = () => tree.querySelector("[data-found-for]").dataset.foundFor === words(field.value);

function clear() {
  isWaiting = false;
  if (!field.value) return;
  field.value = "";
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

// On a small screen the tree shows as soon as it is narrowed.
field.addEventListener("input", () => {
  isWaiting = false;
  tree.classList.toggle("is-narrowed", words(field.value) !== "");
});

field.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") {
    event.preventDefault();
    isWaiting = !isShown();
    if (!isWaiting) links()[0]?.focus();
  } else if (event.key === "Escape" && field.value) {
    event.preventDefault();
    clear();
  }
});

tree.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const found = links();
  const at = found.indexOf(document.activeElement);
  if (at < 0) return;
  const goal = {
    ArrowDown: found[at + 1] ?? found[at],
    ArrowUp: found[at - 1] ?? field,
    Home: found[0],
    End: found.at(-1),
    Escape: field,
  }[event.key];
  if (!goal) return;
  event.preventDefault();
  goal.focus();
  if (event.key === "Escape") clear();
});

// What had the focus is gone once the tree is another: the field takes it, and not the page's top.
let hadFocus = false;
tree.addEventListener("htmx:beforeSwap", () => {
  hadFocus = tree.contains(document.activeElement);
});
tree.addEventListener("htmx:afterSwap", () => {
  if (isWaiting && isShown()) {
    isWaiting = false;
    (links()[0] ?? field).focus();
  } else if (hadFocus) {
    field.focus();
  }
  hadFocus = false;
});
