// A click on a column's button sorts its table: first ascending, then
// descending. Numbers sort as numbers; what could not be computed goes last.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const column = head.cellIndex;
    const body = head.closest("table").tBodies[0];
    const numeric = head.classList.contains("number");
    const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const key = (row) => row.cells[column].dataset.sort;
    const compare = (a, b) => {
      const x = key(a), y = key(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      return sign * (numeric ? x - y : x.localeCompare(y, undefined, { numeric: true }));
    };
    body.append(...[...body.rows].sort(compare));
  });
}

// A link to a closed section opens it.
const openTarget = () => {
  const section = document.getElementById(location.hash.slice(1));
  if (section?.classList.contains("closed")) section.querySelector("details").open = true;
};
addEventListener("hashchange", openTarget);
openTarget();
