// The theme that was chosen, set before the page is painted. A plain script: a module would come too late.
(() => {
  try {
    const chosen = localStorage.getItem("sqlfocus.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // No storage: the system's theme it is.
  }
})();
