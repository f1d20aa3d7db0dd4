// What the browser keeps between visits. A browser may forbid it or have no room: then nothing is kept, and all else works.

const PREFIX = "sqlfocus.";

export function load(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function save(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** The key that the service asks for stays in this tab alone, and ends with it. */
export function loadKey() {
  try {
    return sessionStorage.getItem(`${PREFIX}key`) ?? "";
  } catch {
    return "";
  }
}

export function saveKey(value) {
  try {
    sessionStorage.setItem(`${PREFIX}key`, value);
  } catch {
    // It is asked for again when the page is loaded again.
  }
}

/** A text as it stands, not as JSON: theme.js reads it before any module runs. Null forgets it. */
export function saveTheme(value) {
  try {
    if (value === null) localStorage.removeItem(`${PREFIX}theme`);
    else localStorage.setItem(`${PREFIX}theme`, value);
  } catch {
    // As above.
  }
}
