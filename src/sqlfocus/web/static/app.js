// The page: asks, shows the SQL, runs it, shows the rows. Whatever comes from the service is shown as text, never as HTML.

import { showAnswer } from "./answer.js";
import * as api from "./api.js";
import { apart, makeEditor } from "./editor.js";
import { copied } from "./export.js";
import { startFeedback } from "./feedback.js";
import { remember, startHistory } from "./history.js";
import { say, startLanguage } from "./i18n.js";
import { startKey } from "./key.js";
import { hideResult, showResult } from "./result.js";
import { announce, onReturn, showError, showMessage } from "./say.js";
import { completions, startSchema } from "./schema.js";
import { closeDrawer, narrow } from "./side.js";
import { load, save } from "./store.js";
import { warm } from "./table.js";
import { startTheme } from "./theme-switch.js";
import { begin, stop } from "./work.js";

const $ = (id) => document.getElementById(id);
const question = $("question");

let databases = []; // those that the service is connected to; empty: the reader gives the schema
let answered = null; // the last answer: {question, evidence, database, sql}
let lastField = "question"; // where a name of the schema goes

const isConnected = () => databases.length > 0;
const database = () => (isConnected() ? $("database").value : null);

// ---- words and looks

startLanguage();
startTheme($("theme"));
const mac = /Mac|iPhone|iPad/.test(navigator.platform);

// ---- the SQL

const editor = makeEditor($("editor"), {
  nonce: document.body.dataset.nonce,
  run: () => run(),
  focused: () => (lastField = "sql"),
  changed() {
    const isEdited = answered !== null && editor.text().trim() !== answered.sql.trim();
    $("sql-edited").hidden = !isEdited;
    feedback.edited(isEdited);
  },
});

const feedback = startFeedback({ sql: () => editor.text(), failed: showError });

async function ask() {
  const asked = question.value.trim();
  if (!asked) return question.focus();
  if (!isConnected() && !$("schema-text").value.trim()) {
    $("given-schema").open = true;
    $("schema-text").focus();
    return showMessage("given.missing");
  }
  const evidence = $("evidence").value.trim();
  const request = isConnected()
    ? { question: asked, evidence, database: database() }
    : { question: asked, evidence, db_schema: $("schema-text").value, dialect: $("dialect").value || null };
  const work = begin([$("ask"), $("ask-stop")], "busy.ask");
  clear();
  request.id = api.newId();
  work.running(request.id);
  announce("asking");
  $("sql-card").classList.add("stale");
  let answer = null;
  try {
    answer = await api.patiently(() => api.toSql(request, work.signal), work.signal, work.waiting);
    if (work.signal.aborted) return;
    take(answer, asked, evidence);
  } catch (error) {
    showError(error);
  } finally {
    work.end();
    $("sql-card").classList.remove("stale");
  }
  if (answer?.allowed && answer.database) await run(answer);
}

/** Shows an answer and lets it be judged. */
function take(answer, asked, evidence) {
  answered = { question: asked, evidence, database: answer.database, sql: answer.sql_query };
  editor.set(answer.sql_query);
  editor.setDialect(answer.dialect);
  showDialect(answer.dialect);
  showAnswer(answer);
  feedback.about(answered);
  if (!answer.sql_query) showMessage("sql.none");
  else if (!answer.allowed) showMessage(answer.parses ? "sql.refused" : "sql.faulty", { reason: answer.reason });
  else announce("answered");
  remember({ ...answered, database: answer.database });
}

/** Runs what stands in the editor; `answer` where it has just come. */
async function run(answer = null) {
  if (!isConnected()) return;
  const sql = editor.text().trim();
  if (!sql) return showMessage("sql.empty");
  const id = api.newId();
  const work = begin([$("run"), $("run-stop")], "busy.run");
  $("sql-error").hidden = true;
  $("welcome").hidden = true;
  hideResult();
  announce("running");
  work.running(id);
  let reason = null;
  try {
    const executed = await api.patiently(() => api.execute({ sql, database: database(), id }, work.signal), work.signal, work.waiting);
    if (work.signal.aborted) return;
    if (answer) showAnswer(answer, executed.milliseconds);
    else remember({ question: question.value.trim(), evidence: $("evidence").value.trim(), database: database(), sql });
    await showResult(executed);
    // The database has what the question names, and the SQL does not find it.
    if (answer?.values.length && !finds(executed.rows)) reason = "busy.again";
  } catch (error) {
    if (answer && error.kind === "sql-failed") reason = "busy.mend";
    else showError(error);
  } finally {
    work.end();
  }
  if (reason) await mend(reason);
}

/** Whether rows say something: more than one, or one of more than zeros and NULLs. */
const finds = (rows) => rows.length > 1 || rows.flat().some((value) => value !== null && value !== 0);

/** The model's own SQL does not run, or finds nothing: the service, which runs it too, lets the model try once more. */
async function mend(reason) {
  const { question: asked, evidence, database: where } = answered;
  const id = api.newId();
  const work = begin([$("ask"), $("ask-stop")], reason);
  work.running(id);
  try {
    const request = { question: asked, evidence, database: where, id };
    const mended = await api.patiently(() => api.ask(request, work.signal), work.signal, work.waiting);
    if (work.signal.aborted) return;
    take(mended, asked, evidence);
    if (mended.result) await showResult(mended.result);
    else showError(new api.Problem(422, mended.error));
  } catch (error) {
    showError(error);
  } finally {
    work.end();
  }
}

