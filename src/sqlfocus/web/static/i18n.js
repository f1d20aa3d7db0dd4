// The page's language. Elements name their texts: data-text, data-label (aria-label and tooltip), data-placeholder; what a
// text is filled with stands in data-fill. So a change of language needs no one's help but this module's.

import { load, save } from "./store.js";
import { TEXTS } from "./texts.js";

let language = "en";
const listeners = [];

/** The text of a key; numbers of `fill` are written as the language writes them. */
export function text(key, fill = {}) {
  const found = TEXTS[language][key] ?? TEXTS.en[key] ?? key;
  return found.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = fill[name];
    return typeof value === "number" ? value.toLocaleString(language) : (value ?? whole);
  });
}

/** Lets an element say a text, now and after each change of language. */
export function say(element, key, fill = {}) {
  element.dataset.text = key;
  element.dataset.fill = JSON.stringify(fill);
  element.textContent = text(key, fill);
}

export function current() {
  return language;
}

export function onLanguage(listener) {
  listeners.push(listener);
}

export function setLanguage(wanted) {
  language = wanted in TEXTS ? wanted : "en";
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-text], [data-label], [data-placeholder]")) {
    const { text: key, label, placeholder, fill } = element.dataset;
    const filled = fill ? JSON.parse(fill) : {};
    if (key) element.textContent = text(key, filled);
    if (label) {
      element.setAttribute("aria-label", text(label, filled));
      element.title = text(label, filled);
    }
    if (placeholder) element.placeholder = text(placeholder, filled);
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
  for (const listener of listeners) listener();
}

/** The language of the last visit, else the browser's. */
export function startLanguage() {
  const first = (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en";
  setLanguage(load("language", first));
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => {
      save("language", button.dataset.language);
      setLanguage(button.dataset.language);
    });
  }
}
