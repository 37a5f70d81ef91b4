// Hours of a day as an SVG that the browser draws: steps, bands, a cursor for pointer and arrow keys.
import { el } from "./page.js";
import { decimals, hourOf, percent, t, tick, time } from "./words.js";

const NS = "http://www.w3.org/2000/svg";
export const HEIGHT = 300, LEFT = 56, RIGHT = 8, TOP = 10, BOTTOM = 26;
export function svg(name, attributes = {}, ...content) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

export function step(most) {
  const rough = most / 5, power = 10 ** Math.floor(Math.log10(rough || 1));
  return [1, 2, 5, 10].map((m) => m * power).find((size) => size >= rough) ?? 1;
}

export const axisTitle = (text) => svg("text", {
  class: "axis", transform: `translate(12,${TOP + (HEIGHT - TOP - BOTTOM) / 2}) rotate(-90)`, "text-anchor": "middle" }, text);

const HATCH = "hatch-hours";
const hatching = () => svg("defs", {}, svg("pattern", {
  id: HATCH, width: 9, height: 9, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
svg("line", { class: "hatchhours", x1: 0, x2: 0, y1: 0, y2: 9 })));

const stairs = (values, x, y) => values.map((value, k) => `${k ? "L" : "M"}${x(k)},${y(value)}H${x(k + 1)}`).join("");
const between = (low, high, x, y) => stairs(high, x, y) + low.map((v, k) => [v, k]).reverse()
  .map(([value, k]) => `L${x(k + 1)},${y(value)}H${x(k)}`).join("") + "Z";

// series: [{name, label, values}] in Wh; bands: [{name, label, low, high}]; start: of the first hour.
// A band without `low` is an area from zero. shaded: {name, label, hours}, whole hours from bottom to top, hatched.
export function hoursChart({ start, series, bands, shaded = null }) {
  const count = series[0].values.length;
  const most = Math.max(1, ...series.flatMap((s) => s.values), ...bands.flatMap((b) => b.high)) / 1000;
  const size = step(most), top = Math.ceil(most / size) * size;
  const figure = el("div", { class: "chart" });
  const tip = el("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  const slider = svg("svg", {
    role: "slider", tabindex: "0", "aria-label": t("hourOf"), "aria-valuemin": "0", "aria-valuemax": String(count - 1),
    height: String(HEIGHT),
  });
  const at = (hour) => new Date(start.getTime() + hour * 36e5);
  const told = (hour) => [time(at(hour)), ...series.map((s) => `${s.label} ${decimals(s.values[hour] / 1000)} ${t("kw")}`),
    ...bands.map((b) => `${b.label} ${b.low ? decimals(b.low[hour] / 1000) + "–" : ""}${decimals(b.high[hour] / 1000)} ${t("kw")}`),
    ...(shaded?.hours.includes(hour) ? [shaded.label] : [])];
  let width = 0, hour = Math.min(12, count - 1);

  function draw() {
    width = Math.max(figure.clientWidth, 260);
    const x = (k) => LEFT + (k / count) * (width - LEFT - RIGHT);
    const y = (wh) => TOP + (1 - wh / 1000 / top) * (HEIGHT - TOP - BOTTOM);
    slider.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const parts = [axisTitle(t("kw"))];
    for (let value = 0; value <= top + size / 2; value += size) {
      parts.push(svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value * 1000), y2: y(value * 1000) }),
        svg("text", { x: LEFT - 6, y: y(value * 1000) + 4, "text-anchor": "end" }, tick(value)));
    }
    const every = width < 520 ? 6 : 3;
    for (let k = 0; k <= count; k += every) {
      parts.push(svg("text", { x: x(k), y: HEIGHT - 8, "text-anchor": k === 0 ? "start" : k === count ? "end" : "middle" }, hourOf(at(k))));
    }
    if (shaded) parts.push(hatching());
    for (const k of shaded?.hours ?? []) {
      for (const fill of [{}, { fill: `url(#${HATCH})`, opacity: 1 }]) {
        parts.push(svg("rect", { class: fill.fill ? "hatched" : shaded.name, x: x(k), width: x(k + 1) - x(k), y: TOP, height: HEIGHT - TOP - BOTTOM, ...fill }));
      }
    }
    for (const band of bands) parts.push(svg("path", { class: band.name, d: between(band.low ?? band.high.map(() => 0), band.high, x, y) }));
    for (const one of series) parts.push(svg("path", { class: one.name, d: stairs(one.values, x, y) }));
    const cursor = svg("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    slider.replaceChildren(...parts, cursor);
    slider.setAttribute("aria-valuenow", String(hour));
    slider.setAttribute("aria-valuetext", told(hour).join(", "));
  }

  function show(chosen) {
    hour = Math.min(Math.max(chosen, 0), count - 1);
    const middle = LEFT + ((hour + 0.5) / count) * (width - LEFT - RIGHT);
    const cursor = slider.querySelector(".cursor");
    for (const [key, value] of [["x1", middle], ["x2", middle], ["visibility", "visible"]]) cursor.setAttribute(key, value);
    slider.setAttribute("aria-valuenow", String(hour));
    slider.setAttribute("aria-valuetext", told(hour).join(", "));
    tip.replaceChildren(...told(hour).map((line, k) => el("div", {}, k ? line : el("b", {}, line))));
    tip.hidden = false;
    tip.style.left = middle < width / 2 ? `${(middle + 10) / width * 100}%` : "auto";
    tip.style.right = middle < width / 2 ? "auto" : `${(width - middle + 10) / width * 100}%`;
  }
  function hide() { tip.hidden = true; slider.querySelector(".cursor")?.setAttribute("visibility", "hidden"); }

  slider.addEventListener("pointermove", (event) => {
    const box = slider.getBoundingClientRect();
    show(Math.floor(((event.clientX - box.left) / box.width * width - LEFT) / (width - LEFT - RIGHT) * count));
  });
  slider.addEventListener("pointerleave", hide);
  slider.addEventListener("focus", () => show(hour));
  slider.addEventListener("blur", hide);
  slider.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: hour - 1, ArrowDown: hour - 1, ArrowRight: hour + 1, ArrowUp: hour + 1, Home: 0, End: count - 1 }[event.key];
    if (to !== undefined) { event.preventDefault(); show(to); }
  });
  figure.append(slider, tip);
  new ResizeObserver(() => { if (figure.clientWidth !== width) draw(); }).observe(figure);
  return figure;
}

