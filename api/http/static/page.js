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

// What the server refused, with the seconds after which it may be asked again.
class Refused extends Error {
  constructor(answer, problem, said) {
    super(said ?? t("noServer"));
    this.status = answer.status; this.code = problem.error; this.retryAfter = Number(answer.headers.get("retry-after") ?? 1);
  }
}

// A refusal in the reader's language; its words are loaded with the first one.
async function refused(answer, problem) {
  const words = language === "it" && await import("./refusals.js").catch(() => null);
  return new Refused(answer, problem, words ? words.why(problem) : problem.detail);
}

const noServer = () => { throw new Error(t("noServer")); };
// JSON; null for a text that is none, such as the page of a proxy that stands before the server.
const parsed = (text) => { try { return JSON.parse(text); } catch { return null; } };

// An answer and its text. Throws Refused.
async function asked(path, options = {}) {
  const answer = await fetch(path, { credentials: "same-origin", ...options }).catch(noServer);
  const text = await answer.text().catch(noServer);
  if (!answer.ok) throw await refused(answer, parsed(text) ?? {});
  return { text, headers: answer.headers };
}
async function read(path, options) {
  const { text, headers } = await asked(path, options);
  const body = text && parsed(text);
  if (body === null) throw new Error(t("otherAnswer"));
  return { body, text, headers };
}
export const ask = async (path, options) => (await read(path, options)).body;
// As it was sent, as what is checked of a proof is its bytes.
export const askText = async (path) => (await read(path)).text;

// Why something failed, in the reader's language: what the browser says of an answer of another form is English.
export const reasonOf = (error) => [TypeError, SyntaxError, RangeError, ReferenceError].includes(error.constructor) ? t("otherAnswer") : error.message;
// A part of the page, which is loaded when it is first needed.
export const part = (name) => import(`./${name}.js`).catch(noServer);
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
