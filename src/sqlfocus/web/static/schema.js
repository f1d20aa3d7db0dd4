// The schema's tree at the side: tables, their columns, a search. A tree as ARIA has it: arrows move and open, Enter
// inserts. A table's columns are made when it is opened, so that a thousand tables cost a thousand lines.

import { current, onLanguage, say, text } from "./i18n.js";

// The words that most often stand as names and must then be quoted.
const RESERVED = new Set(
  ("all and as asc between by case check column create cross default delete desc distinct drop else end exists from full " +
    "group having in index inner insert into is join key left like limit natural not null on or order outer primary " +
    "references right row rows select set table then to union unique update user using values view when where with").split(" "),
);

/** A name as the dialect's SQL has it. */
export function quoted(name, dialect) {
  const plain = dialect === "postgres" ? /^[a-z_][a-z0-9_]*$/ : /^[A-Za-z_][A-Za-z0-9_]*$/;
  if (plain.test(name) && !RESERVED.has(name.toLowerCase())) return name;
  return dialect === "mysql" ? `\`${name.replaceAll("`", "``")}\`` : `"${name.replaceAll('"', '""')}"`;
}

const tableName = (table, dialect) =>
  [table.schema, table.name].filter(Boolean).map((name) => quoted(name, dialect)).join(".");

/** What the editor completes: the tables, and the columns with the tables that have them. */
export function completions(info) {
  const columns = new Map();
  for (const table of info.schema) {
    for (const column of table.columns) {
      const tables = columns.get(column.name) ?? [];
      columns.set(column.name, [...tables, table.name]);
    }
  }
  return [
    ...info.schema.map((table) => ({ label: tableName(table, info.dialect), type: "class", detail: table.comment || undefined })),
    ...[...columns].map(([name, tables]) => ({
      label: quoted(name, info.dialect),
      type: "property",
      detail: tables.length > 2 ? `${tables.slice(0, 2).join(", ")} …` : tables.join(", "),
    })),
  ];
}

