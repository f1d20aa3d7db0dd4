// The last questions, kept in this browser alone, and the dialog that shows them.

import { current, onLanguage, say } from "./i18n.js";
import { load, save } from "./store.js";

const MOST = 200;

let entries = load("history", []);
if (!Array.isArray(entries)) entries = [];

/** Keeps a question with its SQL as the newest entry; the same one before is dropped. */
export function remember({ question, evidence, database, sql }) {
  const same = (one) => one.question === question && one.sql === sql && one.database === database;
  entries = [{ question, evidence, database, sql, at: Date.now() }, ...entries.filter((one) => !same(one))].slice(0, MOST);
  save("history", entries);
}

/** Wires the dialog; `choose(entry)` is called with what the reader takes from it. */
export function startHistory(choose) {
  const dialog = document.getElementById("history");
  const search = document.getElementById("history-search");
  const list = document.getElementById("history-list");
  const empty = document.getElementById("history-empty");
  const clear = document.getElementById("history-clear");

  function show() {
    const wanted = search.value.trim().toLowerCase();
    const fits = (one) => !wanted || `${one.question}\n${one.sql}\n${one.database ?? ""}`.toLowerCase().includes(wanted);
    const found = entries.filter(fits);
    list.replaceChildren(...found.map(item));
    empty.hidden = found.length > 0;
    say(empty, entries.length ? "history.unfound" : "history.none");
    say(clear, "history.clear");
    clear.hidden = entries.length === 0;
    clear.classList.remove("sure");
  }

  function item(entry) {
    const button = document.createElement("button");
    button.type = "button";
    const question = button.appendChild(document.createElement("span"));
    question.className = "asked";
    if (entry.question) question.textContent = entry.question;
    else say(question, "history.own");
    const sql = button.appendChild(document.createElement("code"));
    sql.textContent = entry.sql;
    const when = button.appendChild(document.createElement("small"));
    const time = new Date(entry.at).toLocaleString(current(), { dateStyle: "medium", timeStyle: "short" });
    when.textContent = [entry.database, time].filter(Boolean).join(" · ");
    button.addEventListener("click", () => {
      dialog.close();
      choose(entry);
    });
    const line = document.createElement("li");
    line.append(button);
    return line;
  }

  document.getElementById("history-open").addEventListener("click", () => {
    search.value = "";
    show();
    dialog.showModal();
    search.focus();
  });
  document.getElementById("history-close").addEventListener("click", () => dialog.close());
  // A click beside the dialog is one on its backdrop.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  search.addEventListener("input", show);
  clear.addEventListener("click", () => {
    if (!clear.classList.contains("sure")) {
      clear.classList.add("sure");
      say(clear, "history.sure", { count: entries.length });
      return;
    }
    entries = [];
    save("history", entries);
    show();
    search.focus();
  });
  onLanguage(() => dialog.open && show());
}
