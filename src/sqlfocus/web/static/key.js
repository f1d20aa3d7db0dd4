// The dialog for the key that the service asks for, where it was started with keys.

import { useKey } from "./api.js";
import { say } from "./i18n.js";

const dialog = document.getElementById("key");
const input = document.getElementById("key-text");

let given = false; // whether one was given already, which then was wrong

/** Wires the dialog; `entered()` is called when the reader has given a key. */
export function startKey(entered) {
  document.getElementById("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const key = input.value.trim();
    if (!/^[\x21-\x7e]+$/.test(key)) return show("key.wrong"); // no header may hold it
    given = true;
    useKey(key);
    input.value = "";
    dialog.close();
    entered();
  });
}

/** The service has refused a call for want of a key. */
export function askForKey() {
  show(given ? "key.wrong" : "key.needed");
}

function show(text) {
  say(document.getElementById("key-help"), text);
  if (!dialog.open) dialog.showModal();
  input.focus();
}
