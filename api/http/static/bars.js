// Stacked bars of days as an SVG: each part has a colour and, but for the first, a hatching of its own.
import { axisTitle, BOTTOM, HEIGHT, LEFT, RIGHT, step, svg, TOP } from "./chart.js";
import { el } from "./page.js";
import { whole } from "./words.js";

const HATCH = "hatch-beyond";
const hatching = () => svg("defs", {}, svg("pattern", {
  id: HATCH, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
svg("line", { class: "hatch", x1: 0, x2: 0, y1: 0, y2: 7 })));

// rows: [{label, ...}], parts: [{name, label, of: row => Wh}], from the bottom up; unit: of the vertical axis.
export function barsChart({ rows, parts, title, unit }) {
  const most = Math.max(1, ...rows.map((row) => parts.reduce((sum, part) => sum + part.of(row), 0))) / 1000;
  const size = step(most), top = Math.ceil(most / size) * size;
  const figure = el("div", { class: "chart" });
  let width = 0;
  function bar(row, k, x, y) {
    let below = 0;
    return parts.map((part, level) => {
      const from = below, to = below += part.of(row) / 1000;
      return svg("rect", {
        class: `bar ${part.name}`, x: x(k + 0.09), width: x(0.82) - x(0), y: y(to), height: Math.max(0, y(from) - y(to)),
        ...(level ? { fill: `url(#${HATCH})` } : {}),
      }, svg("title", {}, `${row.label}: ${part.label} ${whole(part.of(row) / 1000)} kWh`));
    });
  }
  function draw() {
    width = Math.max(figure.clientWidth, 260);
    const x = (k) => LEFT + (k / rows.length) * (width - LEFT - RIGHT);
    const y = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
    const drawn = [svg("title", {}, title), hatching(), axisTitle(unit)];
    for (let value = 0; value <= top + size / 2; value += size) {
      drawn.push(svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
        svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, whole(value)));
    }
    const every = Math.max(1, Math.ceil(rows.length / (width / 90)));
    rows.forEach((row, k) => {
      drawn.push(...bar(row, k, x, y));
      if (k % every === 0) drawn.push(svg("text", { x: x(k + 0.5), y: HEIGHT - 8, "text-anchor": "middle" }, row.label));
    });
    figure.replaceChildren(svg("svg", { role: "img", "aria-label": title, viewBox: `0 0 ${width} ${HEIGHT}`, height: String(HEIGHT) }, ...drawn));
  }
  new ResizeObserver(() => { if (figure.clientWidth !== width) draw(); }).observe(figure);
  return figure;
}

export function barsLegend(parts) {
  return el("ul", { class: "legend chart" }, ...parts.map((part, level) => el("li", {},
    svg("svg", { viewBox: "0 0 29 13", "aria-hidden": "true" }, ...(level ? [hatching()] : []),
      svg("rect", { class: `bar ${part.name}`, width: 29, height: 13, ...(level ? { fill: `url(#${HATCH})` } : {}) })), part.label)));
}
