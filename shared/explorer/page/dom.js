// Elements. Children are elements or text, never markup.

/** Makes an element. Functions are listeners, `true` is an attribute without a value, null and false are none. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A list of terms: pairs of a name and what belongs to it; pairs with null are left out. */
export const facts = (...pairs) =>
  el(
    "dl",
    { class: "facts" },
    pairs.filter(([, fact]) => fact !== null && fact !== undefined).map(([name, fact]) => el("div", {}, el("dt", {}, name), el("dd", {}, fact))),
  );

/** A heading with its section. */
export function section(title, ...children) {
  const id = `s-${title.toLowerCase().replaceAll(/\W+/g, "-")}`;
  return el("section", { "aria-labelledby": id }, el("h2", { id }, title), ...children);
}

/** Tells a screen reader something, politely. */
export function announce(text) {
  document.getElementById("status").textContent = text;
}

/** Shows a page, and tells a screen reader its heading. */
export function present(main, ...children) {
  main.replaceChildren(...children);
  announce(main.querySelector("h1").textContent);
}

/** A button that copies. */
export const copier = (text, what) =>
  el(
    "button",
    {
      type: "button",
      class: "copy",
      "aria-label": `Copy the ${what}`,
      click: async ({ currentTarget }) => {
        try {
          await navigator.clipboard.writeText(text);
          currentTarget.textContent = "Copied";
        } catch {
          currentTarget.textContent = "Not allowed";
        }
        announce(currentTarget.textContent);
        setTimeout(() => (currentTarget.textContent = "Copy"), 1500);
      },
    },
    "Copy",
  );
