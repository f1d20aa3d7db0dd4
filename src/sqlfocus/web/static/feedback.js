// What the reader says of an answer: right, wrong, or the SQL that would have been right. The service keeps it for review.

import * as api from "./api.js";
import { say } from "./i18n.js";

/** Wires the buttons. `sql()` gives the editor's text, `failed(error)` shows what went wrong. */
export function startFeedback({ sql, failed }) {
  const good = document.getElementById("good");
  const bad = document.getElementById("bad");
  const corrected = document.getElementById("save-corrected");
  const said = document.getElementById("feedback-said");
  let asked = null;

  async function send(verdict, correctedSql, thanks) {
    const { question, evidence, database, sql: answer } = asked;
    try {
      await api.feedback({ question, evidence, database, sql_query: answer, verdict, corrected_sql: correctedSql });
    } catch (error) {
      failed(error);
      return;
    }
    good.setAttribute("aria-pressed", String(verdict === "right"));
    bad.setAttribute("aria-pressed", String(verdict === "wrong"));
    if (correctedSql) corrected.hidden = true;
    say(said, thanks);
  }

  function sayNothing() {
    said.textContent = "";
    delete said.dataset.text;
  }

  const isSaid = (button) => button.getAttribute("aria-pressed") === "true";

  good.addEventListener("click", () => isSaid(good) || send("right", "", "feedback.kept"));
  bad.addEventListener("click", () => isSaid(bad) || send("wrong", "", corrected.hidden ? "feedback.correct" : "feedback.kept"));
  corrected.addEventListener("click", () => send("wrong", sql().trim(), "feedback.saved"));

  return {
    /** An answer to judge: {question, evidence, database, sql}; null where there is none. */
    about(answer) {
      asked = answer;
      good.setAttribute("aria-pressed", "false");
      bad.setAttribute("aria-pressed", "false");
      sayNothing();
      corrected.hidden = true;
    },
    /** The editor's text has changed. */
    edited(isEdited) {
      const isNew = asked !== null && isEdited;
      if (isNew && corrected.hidden) sayNothing();
      corrected.hidden = !isNew;
    },
  };
}
