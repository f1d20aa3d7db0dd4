// The SQL field: CodeMirror with the dialect's highlighting and the schema's names for completion.

import * as CM from "./vendor/codemirror/index.js";
import { onLanguage, text } from "./i18n.js";
import { isDark, onTheme } from "./theme-switch.js";

const DIALECTS = { sqlite: "SQLite", mysql: "MySQL", postgres: "PostgreSQL" };

const LOOK = CM.EditorView.theme({
  "&": { backgroundColor: "transparent", color: "var(--text)", fontSize: "14px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55", maxHeight: "40vh" },
  ".cm-content": { padding: "10px 0", caretColor: "var(--text)", minHeight: "3.1em" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--dim)", border: "none" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "transparent" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-placeholder": { color: "var(--dim)" },
  ".cm-tooltip": { backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--line)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-completionIcon": { display: "none" },
  ".cm-panels": { backgroundColor: "var(--surface)", color: "var(--text)", borderColor: "var(--line)" },
});

/** What keeps a word apart from the text before it: a blank where they would become one. */
export const apart = (before) => (/[\w"`)*=<>,]$/.test(before) ? " " : "");

/**
 * Makes the editor in `host`. `changed()` is told of each change of its text, `run()` of Ctrl- or Cmd-Enter.
 */
export function makeEditor(host, { nonce, changed, run, focused }) {
  const language = new CM.Compartment();
  const names = new CM.Compartment();
  const colours = new CM.Compartment();
  const words = new CM.Compartment();

  const inWords = () => [
    CM.placeholder(text("editor.placeholder")),
    CM.EditorView.contentAttributes.of({ "aria-label": text("editor") }),
  ];
  const inColours = () => (isDark() ? CM.themes.githubDark : CM.themes.githubLight);

  const view = new CM.EditorView({
    parent: host,
    extensions: [
      CM.EditorView.cspNonce.of(nonce),
      // Before basicSetup's own Ctrl-Enter, which opens a line.
      CM.Prec.highest(CM.keymap.of(["Mod-Enter", "Ctrl-Enter"].map((key) => ({ key, run: () => (run(), true) })))),
      CM.Prec.highest(LOOK),
      CM.basicSetup,
      CM.EditorView.lineWrapping,
      CM.EditorView.updateListener.of((update) => {
        if (update.docChanged) changed();
        if (update.focusChanged && update.view.hasFocus) focused();
      }),
      colours.of(inColours()),
      words.of(inWords()),
      language.of([]),
      names.of([]),
    ],
  });

  onTheme(() => view.dispatch({ effects: colours.reconfigure(inColours()) }));
  onLanguage(() => view.dispatch({ effects: words.reconfigure(inWords()) }));

  return {
    text: () => view.state.doc.toString(),
    set(sql) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: sql } });
    },
    insert(word) {
      const before = view.state.sliceDoc(0, view.state.selection.main.from);
      view.dispatch(view.state.replaceSelection(apart(before) + word), { scrollIntoView: true });
      view.focus();
    },
    focus: () => view.focus(),
    hasFocus: () => view.hasFocus,
    async setDialect(dialect) {
      const wanted = DIALECTS[dialect] ?? "SQL";
      const found = CM.languages.find((one) => one.name === wanted);
      try {
        view.dispatch({ effects: language.reconfigure(await found.load()) });
      } catch {
        // The server is gone, which the next call will say; SQL without colours is SQL.
      }
    },
    /** `completions`: CodeMirror's own, of the schema's tables and columns. */
    setNames(completions) {
      view.dispatch({ effects: names.reconfigure(CM.EditorState.languageData.of(() => [{ autocomplete: completions }])) });
    },
  };
}
