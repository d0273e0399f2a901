"use strict";
// What was opened, hidden or sorted is kept while this page is loaded again.
const place = "mttjax " + location.pathname;
const kept = (() => {
  try { return JSON.parse(sessionStorage.getItem(place)) || {}; } catch { return {}; }
})();
const keep = (name, value) => {
  kept[name] = value;
  try { sessionStorage.setItem(place, JSON.stringify(kept)); } catch { /* not kept then */ }
};
const nameOf = (element, text) => {
  const section = element.parentElement.closest("section");
  return section ? nameOf(section, `${section.firstElementChild.textContent} / ${text}`) : text;
};

for (const details of document.querySelectorAll("details")) {
  const name = nameOf(details, details.firstElementChild.textContent);
  details.open = kept[name] === true;
  details.addEventListener("toggle", () => keep(name, details.open));
}

for (const table of document.querySelectorAll("table.sortable")) {
  const name = nameOf(table, table.caption.textContent);
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies[0].rows];
  const sort = (column, order) => {
    const value = (row) => row.cells[column].textContent.trim();
    const number = (row) => parseFloat(value(row));
    const sign = order === "descending" ? -1 : 1;
    const compare = (a, b) => {
      if (!value(a) || !value(b)) return !value(a) - !value(b);
      const [x, y] = [number(a), number(b)];
      if (isNaN(x) || isNaN(y)) return sign * value(a).localeCompare(value(b));
      return sign * (x - y);
    };
    const sorted = order === "none" ? rows : [...rows].sort(compare);
    table.tBodies[0].append(...sorted);
    heads.forEach((head, i) => head.setAttribute("aria-sort", i === column ? order : "none"));
    keep(name, [column, order]);
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const orders = column ? ["none", "descending", "ascending"] : ["none", "ascending", "descending"];
      const now = orders.indexOf(head.getAttribute("aria-sort") ?? "none");
      sort(column, orders[(now + 1) % 3]);
    });
  });
  if (kept[name] && kept[name][0] < heads.length) sort(...kept[name]);
}

for (const plot of document.querySelectorAll(".plot")) {
  const data = JSON.parse(plot.querySelector("script").textContent);
  const panels = [...plot.querySelectorAll(".panel")];
  const slider = plot.querySelector("input[type=range]");
  const [first, last] = [Number(slider.min), Number(slider.max)];
  const readout = nameOf(plot, "read at");
  const told = plot.querySelector(".slide output");

  const nearest = (points, step) => {
    let [low, high] = [0, points.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (points[middle][0] <= step) low = middle; else high = middle;
    }
    return Math.abs(points[low][0] - step) <= Math.abs(points[high][0] - step) ? points[low] : points[high];
  };
  const readAt = (step) => {
    const read = panels.map((panel, i) => {
      const [at, x, y, text] = nearest(data[i], step);
      const near = Math.abs(at - step) <= (last - first) / 400 + 1;
      panel.style.setProperty("--dot-x", `${x}%`);
      panel.style.setProperty("--dot-y", `${y}%`);
      panel.querySelector("output").textContent = near ? text : `${text} (at ${at})`;
      return panel.hidden ? "" : `${panel.querySelector(".title").textContent} ${text}`;
    });
    plot.style.setProperty("--x", `${(100 * (step - first)) / Math.max(1, last - first)}%`);
    plot.classList.add("read");
    slider.value = step;
    slider.setAttribute("aria-valuetext", [step, ...read.filter(Boolean)].join(", "));
    told.textContent = step;
    keep(readout, step);
  };
  const readUnder = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    readAt(Math.round(first + share * (last - first)));
  };
  for (const canvas of plot.querySelectorAll(".canvas")) {
    canvas.addEventListener("pointermove", readUnder);
    canvas.addEventListener("pointerdown", readUnder);
  }
  slider.addEventListener("input", () => readAt(Number(slider.value)));

  const boxes = [...plot.querySelectorAll(".choose input")];
  boxes.forEach((box, i) => {
    const name = nameOf(plot, box.parentElement.textContent.trim());
    const choose = () => { panels[i].hidden = !box.checked; };
    box.checked = kept[name] !== false;
    choose();
    box.addEventListener("change", () => { choose(); keep(name, box.checked); });
  });
  plot.querySelector(".choose").hidden = panels.length < 2;
  plot.querySelector(".slide").hidden = false;
  if (kept[readout] >= first) readAt(Math.min(kept[readout], last));
}
