"use strict";
// Draws the charts from the data in the page, sorts tables, and hides or shows methods. Text only ever becomes text.

const told = JSON.parse(document.getElementById("data").textContent);
const hidden = new Set();
const drawings = [];

function element(name, attributes = {}, ...children) {
  const svg = ["svg", "path", "rect", "line", "text", "circle", "g"].includes(name);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const swatch = (colour) => element("i", { class: `swatch s${colour % 10}` });
const colourOf = (line, place) => (line.method === null ? place : told.methods.indexOf(line.method)) % 10;
const shown = (chart) => chart.lines.filter((line) => !hidden.has(line.method));
const number = (value, digits) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

// Round values that span the range, about `count` of them.
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.7);
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => ({ at: (first + i) * step, text: number((first + i) * step, digits) }));
}

function limits(chart) {
  const values = shown(chart).flatMap((line) => [...line.mean, ...(line.low ?? []), ...(line.high ?? [])]);
  const known = [...values.filter((value) => value !== null), ...(chart.zero ? [0] : []), ...(chart.least === null ? [] : [chart.least])];
  if (!known.length) return [0, 1];
  const low = Math.min(...known), high = Math.max(...known);
  const air = (high - low || Math.abs(high) || 1) * 0.06;
  return [low === chart.least ? low : low - air, high + air];
}

// An SVG path through the points, interrupted where a value is missing.
function path(periods, values, x, y) {
  let down = false;
  return values.map((value, i) => {
    const command = value === null ? "" : `${down ? "L" : "M"}${x(periods[i]).toFixed(1)} ${y(value).toFixed(1)}`;
    down = value !== null;
    return command;
  }).join("");
}

function band(line, x, y) {
  const known = line.period.map((_, i) => i).filter((i) => line.low[i] !== null);
  const corner = (i, value) => `${x(line.period[i]).toFixed(1)} ${y(value).toFixed(1)}`;
  const there = known.map((i) => corner(i, line.high[i])), back = known.reverse().map((i) => corner(i, line.low[i]));
  return known.length ? `M${[...there, ...back].join("L")}Z` : "";
}

function draw(chart, svg) {
  const width = svg.clientWidth, height = svg.clientHeight;
  const [low, high] = limits(chart), vertical = ticks(low, high, Math.max(3, Math.round(height / 45)));
  const left = 12 + 7 * Math.max(...vertical.map((tick) => tick.text.length)), right = width - 8, top = 8, bottom = height - 24;
  const periods = chart.lines.flatMap((line) => line.period);
  const first = Math.min(...periods), last = Math.max(...periods);
  const x = (period) => (first === last ? (left + right) / 2 : left + 6 + ((period - first) / (last - first)) * (right - left - 12));
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  if (told.test && told.test[1] >= first) {
    const start = Math.max(left, x(told.test[0] - 0.5)), end = Math.min(right, x(told.test[1] + 0.5));
    svg.append(element("rect", { class: "test", x: start, y: top, width: Math.max(0, end - start), height: bottom - top }));
  }
  for (const tick of vertical) {
    svg.append(element("line", { class: "gridline", x1: left, x2: right, y1: y(tick.at), y2: y(tick.at) }));
    svg.append(element("text", { x: left - 6, y: y(tick.at) + 4, "text-anchor": "end" }, tick.text));
  }
  const whole = first === last ? [{ at: first, text: String(first) }] : ticks(first, last, Math.max(2, Math.floor((right - left) / 60)));
  for (const tick of whole.filter((each) => Number.isInteger(each.at)))
    svg.append(element("text", { x: x(tick.at), y: height - 6, "text-anchor": "middle" }, tick.text));
  if (chart.zero) svg.append(element("line", { class: "zero", x1: left, x2: right, y1: y(0), y2: y(0) }));
  chart.lines.forEach((line, place) => {
    if (hidden.has(line.method)) return;
    const group = element("g", { class: `s${colourOf(line, place)}` });
    if (line.low) group.append(element("path", { class: "band", d: band(line, x, y) }));
    const baseline = line.method !== null && line.method === told.baseline;
    group.append(element("path", { class: baseline ? "curve baseline" : "curve", d: path(line.period, line.mean, x, y) }));
    if (line.period.length <= (right - left) / 9)
      line.mean.forEach((value, i) => value !== null && group.append(element("circle", { class: "dot", r: 2.4, cx: x(line.period[i]), cy: y(value) })));
    svg.append(group);
  });
  return { x, top, bottom, periods: [...new Set(periods)].sort((a, b) => a - b) };
}

