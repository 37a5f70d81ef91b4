// The proofs of a day: what each says in words, verified in one click, compared with the registry.
import { ask, askAll, el, short, table } from "./page.js";
import { dateOfDay, t } from "./words.js";

const bytes = async (path) => { const answer = await fetch(path); if (!answer.ok) throw new Error((await answer.json()).detail); return answer.text(); };

// Verify a bundle's bytes; a server that is busy is asked again when it says.
async function verified(bundle) {
  for (;;) {
    const answer = await fetch("/v1/proofs/verify", { method: "POST", body: bundle, headers: { "content-type": "application/json" } });
    const told = await answer.json();
    if (answer.status !== 429) return answer.ok ? { holds: true, says: told.says, seconds: told.seconds } : { holds: false, says: [told.detail] };
    await new Promise((done) => { setTimeout(done, 1000 * Number(answer.headers.get("retry-after") ?? 1)); });
  }
}

function verdict(found, registry) {
  const parts = [el("p", { class: found.holds ? "good" : "bad" }, found.holds ? `✓ ${t("holds")} (${Math.round(found.seconds * 1000)} ms)` : `✗ ${t("fails")}`),
    el("ul", { class: "says" }, ...found.says.map((line) => el("li", {}, line)))];
  if (registry) parts.push(el("p", { class: registry.agrees ? "good" : "bad" }, registry.agrees ? `✓ ${t("same")}` : `✗ ${t("different")}`));
  return parts;
}

async function check(one, place) {
  place.replaceChildren(t("verifying"));
  try {
    const [found, registry] = await Promise.all([
      bytes(`/v1/forecasts/${one.household}/${one.day}/proof`).then(verified),
      ask(`/v1/forecasts/${one.household}/${one.day}/registration`),
    ]);
    place.replaceChildren(...verdict(found, registry));
    return found.holds && registry.agrees;
  } catch (error) { place.replaceChildren(el("span", { class: "bad" }, error.message)); return false; }
}

function ownFile() {
  const place = el("div", { role: "status" });
  const input = el("input", { type: "file", id: "file", accept: ".json,application/json", onchange: async (event) => {
    place.replaceChildren(t("verifying"));
    const [file] = event.target.files;
    if (file) place.replaceChildren(...verdict(await verified(await file.text())));
  } });
  return [el("h2", {}, t("verifyOwn")), el("p", {}, el("label", { for: "file" }, t("file") + " "), input), place];
}

export async function show([wanted]) {
  const [days, rounds] = await Promise.all([askAll("/v1/days"), askAll("/v1/rounds")]);
  const head = [el("h1", {}, t("proofs")), el("p", { class: "soft" }, t("proofsLead"))];
  const tail = [...ownFile(), el("h2", {}, t("rounds")),
    table(t("rounds"), [t("round"), t("digest")], rounds.map((round) => [String(round.number), el("code", {}, round.digest)]))];
  if (!days.length) return { content: [...head, el("p", {}, t("noDay")), ...tail] };
  const day = days.includes(Number(wanted)) ? Number(wanted) : days.at(-1);
  const [forecasts, claims] = await Promise.all([askAll(`/v1/forecasts/${day}`), askAll(`/v1/claims/${day}`)]);
  const paid = new Set(claims.map((claim) => claim.household));
  const choice = el("select", { id: "day" }, ...days.toReversed().map((d) => el("option", { value: String(d), selected: d === day }, dateOfDay(d))));
  choice.onchange = () => { location.hash = `#/proofs/${choice.value}`; };
  const places = forecasts.map(() => el("div", { role: "status" }));
  const rows = forecasts.map((one, k) => [
    el("a", { href: `#/household/${one.household}` }, short(one.household)), String(one.round),
    el("div", {}, el("span", { class: "row" }, el("button", { type: "button", onclick: () => check(one, places[k]) , "aria-label": `${t("verify")} ${one.household}` }, t("verify")),
      el("a", { href: `/v1/forecasts/${one.household}/${day}/proof` }, t("proofForecast")),
      paid.has(one.household) ? el("a", { href: `/v1/claims/${one.household}/${day}/proof` }, t("proofClaim")) : null), places[k]),
  ]);
  const sum = el("p", { role: "status" });
  const all = el("button", { type: "button", id: "audit", onclick: async () => {
    all.disabled = true;
    let good = 0;
    for (const [k, one] of forecasts.entries()) {
      good += await check(one, places[k]);
      sum.textContent = `${k + 1} / ${forecasts.length}`;
    }
    const bad = forecasts.length - good;
    sum.className = bad ? "bad" : "good";
    sum.textContent = bad ? `✗ ${bad} / ${forecasts.length} ${t("auditBad")}` : `✓ ${good} / ${forecasts.length} ${t("auditDone")}`;
    all.disabled = false;
  } }, t("auditDay"));
  return { content: [...head,
    el("div", { class: "row" }, el("label", { for: "day" }, t("day")), choice, all), sum,
    table(t("proofs"), [t("household"), t("round"), t("what")], rows),
    el("p", { class: "soft" }, t("offline"), " ", el("code", {}, `wattproof audit ${day} --server ${location.origin} --rpc-url NODE --contracts contracts.json`)),
    ...tail] };
}
