// What leaves the page: CSV and JSON to keep; rows, SQL and links to paste.

import { say } from "./i18n.js";
import { announce } from "./say.js";

/**
 * CSV as RFC 4180 has it. NULL is an empty field, an empty text is "". Text that a spreadsheet would take for a formula
 * gets a ' before it, as OWASP advises; numbers stay as they are, negative ones too.
 */
export function csv(columns, rows) {
  const field = (value) => {
    if (value === null) return "";
    let shown = String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(shown) && !/^[+-]?\d+(\.\d+)?$/.test(shown)) shown = `'${shown}`;
    return shown === "" || /[",\r\n]/.test(shown) ? `"${shown.replaceAll('"', '""')}"` : shown;
  };
  return [columns.map((column) => column.name), ...rows].map((row) => `${row.map(field).join(",")}\r\n`).join("");
}

/** Rows as a spreadsheet takes them from the clipboard. */
export function tsv(columns, rows) {
  const field = (value) => (value === null ? "" : String(value).replace(/[\t\r\n]+/g, " "));
  return [columns.map((column) => column.name), ...rows].map((row) => row.map(field).join("\t")).join("\n");
}

/** An array of objects. Of columns of one name, the second is called name_2. */
export function json(columns, rows) {
  const names = unique(columns.map((column) => column.name));
  const objects = rows.map((row) => Object.fromEntries(row.map((value, place) => [names[place], value])));
  return `${JSON.stringify(objects, null, 1)}\n`;
}

function unique(names) {
  const taken = new Set();
  return names.map((name) => {
    let free = name;
    for (let count = 2; taken.has(free); count++) free = `${name}_${count}`;
    taken.add(free);
    return free;
  });
}

/** `bom`: Excel reads a CSV file as UTF-8 only where it begins with one. */
export function download(name, content, type, bom = false) {
  const url = URL.createObjectURL(new Blob(bom ? ["\ufeff", content] : [content], { type: `${type};charset=utf-8` }));
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Whether the text is on the clipboard now. */
async function copy(content) {
  try {
    await navigator.clipboard.writeText(content);
    return true;
  } catch {
    // Over plain HTTP from another machine there is no navigator.clipboard; the old way works there.
    const field = document.body.appendChild(document.createElement("textarea"));
    field.value = content;
    field.className = "unseen";
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

/** Copies, and says so on the button for a while. */
export async function copied(button, content) {
  const words = button.querySelector("span");
  const key = button.dataset.said ?? (button.dataset.said = words.dataset.text);
  const done = await copy(content);
  say(words, done ? "copied" : "copy.failed");
  announce(done ? "copied" : "copy.failed");
  setTimeout(() => say(words, key), 1500);
}
