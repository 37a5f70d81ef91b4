// The proofs of a day: what each says in words, verified in one click, compared with the registry.
import { ask, askAll, askText, el, post, reasonOf, short, table } from "./page.js";
import { says } from "./says.js";
import { dateOfDay, t } from "./words.js";

// Verify a bundle's bytes; a server that is busy is asked again when it says.
async function verified(bundle) {
  for (;;) {
    try {
      const told = await post("/v1/proofs/verify", bundle);
      return { holds: true, says: says(bundle, told.says), seconds: told.seconds };
    } catch (refusal) {
      if (refusal.status === 422 && refusal.code) return { holds: false, says: [refusal.message] };
      if (refusal.status !== 429) throw refusal;  // not checked
      await new Promise((done) => { setTimeout(done, 1000 * refusal.retryAfter); });
    }
  }
}

// isBrief: what it says is folded up, unless it does not hold.
function verdict(found, registry, isBrief = false) {
  const parts = [el("details", { open: !(isBrief && found.holds) },
    el("summary", { class: found.holds ? "good" : "bad" }, found.holds ? `✓ ${t("holds")} (${Math.round(found.seconds * 1000)} ms)` : `✗ ${t("fails")}`),
    el("ul", { class: "says" }, ...found.says.map((line) => el("li", {}, line))))];
  if (registry) parts.push(el("p", { class: registry.agrees ? "good" : "bad" }, registry.agrees ? `✓ ${t("same")}` : `✗ ${t("different")}`));
  return parts;
}

// Whether a proof holds and, of a forecast, is as registered; null where a claim's file is not here.
async function check(proof, isBrief = false) {
  const { place } = proof;
  place.replaceChildren(t("verifying"));
  try {
    const [found, registry] = await Promise.all([askText(proof.path).then(verified), proof.registry ? ask(proof.registry) : null]);
    place.replaceChildren(...verdict(found, registry, isBrief));
    return found.holds && registry?.agrees !== false;
  } catch (error) {
    const isElsewhere = error.status === 404 && !proof.registry;
    place.replaceChildren(el("span", { class: isElsewhere ? "soft" : "bad" }, isElsewhere ? t("notKept") : reasonOf(error)));
    return isElsewhere ? null : false;
  }
}

function ownFile() {
  const place = el("div", { role: "status" });
  const input = el("input", { type: "file", id: "file", accept: ".json,application/json", onchange: async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    place.replaceChildren(t("verifying"));
    try { place.replaceChildren(...verdict(await verified(await file.text()))); }
    catch (error) { place.replaceChildren(el("span", { class: "bad" }, reasonOf(error))); }
  } });
  return [el("h2", {}, t("verifyOwn")), el("p", {}, el("label", { for: "file" }, t("file") + " "), input), place];
}

// What a household has proven of a day: its forecast, and what it claimed.
function proofsOf({ household, day }, claims, greens) {
  const has = (list) => list.some((one) => one.household === household);
  const of = (kind, label) => ({ path: `/v1/${kind}/${household}/${day}/proof`, label: t(label), place: el("div", { role: "status" }) });
  return [
    { ...of("forecasts", "proofForecast"), registry: `/v1/forecasts/${household}/${day}/registration` },
    ...(has(claims) ? [of("claims", "proofClaim")] : []), ...(has(greens) ? [of("green-shares", "proofGreen")] : []),
  ];
}

export async function show([wanted]) {
  const [days, rounds] = await Promise.all([askAll("/v1/days"), askAll("/v1/rounds")]);
  const head = [el("h1", {}, t("proofs")), el("p", { class: "soft" }, t("proofsLead"))];
  const tail = [...ownFile(), el("h2", {}, t("rounds")),
    table(t("rounds"), [t("round"), t("digest")], rounds.map((round) => [String(round.number), el("code", {}, round.digest)]))];
  if (!days.length) return { content: [...head, el("p", {}, t("noDay")), ...tail] };
  const day = days.includes(Number(wanted)) ? Number(wanted) : days.at(-1);
  const [forecasts, claims, greens] = await Promise.all(["forecasts", "claims", "green-shares"].map((kind) => askAll(`/v1/${kind}/${day}`)));
  const choice = el("select", { id: "day" }, ...days.toReversed().map((d) => el("option", { value: String(d), selected: d === day }, dateOfDay(d))));
  choice.onchange = () => { location.hash = `#/proofs/${choice.value}`; };
  const shown = forecasts.map((one) => ({ one, proofs: proofsOf(one, claims, greens) }));
  const rows = shown.map(({ one, proofs }) => [
    el("a", { href: `#/household/${one.household}` }, short(one.household)), String(one.round), el("div", {}, ...proofs.flatMap((proof) => [
      el("span", { class: "row" }, el("button", { type: "button", onclick: () => check(proof), "aria-label": `${t("verify")}: ${proof.label}, ${one.household}` }, t("verify")),
        el("a", { href: proof.path }, proof.label)), proof.place]))]);
  const sum = el("p", { role: "status" });
  const audit = el("button", { type: "button", id: "audit", onclick: async () => {
    audit.disabled = true;
    const all = shown.flatMap(({ proofs }) => proofs), found = [];
    for (const proof of all) {
      found.push(await check(proof, true));
      sum.textContent = `${found.length} / ${all.length}`;
    }
    const known = found.filter((one) => one !== null), bad = known.filter((one) => !one).length;
    sum.className = bad ? "bad" : "good";
    sum.textContent = bad ? `✗ ${bad} / ${known.length} ${t("auditBad")}` : `✓ ${known.length} / ${known.length} ${t("auditDone")}`;
    audit.disabled = false;
  } }, t("auditDay"));
  return { content: [...head,
    el("div", { class: "row" }, el("label", { for: "day" }, t("day")), choice, audit), sum,
    table(t("proofs"), [t("household"), t("round"), t("what")], rows),
    el("p", { class: "soft" }, t("offline"), " ", el("code", {}, `wattproof audit ${day} --server ${location.origin} --rpc-url NODE --contracts contracts.json`)),
    ...tail] };
}
