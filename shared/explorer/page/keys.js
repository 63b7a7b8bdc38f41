// The keyboard: / searches, j and k (or the arrows) move in the schedule, n and p turn its pages, ? helps.

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

/** Listens to the keys of the page. */
export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (isTyping(event)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (Object.hasOwn(KEYS, event.key) && KEYS[event.key]()) event.preventDefault();
  });
}
