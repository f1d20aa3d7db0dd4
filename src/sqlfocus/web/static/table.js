// The result as a table: AG Grid, which draws the rows in view alone. It is loaded with the first result.

import { gone } from "./api.js";
import { current, text } from "./i18n.js";

const FEW_ROWS = 12; // as many are shown without a scrollbar
const MOST_SHOWN = 500; // characters of a cell; what is copied or downloaded is whole

let grid = null;
let library = null;

async function load() {
  if (!library) {
    library = await import("./vendor/aggrid/index.js").catch(gone);
    library.ModuleRegistry.registerModules([library.AllCommunityModule]);
  }
  return library;
}

/** Loads the library ahead of the first result. */
export function warm() {
  load().catch(() => {});
}

const look = (AG) =>
  AG.themeQuartz.withParams({
    accentColor: "var(--accent)",
    backgroundColor: "var(--surface)",
    foregroundColor: "var(--text)",
    borderColor: "var(--line)",
    browserColorScheme: "inherit",
    fontFamily: "inherit",
    fontSize: 13,
    headerBackgroundColor: "var(--raised)",
    headerFontWeight: 600,
    rowHoverColor: "var(--hover)",
    oddRowBackgroundColor: "var(--surface)",
    spacing: 6,
    rowHeight: 31,
    headerHeight: 35,
    rowBorder: { color: "var(--soft-line)" },
    wrapperBorder: false,
    wrapperBorderRadius: 0,
  });

/** Shows a result of the API's, Executed, in `host`. */
export async function showTable(host, result, nonce) {
  const AG = await load();
  grid?.destroy();
  const few = result.rows.length <= FEW_ROWS;
  host.classList.toggle("tall", !few);
  host.classList.toggle("empty", result.rows.length === 0);
  grid = AG.createGrid(host, {
    theme: look(AG),
    styleNonce: nonce,
    domLayout: few ? "autoHeight" : "normal",
    columnDefs: result.columns.map(column),
    rowData: result.rows,
    suppressFieldDotNotation: true,
    enableCellTextSelection: true,
    enableBrowserTooltips: true,
    ensureDomOrder: true,
    suppressDragLeaveHidesColumns: true,
    animateRows: false,
    // Columns have their names' and values' width, to a point; the reader may widen them.
    autoSizeStrategy: { type: "fitCellContents", defaultMaxWidth: 420, defaultMinWidth: 70 },
    localeText: { noRowsToShow: text("result.none") },
  });
}

export function clearTable() {
  grid?.destroy();
  grid = null;
}

/** The rows in the order in which they are shown. */
export function shownRows() {
  const rows = [];
  grid?.forEachNodeAfterFilterAndSort((node) => rows.push(node.data));
  return rows;
}

// A row is an array, and a field's name its place: nothing has to be made anew for ten thousand rows.
const column = ({ name, kind }, place) => ({
  field: String(place),
  headerName: name,
  cellDataType: false,
  cellClass: kind === "number" ? "number" : undefined,
  headerClass: kind === "number" ? "number" : undefined,
  cellClassRules: { null: ({ value }) => value === null },
  valueFormatter: ({ value }) => shown(value),
  tooltipValueGetter: ({ value }) => (typeof value === "string" && value.length > 40 ? shown(value) : null),
  comparator: comparator(kind),
});

function shown(value) {
  if (value === null) return "NULL";
  const whole = String(value);
  return whole.length > MOST_SHOWN ? `${whole.slice(0, MOST_SHOWN)} …` : whole;
}

/** How a column's values are ordered; NULL stands last in either direction. */
export function comparator(kind) {
  const collator = new Intl.Collator(current() === "zh" ? "zh" : undefined);
  const values =
    kind === "number"
      ? numbers
      : kind === "text"
        ? (a, b) => collator.compare(String(a), String(b))
        : (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  return (a, b, _left, _right, descending) => {
    if (a === null || b === null) return (a === b ? 0 : a === null ? 1 : -1) * (descending ? -1 : 1);
    return values(a, b);
  };
}

// What JSON has no number for (beyond 2^53, more than 15 digits) comes as text.
function numbers(a, b) {
  if (typeof a === "string" && typeof b === "string" && /^-?\d+$/.test(a) && /^-?\d+$/.test(b)) {
    const [left, right] = [BigInt(a), BigInt(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  }
  return Number(a) - Number(b);
}
