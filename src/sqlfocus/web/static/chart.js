// The result as a chart. The service says which columns on which axis; this makes ECharts' option of it, which is data.

import { gone } from "./api.js";
import { current } from "./i18n.js";

let chart = null;
let library = null;

/** ECharts' option for a result of the API's that has a `chart`, in the page's `colours`, `width` pixels wide. */
export function chartOption(result, colours, width) {
  const { kind, x, y } = result.chart;
  const rows = inOrder(result.rows, result.columns[x].kind, kind, x);
  const names = y.map((place) => result.columns[place].name);
  const labels = rows.map((row) => (row[x] === null ? "NULL" : String(row[x])));
  const value = (row, place) => (row[place] === null ? null : Number(row[place]));
  const common = {
    animationDuration: 250,
    aria: { enabled: true },
    color: colours.series,
    textStyle: { fontFamily: colours.font, color: colours.text },
    // Drawn on the canvas, not as HTML: names of the database are in it.
    tooltip: { trigger: "axis", renderMode: "richText", backgroundColor: colours.surface, borderColor: colours.line, textStyle: { color: colours.text } },
    grid: { left: 18, right: 30, top: 42, bottom: 18, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
  };
  if (names.length > 1) common.legend = { top: 8, type: "scroll", textStyle: { color: colours.text } };
  if (kind === "scatter") {
    const series = y.map((place, index) => ({ type: "scatter", name: names[index], symbolSize: 8, data: rows.map((row) => [value(row, x), value(row, place)]) }));
    return {
      ...common,
      tooltip: { ...common.tooltip, trigger: "item" },
      grid: { ...common.grid, bottom: 42 },
      xAxis: { ...valueAxis(colours), scale: true, name: result.columns[x].name, nameLocation: "middle" },
      yAxis: { ...valueAxis(colours), scale: true, name: names[0] },
      series,
    };
  }
  const days = kind === "line" && labels.every((label) => /^\d{4}-\d\d-\d\d/.test(label));
  const series = y.map((place, index) => ({
    type: kind,
    name: names[index],
    barMaxWidth: 44,
    showSymbol: rows.length < 60,
    symbol: "circle",
    symbolSize: 5,
    itemStyle: kind === "bar" ? { borderRadius: 3 } : {},
    data: rows.map((row, line) => (days ? [labels[line], value(row, place)] : value(row, place))),
  }));
  // Names that do not fit below their bars stand beside bars that lie.
  const longest = Math.max(...labels.map((label) => label.length));
  const lying = kind === "bar" && rows.length <= 30 && rows.length * (longest * 7 + 14) > width - 80;
  const category = {
    type: days ? "time" : "category",
    data: days ? undefined : labels,
    inverse: lying,
    axisLine: { lineStyle: { color: colours.line } },
    axisTick: { show: false },
    // Each bar has its name, which fits; of the many names of a line, ECharts shows as many as have room.
    axisLabel: { color: colours.dim, width: 180, overflow: "truncate", hideOverlap: true, interval: kind === "bar" ? 0 : "auto" },
  };
  const values = valueAxis(colours);
  if (names.length === 1) {
    Object.assign(values, { name: names[0], nameLocation: lying ? "middle" : "end" });
    values.nameTextStyle = { color: colours.dim, align: lying ? "center" : "left" };
    if (lying) Object.assign(common.grid, { top: 16, bottom: 40 });
  }
  return { ...common, xAxis: lying ? values : category, yAxis: lying ? category : values, series };
}

const valueAxis = (colours) => ({
  type: "value",
  axisLabel: { color: colours.dim },
  axisLine: { lineStyle: { color: colours.line } },
  axisTick: { show: false },
  nameTextStyle: { color: colours.dim },
  splitLine: { lineStyle: { color: colours.line } },
});

// A line goes from left to right, in whatever order the query gave the rows.
function inOrder(rows, columnKind, kind, x) {
  if (kind !== "line") return rows;
  const before = columnKind === "number" ? (a, b) => Number(a[x]) - Number(b[x]) : (a, b) => (a[x] < b[x] ? -1 : a[x] > b[x] ? 1 : 0);
  return [...rows].sort(before);
}

/** Draws a result's chart in `host`, which must be visible. */
export async function showChart(host, result, label) {
  library ??= (await import("./vendor/echart/index.js").catch(gone)).echarts;
  chart?.dispose();
  chart = library.init(host, null, { locale: current() === "zh" ? "ZH" : "EN" });
  chart.setOption(chartOption(result, colours(host), host.clientWidth));
  fit.observe(host);
  host.setAttribute("role", "img");
  // ECharts' own description, with the numbers, after the page's.
  host.setAttribute("aria-label", `${label}. ${host.getAttribute("aria-label") ?? ""}`);
}

export function clearChart() {
  chart?.dispose();
  chart = null;
}

const fit = new ResizeObserver(() => chart?.resize());

/** The page's colours as a canvas takes them: CSS variables worked out. */
function colours(host) {
  const probe = host.appendChild(document.createElement("span"));
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const found = {
    text: colour("text"),
    dim: colour("dim"),
    line: colour("line"),
    surface: colour("surface"),
    series: ["accent", "series-2", "series-3", "series-4"].map(colour),
    font: getComputedStyle(host).fontFamily,
  };
  probe.remove();
  return found;
}
