// The keyboard: / searches, j and k (or the arrows) move in the schedule, n and p turn its pages, ? helps. Keys of one
// character can be switched off (WCAG 2.1.4): who speaks to a device "types" them by accident.

const KEPT = "rota-explorer-keys";
const isTyping = ({ target }) => target.matches("input, select, textarea, [contenteditable]");

function move(by) {
  const links = [...document.querySelectorAll("table.schedule tr:not([hidden]) th a")];
  if (links.length === 0) return false;
  const at = links.indexOf(document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + by, 0), links.length - 1);
  links[next].focus();
  return true;
}

function follow(selector) {
  const link = document.querySelector(selector);
  link?.click();
  return Boolean(link);
}

const KEYS = {
  "/": () => {
    document.getElementById("search").select();
    return true;
  },
  "?": () => {
    document.getElementById("help").showModal();
    return true;
  },
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => document.activeElement.closest("table.schedule") && move(1),
  ArrowUp: () => document.activeElement.closest("table.schedule") && move(-1),
  n: () => follow('a[rel="next"], a[data-step="Newer ›"]'),
  p: () => follow('a[rel="prev"], a[data-step="‹ Older"]'),
};

// Storage may be switched off: the switch then holds as long as the page.
function kept() {
  try {
    return localStorage.getItem(KEPT) !== "off";
  } catch {
    return true;
  }
}

function keep(isOn) {
  try {
    localStorage.setItem(KEPT, isOn ? "on" : "off");
  } catch {
    // It holds here.
  }
}

// What is announced as a shortcut must be one.
function announceKeys(isOn) {
  for (const [id, key] of [["search", "/"], ["help-open", "?"]]) {
    const element = document.getElementById(id);
    if (isOn) element.setAttribute("aria-keyshortcuts", key);
    else element.removeAttribute("aria-keyshortcuts");
  }
}

/** Listens to the keys of the page. */
export function listen() {
  const letters = document.getElementById("letters");
  letters.checked = kept();
  announceKeys(letters.checked);
  letters.addEventListener("change", () => (keep(letters.checked), announceKeys(letters.checked)));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (isTyping(event)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key.length === 1 && !letters.checked) return;
    if (Object.hasOwn(KEYS, event.key) && KEYS[event.key]()) event.preventDefault();
  });
}
