/* Figures and numbers as files. They are made of what is on the page: nothing is fetched. */

function save(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/* The figure as a file of its own, as on white paper. */
function figureText(figure) {
  const svg = (figure.querySelector(".broad:not(.dark) svg") || figure.querySelector("svg")).cloneNode(true);
  return new XMLSerializer().serializeToString(svg).replace(/var\(--ink-([0-9a-f]{6})\)/g, "#$1");
}

/* Pixels of a PNG in a pixel of the page. */
const SHARPNESS = 3;

function saveImage(name, text) {
  const image = new Image();
  image.onload = () => {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: image.width * SHARPNESS, height: image.height * SHARPNESS });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(name, blob), "image/png");
  };
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
}

function csv(rows) {
  const field = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  return rows.map((row) => row.map(field).join(",") + "\r\n").join("");
}

/* The rows that are shown, with exact numbers. */
function tableRows(table) {
  const head = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden);
  return [head, ...rows.map((row) => [...row.cells].map((cell) => cell.dataset.value ?? (cell.title || cell.textContent.trim())))];
}

for (const figure of document.querySelectorAll("figure")) {
  const buttons = figure.querySelector(".downloads");
  buttons.hidden = false;
  buttons.addEventListener("click", (event) => {
    const format = event.target.dataset.format;
    const name = document.body.dataset.name + "-" + figure.dataset.name + "." + format;
    if (format === "svg") save(name, figureText(figure), "image/svg+xml");
    if (format === "png") saveImage(name, figureText(figure));
  });
}

const tableButton = document.getElementById("table-csv");
if (tableButton) {
  tableButton.addEventListener("click", () => {
    const rows = tableRows(tableButton.closest("section").querySelector("table.sortable"));
    save(document.body.dataset.name + "-networks.csv", csv(rows), "text/csv");
  });
}