// A vertical line and the values at the period under the pointer.
function point(chart, figure, svg, frame, event) {
  const box = svg.getBoundingClientRect(), at = event.clientX - box.left;
  const period = frame.periods.reduce((a, b) => (Math.abs(frame.x(b) - at) < Math.abs(frame.x(a) - at) ? b : a));
  leave(figure, svg);
  const x = frame.x(period);
  svg.append(element("line", { class: "cursor", x1: x, x2: x, y1: frame.top, y2: frame.bottom }));
  const values = chart.lines
    .map((line, place) => ({ label: line.label, method: line.method, colour: colourOf(line, place), value: line.mean[line.period.indexOf(period)] }))
    .filter((each) => !hidden.has(each.method) && each.value !== null && each.value !== undefined)
    .sort((a, b) => b.value - a.value);
  const rows = values.map((each) => element("div", {}, swatch(each.colour), element("span", {}, each.label), element("b", {}, number(each.value, chart.digits))));
  const tip = element("div", { class: "tip" }, element("div", {}, `period ${period}`), ...rows);
  figure.append(tip);
  const offset = svg.offsetLeft + x, flip = offset > figure.clientWidth / 2;
  tip.style.left = `${Math.max(4, flip ? offset - tip.offsetWidth - 12 : Math.min(offset + 12, figure.clientWidth - tip.offsetWidth - 4))}px`;
  tip.style.top = `${svg.offsetTop + 8}px`;
}

function leave(figure, svg) {
  figure.querySelector(".tip")?.remove();
  svg.querySelector(".cursor")?.remove();
}

function show(chart) {
  const caption = element("figcaption", {}, element("b", {}, chart.title));
  if (chart.note) caption.append(element("small", {}, chart.note));
  const plain = chart.lines.filter((line) => line.method === null);
  if (plain.length > 1)
    caption.append(element("div", { class: "key" }, ...plain.map((line, place) => element("span", {}, swatch(place), line.label))));
  const svg = element("svg", { role: "img", "aria-label": `${chart.title} by period` });
  const figure = element("figure", {}, caption, svg);
  let frame = null;
  const redraw = () => { if (svg.clientWidth) { leave(figure, svg); frame = draw(chart, svg); } };
  svg.addEventListener("pointermove", (event) => frame && point(chart, figure, svg, frame, event));
  svg.addEventListener("pointerdown", (event) => frame && point(chart, figure, svg, frame, event));
  svg.addEventListener("pointerleave", () => leave(figure, svg));
  new ResizeObserver(redraw).observe(figure);
  drawings.push(redraw);
  return figure;
}

for (const section of told.sections) {
  const made = element("section", {}, element("h2", {}, section.title), element("p", { class: "note" }, section.note));
  made.append(element("div", { class: "grid" }, ...section.charts.map(show)));
  document.getElementById("charts").append(made);
}

told.methods.forEach((name, place) => {
  const button = element("button", { type: "button", "aria-pressed": "true", title: name }, swatch(place), element("span", {}, name));
  button.addEventListener("click", () => {
    hidden.has(name) ? hidden.delete(name) : hidden.add(name);
    button.setAttribute("aria-pressed", String(!hidden.has(name)));
    drawings.forEach((redraw) => redraw());
  });
  document.getElementById("legend").append(button);
});

// Numbers sort from the greatest, names from A; a second click turns the order round; empty cells stay last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const before = head.getAttribute("aria-sort");
    const order = before === "descending" || (before === null && column === 0) ? "ascending" : "descending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1, value = (row) => row.cells[column].dataset.value;
    const compared = (a, b) => (column === 0 ? value(a).localeCompare(value(b)) : Number(value(a)) - Number(value(b)));
    const rows = [...table.tBodies[0].rows];
    const known = rows.filter((row) => value(row) !== "").sort((a, b) => sign * compared(a, b));
    table.tBodies[0].append(...known, ...rows.filter((row) => value(row) === ""));
  }));
}
