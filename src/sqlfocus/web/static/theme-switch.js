// Light or dark: the system's choice until the reader makes another.

import { saveTheme } from "./store.js";

const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = [];

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : system.matches;
}

export function onTheme(listener) {
  listeners.push(listener);
}

export function startTheme(button) {
  system.addEventListener("change", tell);
  button.addEventListener("click", () => {
    const dark = !isDark();
    // What the system has anyway is not kept, so that the page follows the system again.
    if (dark === system.matches) delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = dark ? "dark" : "light";
    saveTheme(document.documentElement.dataset.theme ?? null);
    tell();
  });
}

function tell() {
  for (const listener of listeners) listener();
}