function clear() {
  answered = null;
  $("sql-error").hidden = true;
  $("sql-edited").hidden = true;
  $("welcome").hidden = true;
  showAnswer(null);
  feedback.about(null);
  hideResult();
}

function showDialect(dialect) {
  $("sql-dialect").hidden = false;
  $("sql-dialect").textContent = { sqlite: "SQLite", mysql: "MySQL", postgres: "PostgreSQL" }[dialect] ?? dialect;
}

// ---- links

$("sql-copy").addEventListener("click", (event) => copied(event.currentTarget, editor.text()));
$("link").addEventListener("click", (event) => copied(event.currentTarget, link()));

/** The address that fills the page in as it is now. It runs nothing by itself. */
function link() {
  const address = new URL(location.pathname, location.href);
  if (database()) address.searchParams.set("database", database());
  if (question.value.trim()) address.searchParams.set("q", question.value.trim());
  if ($("evidence").value.trim()) address.searchParams.set("hint", $("evidence").value.trim());
  const sql = editor.text().trim();
  if (sql && sql !== answered?.sql.trim()) address.searchParams.set("sql", sql);
  return address.href;
}

async function followLink() {
  const given = new URLSearchParams(location.search);
  if (!given.size) return;
  await fillIn({ question: given.get("q") ?? "", evidence: given.get("hint") ?? "", database: given.get("database"), sql: given.get("sql") ?? "" });
  history.replaceState(null, "", location.pathname);
}

/** Fills in a question and its SQL, from a link or the history, and runs nothing. */
async function fillIn(entry) {
  stop();
  clear();
  question.value = entry.question;
  $("evidence").value = entry.evidence ?? "";
  $("hint").open = Boolean(entry.evidence);
  if (entry.database && entry.database !== database() && databases.some((one) => one.name === entry.database)) {
    $("database").value = entry.database;
    await choose();
  }
  if (entry.database && entry.database !== database()) showMessage("database.unknown", { database: entry.database });
  editor.set(entry.sql);
  grow();
  question.focus();
}

// ---- the question

function grow() {
  question.style.height = "auto";
  question.style.height = `${Math.min(question.scrollHeight + 2, 220)}px`;
}

question.addEventListener("input", grow);
question.addEventListener("focus", () => (lastField = "question"));
question.addEventListener("keydown", (event) => {
  // While an input method composes, Enter takes its proposal.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  ask();
});
$("ask-form").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.defaultPrevented || event.isComposing) return;
  if (document.querySelector("dialog[open]")) return;
  event.preventDefault();
  ask();
});
$("run").addEventListener("click", () => run());
for (const id of ["ask-stop", "run-stop"]) {
  $(id).addEventListener("click", () => {
    stop();
    announce("stopped");
  });
}
startHistory(fillIn);

// ---- databases and the schema

const tree = startSchema((sqlName, name) => {
  closeDrawer();
  if (lastField === "sql") return editor.insert(sqlName);
  question.focus();
  question.setRangeText(apart(question.value.slice(0, question.selectionStart)) + name, question.selectionStart, question.selectionEnd, "end");
  grow();
});

async function connect() {
  try {
    databases = (await api.databases()).databases;
  } catch (error) {
    return showError(error);
  }
  document.body.classList.toggle("unconnected", !isConnected());
  $("given-schema").hidden = isConnected();
  $("run").disabled = !isConnected();
  say($("welcome"), isConnected() ? "welcome" : "welcome.given");
  say($("question-keys"), isConnected() ? "question.keys" : "question.keys.given", { key: mac ? "⌘" : "Ctrl" });
  const before = $("database").value || load("database", "");
  $("database").replaceChildren(...databases.map((one) => new Option(one.name, one.name)));
  if (databases.some((one) => one.name === before)) $("database").value = before;
  if (isConnected()) await choose();
}

async function choose() {
  const name = database();
  save("database", name);
  await showSchema(() => api.schema(name), name);
}

async function showSchema(get, name) {
  $("sidebar").setAttribute("aria-busy", "true");
  try {
    const info = await get();
    if (name !== database()) return null; // another was chosen meanwhile
    tree.show(info);
    editor.setNames(completions(info));
    editor.setDialect(info.dialect);
    showDialect(info.dialect);
    return info;
  } catch (error) {
    showError(error);
    return null;
  } finally {
    $("sidebar").removeAttribute("aria-busy");
  }
}

$("database").addEventListener("change", () => {
  stop();
  clear();
  choose();
});
$("schema-refresh").addEventListener("click", async () => {
  const name = database();
  const refreshed = await showSchema(() => api.refresh(name), name);
  if (refreshed) announce(refreshed.changed ? "schema.changed" : "schema.same");
});

const given = $("schema-text");
given.value = load("schema", "");
$("dialect").value = load("dialect", "");
$("given-schema").open = !given.value;
given.addEventListener("input", () => save("schema", given.value));
$("dialect").addEventListener("change", () => save("dialect", $("dialect").value));

// ---- start

onReturn(connect);
startKey(connect);
await connect();
await followLink();
grow();
if (!narrow.matches) question.focus();
document.body.dataset.ready = "true";
(window.requestIdleCallback ?? setTimeout)(warm); // Safari has no such callback