/** Wires the tree. `insert(name, plain)` gets a name as SQL has it and as it is called. */
export function startSchema(insert) {
  const tree = document.getElementById("schema-tree");
  const search = document.getElementById("schema-search");
  const empty = document.getElementById("schema-empty");
  const foot = document.getElementById("schema-foot");
  let info = null;

  function show() {
    const wanted = search.value.trim().toLowerCase();
    const has = (one) => `${one.name}\n${one.comment}`.toLowerCase().includes(wanted);
    const found = [];
    for (const table of info?.schema ?? []) {
      const columns = wanted && !has(table) ? table.columns.filter(has) : table.columns;
      const itself = !wanted || has(table);
      if (itself || columns.length) found.push(tableItem(table, columns, !itself));
    }
    tree.replaceChildren(...found);
    found[0]?.setAttribute("tabindex", "0");
    empty.hidden = found.length > 0 || !info;
    say(empty, wanted ? "schema.none" : "schema.empty");
    showFoot();
  }

  function showFoot() {
    foot.replaceChildren();
    if (!info) return;
    const time = new Date(info.read_at).toLocaleTimeString(current(), { timeStyle: "short" });
    say(foot.appendChild(document.createElement("p")), "schema.read", { tables: info.tables, time });
    if (info.linked) say(foot.appendChild(document.createElement("p")), "schema.linked");
    if (info.warnings.length) {
      const details = foot.appendChild(document.createElement("details"));
      say(details.appendChild(document.createElement("summary")), "schema.warnings", { count: info.warnings.length });
      for (const warning of info.warnings) details.appendChild(document.createElement("p")).textContent = warning;
    }
  }

  function item(level, name, sqlName, comment, title) {
    const line = document.createElement("li");
    line.setAttribute("role", "treeitem");
    line.setAttribute("aria-level", level);
    line.tabIndex = -1;
    line.dataset.sql = sqlName;
    line.dataset.name = name;
    const row = line.appendChild(document.createElement("div"));
    row.className = "row";
    row.title = title;
    const called = row.appendChild(document.createElement("span"));
    called.className = "name";
    called.textContent = name;
    if (comment) {
      const said = line.appendChild(document.createElement("small"));
      said.textContent = comment;
      said.title = comment;
    }
    return line;
  }

  function tableItem(table, columns, open) {
    const sqlName = tableName(table, info.dialect);
    const line = item(1, [table.schema, table.name].filter(Boolean).join("."), sqlName, table.comment, text("schema.insert"));
    const group = line.appendChild(document.createElement("ul"));
    group.setAttribute("role", "group");
    const keys = new Map();
    for (const key of table.foreign_keys) {
      key.columns.forEach((name, place) => keys.set(name, `${key.referenced_table}.${key.referenced_columns[place] ?? "?"}`));
    }
    line.fill = () => group.replaceChildren(...columns.map((column) => columnItem(column, keys.get(column.name))));
    setOpen(line, open);
    return line;
  }

  function columnItem(column, target) {
    const notes = [text("schema.insert")];
    if (column.examples.length) notes.push(text("schema.examples", { examples: column.examples.join(", ") }));
    const line = item(2, column.name, quoted(column.name, info.dialect), column.comment, notes.join(" · "));
    const row = line.firstChild;
    if (column.primary_key) {
      const mark = row.appendChild(document.createElement("abbr"));
      mark.textContent = "PK";
      mark.title = text("schema.key");
    }
    const type = row.appendChild(document.createElement("span"));
    type.className = "type";
    type.textContent = column.type.toLowerCase();
    if (target) {
      const reference = line.appendChild(document.createElement("small"));
      reference.className = "reference";
      reference.textContent = `→ ${target}`;
    }
    return line;
  }

  function setOpen(line, open) {
    if (open && line.fill) {
      line.fill();
      line.fill = null;
    }
    line.setAttribute("aria-expanded", String(open));
  }

  const isOpen = (line) => line.getAttribute("aria-expanded") === "true";
  const take = (line) => insert(line.dataset.sql, line.dataset.name);

  tree.addEventListener("click", (event) => {
    const line = event.target.closest("[role=treeitem]");
    if (!line) return;
    focusOn(line, false);
    if (event.target.closest(".name") || !line.hasAttribute("aria-expanded")) take(line);
    else setOpen(line, !isOpen(line));
  });

  tree.addEventListener("keydown", (event) => {
    const line = event.target.closest("[role=treeitem]");
    if (!line || event.ctrlKey || event.metaKey || event.altKey) return;
    const lines = [...tree.querySelectorAll("[role=treeitem]")].filter((one) => one.offsetParent);
    const place = lines.indexOf(line);
    const isTable = line.hasAttribute("aria-expanded");
    const parent = line.parentElement.closest("[role=treeitem]");
    const steps = {
      ArrowDown: () => focusOn(lines[place + 1]),
      ArrowUp: () => focusOn(lines[place - 1]),
      Home: () => focusOn(lines[0]),
      End: () => focusOn(lines.at(-1)),
      ArrowRight: () => (isTable && !isOpen(line) ? setOpen(line, true) : isTable && focusOn(lines[place + 1])),
      ArrowLeft: () => (isTable && isOpen(line) ? setOpen(line, false) : parent && focusOn(parent)),
      Enter: () => take(line),
      " ": () => (isTable ? setOpen(line, !isOpen(line)) : take(line)),
    };
    if (!steps[event.key]) return;
    event.preventDefault();
    steps[event.key]();
  });

  function focusOn(line, focus = true) {
    if (!line) return;
    tree.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
    line.tabIndex = 0;
    if (focus) line.focus();
  }

  search.addEventListener("input", show);
  search.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") focusOn(tree.querySelector("[role=treeitem]"));
  });
  onLanguage(() => info && show());

  return {
    show(schema) {
      info = schema;
      show();
    },
  };
}
