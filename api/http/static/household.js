// A household as everybody may see it: its record, tokens, days and claims; and the button that claims.
import { greenOf } from "./day.js";
import { askAll, askOrNull, el, figures, part, post, reasonOf, short, table, tell } from "./page.js";
import { dateOfDay, decimals, t } from "./words.js";

const tokens = (amount) => decimals(Number(BigInt(amount) / 10n ** 15n) / 1000);

export async function show([address]) {
  const form = el("form", { class: "row" }, el("label", { for: "address" }, t("yourHousehold")),
    el("input", { type: "text", id: "address", name: "address", value: address ?? "", pattern: "0x[0-9a-fA-F]{40}", required: true, spellcheck: "false", autocomplete: "off" }),
    el("button", { type: "submit" }, t("show")));
  form.addEventListener("submit", (event) => { event.preventDefault(); location.hash = `#/household/${form.elements.address.value}`; });
  const head = [el("h1", {}, t("households")), el("p", { class: "soft" }, t("own"))];
  if (!address) {
    const all = await askAll("/v1/households");
    return { content: [...head, form, table(t("members"), [t("household"), t("daysProven"), t("claims")],
      all.map((home) => [el("a", { href: `#/household/${home.address}` }, short(home.address)), String(home.forecasts), String(home.rewarded_days)]), [1, 2])] };
  }
  const absent = (why) => ({ content: [...head, form, el("p", { class: "bad", role: "alert" }, t(why))] });
  if (!/^0x[0-9a-fA-F]{40}$/.test(address)) return absent("noAddress");
  const held = await askOrNull(`/v1/households/${address}/rewards`);
  if (!held) return absent("noHousehold");
  const days = await askAll(`/v1/households/${held.address}/days`);
  return { content: [...head, form, ...record(held, days), ...claim(), rule(), el("h2", {}, t("daysProven")),
    table(t("daysProven"), [t("date"), t("status"), t("reward"), t("greenShare")], days.toReversed().map((day) => [
      el("a", { href: `#//${day.day}` }, dateOfDay(day.day)), day.in_total ? t("inTotal") : t("registered"), day.claimed ? t("claimed") : t("notClaimed"),
      greenOf(day)]), [3])] };
}

// An attribute of the record in the reader's language; what is noted in steps of 100 Wh, in kWh.
function trait({ trait_type: name, value }) {
  const told = t(`trait-${name}`);
  return [told === `trait-${name}` ? name : told, name.includes("100 Wh") ? `${decimals(value / 10)} kWh` : String(value)];
}

const rule = () => el("details", {}, el("summary", {}, t("ruleTitle")),
  el("ul", { class: "says" }, ...[1, 2, 3, 4, 5].map((k) => el("li", {}, t(`rule${k}`)))));

function record(held, days) {
  const { record: kept } = held;
  const own = figures([[t("tokens"), tokens(held.tokens)], [t("daysProven"), String(days.length)],
    [t("claims"), String(days.filter((day) => day.claimed).length)],
    ...(kept?.attributes ?? []).map(trait)]);
  if (!kept) return [el("h2", {}, t("record")), own, el("p", { class: "soft" }, t("noRecord"))];
  // As a wallet shows it: the picture that the contract itself gives, its name and what it says of itself.
  const picture = typeof kept.image === "string" && kept.image.startsWith("data:image/") ? el("img", { src: kept.image, alt: kept.name ?? t("record") }) : null;
  return [el("h2", {}, t("record")), el("div", { class: picture ? "card record" : "card" }, picture,
    el("div", {}, el("p", { lang: "en" }, el("b", {}, kept.name ?? "")), el("p", { class: "soft", lang: "en" }, kept.description ?? ""), own))];
}

// A claim for a forecast, or for a green share: the bundle says which.
const pathOf = (bundle) => bundle.slice(0, 100).includes("wattproof/green/") ? "/v1/green-shares" : "/v1/claims";

function claim() {
  const place = el("p", { role: "status" });
  const file = el("input", { type: "file", id: "claim-file", accept: ".json,application/json" });
  const run = (how) => async () => {
    const [chosen] = file.files;
    if (!chosen) { file.focus(); return; }
    place.className = ""; place.textContent = t("verifying");
    try { await how(await chosen.text()); place.className = "good"; place.textContent = `✓ ${t("claimDone")}`; tell(t("claimDone")); }
    catch (error) { place.className = "bad"; place.textContent = reasonOf(error); }
  };
  return [el("h2", {}, t("claim")), el("p", { class: "soft" }, t("claimLead")),
    el("div", { class: "row" }, el("label", { for: "claim-file" }, t("file")), file,
      el("button", { type: "button", id: "claim", onclick: run((bundle) => post(pathOf(bundle), bundle)) }, t("claim")),
      el("button", { type: "button", id: "claim-wallet", onclick: run(async (bundle) => (await part("wallet")).claimByWallet(pathOf(bundle), bundle)) }, t("claimWallet"))),
    place];
}
