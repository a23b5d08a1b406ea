/* The index of a site: runs by what is written in the search, all words of it, and by verdict. */

const search = document.getElementById("search");
if (search) {
  const kind = document.getElementById("verdict");
  const entries = [...document.querySelectorAll(".entry")];
  const filterEntries = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const entry of entries) {
      const isKind = !kind.value || entry.dataset.kinds.split(" ").includes(kind.value);
      entry.hidden = !isKind || !words.every((word) => entry.dataset.search.includes(word));
    }
    const shown = entries.filter((entry) => !entry.hidden).length;
    document.getElementById("matches").textContent = `${shown} of ${entries.length}`;
  };
  search.addEventListener("input", filterEntries);
  kind.addEventListener("change", filterEntries);
  document.getElementById("find").hidden = false;
  filterEntries();
}
