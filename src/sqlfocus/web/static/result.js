// The result: how many rows, as a table or a chart, and out of the page as CSV, JSON or rows to paste.

import { clearChart, showChart } from "./chart.js";
import { copied, csv, download, json, tsv } from "./export.js";
import { onLanguage, say, text } from "./i18n.js";
import { announce, showError } from "./say.js";
import { clearTable, showTable, shownRows } from "./table.js";
import { onTheme } from "./theme-switch.js";

const $ = (id) => document.getElementById(id);

let result = null;
let view = "table";

/** Shows a result of the API's, Executed. */
export async function showResult(executed) {
  result = executed;
  $("result-card").hidden = false;
  $("welcome").hidden = true;
  const count = executed.rows.length;
  const milliseconds = Math.round(executed.milliseconds * 10) / 10;
  if (count === 1) say($("result-size"), "result.one", { milliseconds });
  else say($("result-size"), "result.many", { rows: count, milliseconds });
  announce(count === 1 ? "result.one" : "result.many", { rows: count, milliseconds });
  $("truncated").hidden = !executed.truncated;
  if (executed.truncated) say($("truncated"), "truncated", { rows: count });
  $("views").hidden = !executed.chart;
  view = "table";
  await showTable($("table"), executed, document.body.dataset.nonce);
  await showView();
}

async function showView() {
  for (const button of document.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === view));
  $("table").hidden = view !== "table";
  $("chart").hidden = view !== "chart";
  if (view === "chart") await showChart($("chart"), result, text("chart"));
  else clearChart();
}

export function hideResult() {
  result = null;
  $("result-card").hidden = true;
  clearTable();
  clearChart();
}

for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => {
    view = button.dataset.view;
    showView().catch(showError);
  });
}
for (const changed of [onTheme, onLanguage]) changed(() => result && view === "chart" && showView().catch(showError));

/** A file's name from the question: result.csv where there is none. */
const fileName = (ending) => `${$("question").value.trim().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "result"}.${ending}`;

$("csv").addEventListener("click", () => download(fileName("csv"), csv(result.columns, shownRows()), "text/csv", true));
$("json").addEventListener("click", () => download(fileName("json"), json(result.columns, shownRows()), "application/json"));
$("result-copy").addEventListener("click", (event) => copied(event.currentTarget, tsv(result.columns, shownRows())));
