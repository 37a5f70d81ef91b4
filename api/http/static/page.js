// What every view uses: elements, questions to the API, tables, things told.
import { language, t } from "./words.js";

export function el(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...content.filter((part) => part != null));
  return made;
}

export class Refused extends Error {
  constructor(status, problem, said = problem.detail) { super(said ?? t("noServer")); this.status = status; this.code = problem.error; }
}

// A refusal in the reader's language; its words are loaded with the first one.
export async function refused(status, problem) {
  const words = language === "it" && await import("./refusals.js").catch(() => null);
  return new Refused(status, problem, words ? words.why(problem) : problem.detail);
}

export async function ask(path, options = {}) {
  return (await read(path, options)).body;
}
async function read(path, options = {}) {
  const answer = await fetch(path, { credentials: "same-origin", ...options }).catch(() => { throw new Error(t("noServer")); });
  const isJson = (answer.headers.get("content-type") ?? "").includes("json");
  const text = await answer.text();
  const body = isJson && text ? JSON.parse(text) : text;
  if (!answer.ok) throw await refused(answer.status, isJson ? body : {});
  return { body, headers: answer.headers };
}
export const post = (path, content) =>
  ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: typeof content === "string" ? content : JSON.stringify(content) });
export const askOrNull = (path) => ask(path).catch((error) => { if (error.status === 404) return null; throw error; });

// Every page of a list, by the links to the next.
export async function askAll(path) {
  const found = [];
  for (let next = path; next;) {
    const { body, headers } = await read(next);
    found.push(...body);
    next = (headers.get("link") ?? "").match(/<([^>]+)>; rel="next"/)?.[1];
  }
  return found;
}

export const short = (text) => el("code", { title: text }, text.length > 14 ? text.slice(0, 8) + "…" + text.slice(-4) : text);

export function table(caption, heads, rows, numbers = []) {
  const cells = (kind, values) => values.map((value, k) => el(kind, {
    class: numbers.includes(k) ? "number" : null, scope: kind === "th" ? "col" : null }, value));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, el("table", {},
    el("caption", {}, el("span", { class: "hidden" }, caption)), el("thead", {}, el("tr", {}, ...cells("th", heads))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...cells("td", row))))));
}

export const figures = (pairs) => el("dl", { class: "figures" },
  ...pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));

// Said once, to screen readers too, and then out of the way.
let told = 0;
export function tell(text) {
  const place = document.getElementById("told");
  place.textContent = text;
  clearTimeout(told);
  told = setTimeout(() => { place.textContent = ""; }, 8000);
}
