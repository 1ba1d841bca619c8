// The tree of roles by keys: to go through it, and to move a role. Without it every role's own page does the same.

const said = document.querySelector("#roles-said");
const form = document.querySelector("#role-move");

let picked = null;

document.querySelector("#role-keys").classList.add("works");

const say = (words) => {
  said.textContent = words;
};
const itemOf = (name) => name.closest("li");
const nameIn = (item) => item?.querySelector(":scope > .role-row > a.role-name") ?? null;
const above = (item) => item.parentElement.closest("li");
const below = (item) => item.querySelector(":scope > details");
const wordsOf = (item) => nameIn(item).textContent;

// Those that can be seen: nothing that is closed is above them.
function names() {
  return [...document.querySelectorAll("#roles a.role-name")].filter((name) => {
    for (let item = above(itemOf(name)); item; item = above(item)) {
      if (below(item)?.open === false) return false;
    }
    return true;
  });
}

function step(name, by) {
  const all = names();
  return all[all.indexOf(name) + by];
}

// Where each key leads; what is closed or opened on the way.
const KEYS = {
  ArrowDown: (name) => step(name, 1),
  ArrowUp: (name) => step(name, -1),
  Home: () => names()[0],
  End: () => names().at(-1),
  ArrowRight: (name) => {
    const part = below(itemOf(name));
    if (!part || part.open) return part ? nameIn(part.querySelector("li")) : null;
    part.open = true;
    return null;
  },
  ArrowLeft: (name) => {
    const part = below(itemOf(name));
    if (!part?.open) return nameIn(above(itemOf(name)));
    part.open = false;
    return null;
  },
};

function pick(item) {
  drop();
  picked = item.dataset.role;
  item.classList.add("is-picked");
  say(`${wordsOf(item)} is picked up. Go to another role, and press Enter to put it below that one, or Escape to leave it.`);
}

function drop() {
  if (picked === null) return;
  document.querySelector("#roles .is-picked")?.classList.remove("is-picked");
  picked = null;
}

function closedOnes() {
  return [...document.querySelectorAll("#roles details:not([open])")].map((part) => itemOf(part).dataset.role);
}

// The same form as anybody's: the answer is the page as it is then, of which the tree and the message are taken.
async function move(id, to) {
  const { move: action } = nameIn(document.querySelector(`#roles [data-role="${id}"]`)).dataset;
  const body = new URLSearchParams(new FormData(form));
  body.set("below", to);
  let fresh = null;
  let words = "";
  try {
    const answer = await fetch(action, { method: "POST", body });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    fresh = page.querySelector("#roles");
    words = page.querySelector("main .alert")?.textContent.trim() ?? "";
  } catch {
    say("That did not work. Load this page again, and see where the role is.");
    return;
  }
  if (!fresh) {
    // One is somebody else by now, or nobody: the page that says so has to come.
    form.action = action;
    form.elements.below.value = to;
    form.submit();
    return;
  }
  const closed = closedOnes();
  document.querySelector("#roles").replaceWith(fresh);
  for (const item of closed) {
    const part = document.querySelector(`#roles [data-role="${item}"] > details`);
    if (part && !part.querySelector(`[data-role="${id}"]`)) part.open = false;
  }
  say(words);
  document.querySelector(`#role-${id}`)?.focus();
}

function upALevel(item) {
  const over = above(item);
  if (!over) {
    say(`${wordsOf(item)} is at the top already.`);
  } else {
    // What is continued from a page before names its role as well.
    move(item.dataset.role, above(over)?.dataset.role ?? "");
  }
}

document.addEventListener("keydown", (event) => {
  const name = event.target.closest?.("#roles a.role-name");
  if (!name || event.ctrlKey || event.metaKey) return;
  const item = itemOf(name);
  if (event.altKey) {
    if (!event.shiftKey || event.key !== "ArrowLeft") return;
    event.preventDefault();
    drop();
    upALevel(item);
  } else if (KEYS[event.key]) {
    event.preventDefault();
    KEYS[event.key](name)?.focus();
  } else if (event.key.toLowerCase() === "m") {
    event.preventDefault();
    pick(item);
  } else if (picked !== null && event.key === "Escape") {
    drop();
    say("It is left where it is.");
  } else if (picked !== null && event.key === "Enter") {
    event.preventDefault();
    const id = picked;
    drop();
    if (id === item.dataset.role) say("It is left where it is.");
    else move(id, item.dataset.role);
  }
});
