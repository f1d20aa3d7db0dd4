// What is to be said of an answer beside its SQL: why it may not run, notes, what it cost.

import { current, onLanguage, say, text } from "./i18n.js";

const PHASES = ["queue", "schema", "model", "check", "run"];

let shown = null;

/** Shows an answer of the API's, Answered; `ranMilliseconds` once its SQL has run. Null hides all. */
export function showAnswer(answer, ranMilliseconds = null) {
  shown = answer && [answer, ranMilliseconds];
  document.getElementById("answer-foot").hidden = !answer;
  const notes = document.getElementById("notes");
  notes.replaceChildren();
  notes.hidden = true;
  if (!answer) return;
  for (const note of answer.notes) notes.appendChild(document.createElement("li")).textContent = note;
  notes.hidden = answer.notes.length === 0;

  const { milliseconds, tokens } = answer;
  const ran = ranMilliseconds ?? milliseconds.run;
  const total = milliseconds.total + (ranMilliseconds ?? 0);
  const seconds = (total / 1000).toLocaleString(current(), { maximumFractionDigits: total < 10_000 ? 1 : 0 });
  say(document.getElementById("details-summary"), "details", { model: answer.model, seconds });

  const body = document.getElementById("details-body");
  body.replaceChildren();
  const times = body.appendChild(document.createElement("dl"));
  times.className = "times";
  for (const phase of [...PHASES, "total"]) {
    const value = phase === "run" ? ran : phase === "total" ? total : milliseconds[phase];
    const pair = times.appendChild(document.createElement("div"));
    pair.appendChild(document.createElement("dt")).textContent = text(`time.${phase}`);
    pair.appendChild(document.createElement("dd")).textContent = `${value.toLocaleString(current(), { maximumFractionDigits: value < 10 ? 1 : 0 })} ms`;
  }
  body.appendChild(document.createElement("p")).textContent = text("tokens", tokens);
  list(body, "tables", answer.tables);
  list(body, "values", answer.values.map((found) => `${found.table}.${found.column} = ${found.value}`));
  list(body, "left_out", answer.left_out);
  if (answer.attempts.length > 1) {
    list(body, "attempts", answer.attempts.map((attempt) => `${attempt.sql_query}\n— ${attempt.error || text("attempts.taken")}`));
  }
}

function list(body, key, lines) {
  if (!lines.length) return;
  body.appendChild(document.createElement("h3")).textContent = text(key);
  const items = body.appendChild(document.createElement("ul"));
  for (const line of lines) items.appendChild(document.createElement("li")).textContent = line;
}

onLanguage(() => shown && showAnswer(...shown));
