// The API's own description (/openapi.json), for people: each route, what it takes, answers and refuses with, and a try.
import { ask, el, table } from "./page.js";

const example = (one) => one.$ref ? description.components.examples[one.$ref.split("/").at(-1)] : one;
const resolve = (schema, all) => schema?.$ref ? resolve(all[schema.$ref.split("/").at(-1)], all) : schema;
function typeOf(schema, all) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.anyOf) return schema.anyOf.map((one) => typeOf(one, all)).join(" | ");
  if (schema.type === "array") return `${typeOf(schema.items, all)}[]`;
  return schema.const !== undefined ? JSON.stringify(schema.const) : schema.enum ? schema.enum.map((one) => JSON.stringify(one)).join(" | ") : schema.type ?? "any";
}
function fields(schema, all) {
  const found = resolve(schema?.type === "array" ? schema.items : schema, all);
  if (!found?.properties) return [];
  const rows = Object.entries(found.properties).map(([name, one]) => [el("code", {}, name), typeOf(one, all), one.description ?? ""]);
  return [found.description ? el("p", {}, found.description) : null, table(found.title ?? "fields", ["field", "type", ""], rows)];
}

function attempt(path, parameters) {
  const inputs = parameters.map((p) => el("input", { type: "text", id: `${path}:${p.name}`, name: p.name, "aria-label": p.name, placeholder: p.name }));
  const out = el("pre", { class: "scroll", tabindex: "0", role: "region", "aria-label": `answer of ${path}` });
  const run = async () => {
    const query = new URLSearchParams();
    let url = path;
    for (const [k, p] of parameters.entries()) {
      const value = inputs[k].value.trim();
      if (p.in === "path") url = url.replace(`{${p.name}}`, encodeURIComponent(value));
      else if (value) query.set(p.name, value);
    }
    try {
      const answer = await fetch(query.size ? `${url}?${query}` : url);
      out.textContent = `${answer.status} ${answer.headers.get("content-type") ?? ""}\n${(await answer.text()).slice(0, 4000)}`;
    } catch { out.textContent = "The server does not answer."; }
  };
  return el("div", {}, el("div", { class: "row" }, ...inputs, el("button", { type: "button", onclick: run }, "Try")), out);
}

function route(path, method, told, all) {
  const parameters = told.parameters ?? [];
  const body = told.requestBody?.content?.["application/json"]?.schema;
  const refusals = Object.entries(told.responses).flatMap(([status, one]) =>
    Object.values(one.content?.["application/problem+json"]?.examples ?? {}).map(example).map((one) => [status, el("code", {}, one.value.error), one.summary]));
  const success = Object.entries(told.responses).find(([status]) => status.startsWith("2"));
  const schema = success?.[1].content?.["application/json"]?.schema;
  return el("details", { class: "card" }, el("summary", {}, el("b", {}, method.toUpperCase()), ` ${path}`),
    el("p", {}, told.description ?? told.summary ?? ""),
    parameters.length ? table("Parameters", ["name", "in", "type", ""], parameters.map((p) =>
      [el("code", {}, p.name), p.in, typeOf(p.schema, all), p.description ?? ""])) : null,
    body ? el("p", {}, `Takes ${typeOf(body, all)}`) : null, ...fields(body, all),
    el("p", {}, `Answers ${success?.[0] ?? ""} ${typeOf(schema, all)}`), ...fields(schema, all),
    refusals.length ? table("Refusals", ["status", "code", "meaning"], refusals) : null,
    method === "get" && !path.endsWith("events") ? attempt(path, parameters) : null);
}

const description = await ask("/openapi.json");
const all = description.components?.schemas ?? {};
document.getElementById("lead").textContent = `${description.info.title} ${description.info.version}. ${description.info.description}`;
const groups = new Map();
for (const [path, item] of Object.entries(description.paths)) {
  for (const [method, told] of Object.entries(item)) {
    const name = told.tags?.[0] ?? "other";
    groups.set(name, [...(groups.get(name) ?? []), route(path, method, told, all)]);
  }
}
document.getElementById("routes").replaceChildren(
  el("p", {}, "The description for programs is at ", el("a", { href: "/openapi.json" }, "/openapi.json"), "; what each refusal means, at ", el("a", { href: "/problems" }, "/problems"), "."),
  ...[...groups].flatMap(([name, routes]) => [el("h2", {}, name), ...routes]));
