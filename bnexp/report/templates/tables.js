/* Tables that can be sorted by their heads and filtered by what is written above them. */

function keyOf(row, column) {
  const cell = row.cells[column];
  const number = cell.dataset.value;
  return number === undefined ? cell.textContent.trim() : Number(number.replace("inf", "Infinity"));
}

/* Numbers before texts, and what is empty last, whichever the direction. */
function compareKeys(a, b, sign) {
  if (a === "" || b === "") return (a === "") - (b === "");
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return sign * (typeof a === "number" ? Math.sign(a - b) || 0 : a.localeCompare(b, "en", { numeric: true }));
}

function sortBy(table, head, column) {
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [keyOf(row, column), row]);
  rows.sort((a, b) => compareKeys(a[0], b[0], down ? -1 : 1));
  body.append(...rows.map((one) => one[1]));
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sortBy(table, head, column));
    head.replaceChildren(button);
  });
  const filters = table.closest("section").querySelector(".filters");
  const [contains, status, count] = [".contains", ".status", ".count"].map((one) => filters.querySelector(one));
  const rows = [...table.tBodies[0].rows];
  const texts = rows.map((row) => [...row.cells].map((cell) => cell.textContent + " " + cell.title).join(" ").toLowerCase());
  const filter = () => {
    const wanted = contains.value.trim().toLowerCase();
    rows.forEach((row, i) => {
      row.hidden = !texts[i].includes(wanted) || (status.value !== "" && row.dataset.status !== status.value);
    });
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  };
  contains.addEventListener("input", filter);
  status.addEventListener("change", filter);
  filters.hidden = false;
  filter();
}

/* On paper nothing can be opened, and nothing is left out (which the style sees to). */
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const one of closed) one.open = true;
});
addEventListener("afterprint", () => { for (const one of closed) one.open = false; });
