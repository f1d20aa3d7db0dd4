// What the page is doing now, at most one thing: a call with its progress and its Stop button.

import * as api from "./api.js";
import { say, text } from "./i18n.js";

const progress = document.getElementById("progress");
const working = document.getElementById("working");
let now = null;

/**
 * Begins something, and stops what was under way. `buttons` are the one that began it and its Stop button, which take
 * each other's place; `key` is the text that says what is done, with its seconds.
 */
export function begin([start, stopButton], key) {
  stop();
  const controller = new AbortController();
  const since = Date.now();
  const mine = { controller, buttons: [start, stopButton], id: null, quiet: 0 };
  mine.tell = () => Date.now() >= mine.quiet && say(working, mine.key, { seconds: Math.floor((Date.now() - since) / 1000) });
  mine.key = key;
  mine.timer = setInterval(() => mine.tell(), 1000);
  now = mine;
  const focused = document.activeElement === start;
  start.hidden = true;
  stopButton.hidden = false;
  if (focused) stopButton.focus();
  progress.hidden = false;
  working.hidden = false;
  mine.tell();
  return {
    signal: controller.signal,
    /** Says why and how long it waits. */
    waiting(problem, seconds, attempt, most) {
      mine.quiet = Date.now() + 1100; // it is told again within a second
      // What the service says is the reason, then what to do; the page does that itself.
      const reason = problem.kind === "queue-full" ? text("busy.full") : problem.message.split(";")[0];
      say(working, "busy.wait", { reason, seconds, attempt, most });
    },
    /** The execution's name, to stop it by. */
    running(id) {
      mine.id = id;
    },
    end() {
      clearInterval(mine.timer);
      if (now !== mine) return; // another has taken its place and shows itself
      const inStop = document.activeElement === stopButton;
      start.hidden = false;
      stopButton.hidden = true;
      if (inStop) start.focus();
      progress.hidden = true;
      working.hidden = true;
      now = null;
    },
  };
}

/** Stops what is under way: the call, and the query in the database. */
export function stop() {
  if (!now) return;
  const { controller, id, timer, buttons } = now;
  clearInterval(timer);
  if (id) api.stop(id);
  controller.abort();
  buttons[0].hidden = false;
  buttons[1].hidden = true;
  progress.hidden = true;
  working.hidden = true;
  now = null;
}

// A query whose page is closed has no reader.
addEventListener("pagehide", stop);
