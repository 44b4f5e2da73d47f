"use strict";
// The page is complete without this: it adds sorting, filters and links that open what they name.
(function () {
  const SEVERITIES = ["high", "medium", "low"];
  const collator = new Intl.Collator("en", { numeric: true });
  const status = document.getElementById("status");

  function groupsOf(table) {
    return table.id === "findings-table" ? Array.from(table.tBodies) : Array.from(table.tBodies[0].rows);
  }

  function cellOf(group, column) {
    return (group.tBodies || group.rows ? group.rows[0] : group).cells[column];
  }

  function textOf(group, column) {
    return cellOf(group, column).textContent.trim();
  }

  function figureOf(cell) {
    const text = cell.dataset.n || cell.textContent.replace(/[,%+\s]/g, "");
    const figure = Number(text);
    return text === "" || Number.isNaN(figure) ? -1 : figure;
  }

  function keyOf(head, column) {
    if (head.dataset.sort === "severity") {
      return (group) => SEVERITIES.indexOf(textOf(group, column).split(/\s/)[0]);
    }
    if (head.classList.contains("n")) {
      return (group) => figureOf(cellOf(group, column));
    }
    return (group) => textOf(group, column);
  }

  function compare(one, other) {
    return typeof one === "number" ? one - other : collator.compare(one, other);
  }

  function sort(table, head, column) {
    const ascending = head.getAttribute("aria-sort") !== "ascending";
    const key = keyOf(head, column);
    const keyed = groupsOf(table).map((group) => [key(group), group]);
    keyed.sort((one, other) => (ascending ? compare(one[0], other[0]) : compare(other[0], one[0])));
    const parent = keyed.length ? keyed[0][1].parentNode : table;
    parent.append(...keyed.map((one) => one[1]));
    for (const other of head.parentNode.cells) {
      other.removeAttribute("aria-sort");
    }
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    if (table.id === "findings-table") {
      tell(", sorted by " + head.textContent.trim() + (ascending ? ", ascending" : ", descending"));
    }
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, head, column));
      head.append(button);
    });
  }

  const table = document.getElementById("findings-table");
  if (!table) {
    return;
  }
  const form = document.getElementById("filters");
  const wanted = document.getElementById("filter-text");
  const selects = Array.from(form.querySelectorAll("select"));
  const groups = groupsOf(table);
  const texts = new Map();
  let shown = groups.length;
  let sorted = ", the worst first";

  function tell(order) {
    sorted = order || sorted;
    const all = groups.length.toLocaleString("en");
    status.textContent =
      (shown === groups.length ? all : shown.toLocaleString("en") + " of " + all) +
      (groups.length === 1 ? " finding" : " findings") + sorted + ".";
  }

  function holds(group, text) {
    if (!texts.has(group)) {
      texts.set(group, group.textContent.toLowerCase());
    }
    return texts.get(group).includes(text);
  }

  function chosen(group, select) {
    const cell = textOf(group, Number(select.dataset.column));
    return select.id === "filter-severity" ? cell.split(/\s/)[0] === select.value : cell === select.value;
  }

  function filter() {
    const text = wanted.value.trim().toLowerCase();
    const active = selects.filter((select) => select.value !== "");
    shown = 0;
    for (const group of groups) {
      const kept = active.every((select) => chosen(group, select)) && (text === "" || holds(group, text));
      group.hidden = !kept;
      shown += kept ? 1 : 0;
    }
    tell();
  }

  function openLinked() {
    const group = document.getElementById(location.hash.slice(1));
    if (!group || group.parentNode !== table) {
      return;
    }
    if (group.hidden) {
      form.reset();
      filter();
    }
    const details = group.querySelector("details");
    details.open = true;
    group.scrollIntoView({ block: "center" });
    details.querySelector("summary").focus({ preventScroll: true });
  }

  const openAll = document.getElementById("open-all");
  openAll.addEventListener("click", () => {
    const open = openAll.getAttribute("aria-pressed") !== "true";
    openAll.setAttribute("aria-pressed", String(open));
    for (const group of groups) {
      group.querySelector("details").open = open;
    }
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.hidden = false;
  window.addEventListener("hashchange", openLinked);
  // Only then is the browser done with moving to the place itself, which would take the focus away.
  window.addEventListener("load", () => setTimeout(openLinked));
  document.documentElement.dataset.ready = "true";
})();
