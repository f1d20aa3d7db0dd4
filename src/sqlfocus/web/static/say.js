// What the page tells the reader: what went wrong, and for screen readers what has happened.

import * as api from "./api.js";
import { say } from "./i18n.js";
import { askForKey } from "./key.js";

const $ = (id) => document.getElementById(id);

/** A line below the SQL. */
export function showMessage(key, fill) {
  $("sql-error").hidden = false;
  say($("sql-error"), key, fill);
}

export function showError(error) {
  if (error.name === "AbortError") return announce("stopped");
  if (error instanceof api.Gone) {
    showMessage("error.gone");
    return watch();
  }
  if (error.status === 401) return askForKey();
  if (!(error instanceof api.Problem)) console.error(error);
  delete $("sql-error").dataset.text;
  $("sql-error").hidden = false;
  $("sql-error").textContent = error.message;
}

export function announce(key, fill) {
  say($("status"), key, fill);
}

let watching = false;
let whenBack = () => {};

/** Calls `listener` when a server that was gone is back. */
export function onReturn(listener) {
  whenBack = listener;
}

/** The server is gone: says so until it is back. */
async function watch() {
  if (watching) return;
  watching = true;
  $("banner").hidden = false;
  do await new Promise((resolve) => setTimeout(resolve, 2000));
  while (!(await api.alive()));
  watching = false;
  $("banner").hidden = true;
  if ($("sql-error").dataset.text === "error.gone") $("sql-error").hidden = true;
  announce("back");
  whenBack();
}