// A line for each of several measures over days: rows [{label, ...}], lines [{name, label, of: row => number|null}].
export function daysChart({ rows, lines, title }) {
  const most = Math.max(0.01, ...rows.flatMap((row) => lines.map((line) => line.of(row) ?? 0)));
  const size = step(most), top = Math.ceil(most / size) * size;
  const figure = el("div", { class: "chart" });
  let width = 0;
  function draw() {
    width = Math.max(figure.clientWidth, 260);
    const x = (k) => LEFT + ((k + 0.5) / rows.length) * (width - LEFT - RIGHT);
    const y = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
    const parts = [svg("title", {}, title)];
    for (let value = 0; value <= top + size / 2; value += size) {
      parts.push(svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
        svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, percent(value)));
    }
    const every = Math.max(1, Math.ceil(rows.length / (width / 90)));
    rows.forEach((row, k) => { if (k % every === 0) parts.push(svg("text", { x: x(k), y: HEIGHT - 8, "text-anchor": "middle" }, row.label)); });
    for (const line of lines) {
      const points = rows.map((row, k) => [k, line.of(row)]).filter(([, value]) => value != null);
      if (points.length > 1) parts.push(svg("path", { class: line.name, d: points.map(([k, v], n) => `${n ? "L" : "M"}${x(k)},${y(v)}`).join("") }));
      if (rows.length < 80) for (const [k, value] of points) parts.push(svg("circle", { class: `point ${line.name}`, cx: x(k), cy: y(value), r: 3.5 }));
    }
    figure.replaceChildren(svg("svg", { role: "img", "aria-label": title, viewBox: `0 0 ${width} ${HEIGHT}`, height: String(HEIGHT) }, ...parts));
  }
  new ResizeObserver(() => { if (figure.clientWidth !== width) draw(); }).observe(figure);
  return figure;
}

export function legend(entries) {
  return el("ul", { class: "legend chart" }, ...entries.map(({ name, label }) => {
    const isBand = name.startsWith("band");
    const mark = isBand ? svg("rect", { class: name, x: 0, y: 0, width: 29, height: 13 }) : svg("path", { class: name, d: "M0,7H29" });
    if (isBand) mark.setAttribute("class", name);
    return el("li", {}, svg("svg", { viewBox: "0 0 29 13", "aria-hidden": "true" }, mark), label);
  }));
}
