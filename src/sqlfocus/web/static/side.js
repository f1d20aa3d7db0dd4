// The schema at the side: beside the work where there is room, else a drawer over it.

import { load, save } from "./store.js";

const $ = (id) => document.getElementById(id);

export const narrow = matchMedia("(max-width: 800px)");

function showSide(shown) {
  document.body.classList.toggle("side", shown);
  $("schema-toggle").setAttribute("aria-expanded", String(shown));
  $("shade").hidden = !(shown && narrow.matches);
}

export const closeDrawer = () => narrow.matches && showSide(false);
const isShown = () => document.body.classList.contains("side");

$("schema-toggle").addEventListener("click", () => {
  showSide(!isShown());
  if (!narrow.matches) save("side", isShown());
  if (isShown() && narrow.matches) $("schema-search").focus();
});
$("shade").addEventListener("click", closeDrawer);
$("sidebar").addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !narrow.matches) return;
  closeDrawer();
  $("schema-toggle").focus();
});
const settle = () => showSide(!narrow.matches && load("side", true));
narrow.addEventListener("change", settle);
settle();
