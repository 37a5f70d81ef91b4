// A home's own forecasts and readings, on its own gateway. Nothing here is sent anywhere.
import { hoursChart, legend } from "./chart.js";
import { ask, el, figures, reasonOf, table } from "./page.js";
import { surplus } from "./surplus.js";
import { decimals, kwh, language, longDate, percent, plainDate, t, time } from "./words.js";

const OWN = {
  en: { lead: "Only this machine shows this. The community sees a commitment to your forecast and a proof, never the values.",
    forecast: "Your forecast", readings: "Your readings", none: "There is no forecast and no signed day yet.",
    error: "Error", submitted: "Submitted", claim: "Claim", green: "Green share", chart: "Your load in kW",
    shares: "Your shared energy", period: "Period", pending: "not settled yet", import: "Of what you took", export: "Of what you fed in",
    "state-waiting": "waiting to be sent", "state-done": "accepted", "state-refused": "refused",
    sharesLead: "Your part of what the community shared in each settled period, proven without showing your readings." },
  it: { lead: "Lo mostra solo questa macchina. La comunità vede un impegno sulla tua previsione e una prova, mai i valori.",
    forecast: "La tua previsione", readings: "Le tue letture", none: "Non c'è ancora nessuna previsione né un giorno firmato.",
    error: "Errore", submitted: "Inviata", claim: "Richiesta", green: "Quota verde", chart: "Il tuo carico in kW",
    shares: "La tua energia condivisa", period: "Periodo", pending: "non ancora ripartita", import: "Di quella prelevata", export: "Di quella immessa",
    "state-waiting": "in attesa di invio", "state-done": "accolta", "state-refused": "rifiutata",
    sharesLead: "La tua quota di quanto la comunità ha condiviso in ogni periodo ripartito, dimostrata senza mostrare le tue letture." },
};
const own = (key) => OWN[language][key];
const main = document.getElementById("main");

// "refused: late-claim" in the reader's language; the code stays, which /problems of the community explains.
function state(told) {
  if (!told) return "–";
  const [name, code] = told.split(": ");
  return code ? `${own(`state-${name}`)}: ${code}` : own(`state-${name}`);
}

function error(day) {
  if (!day.typical_wh || !day.readings_wh) return null;
  const load = day.readings_wh.reduce((a, b) => a + b, 0);
  return load ? day.readings_wh.reduce((sum, wh, k) => sum + Math.abs(wh - day.typical_wh[k]), 0) / load : null;
}

function shown(day, days) {
  const start = new Date(day.start);
  const series = [];
  if (day.typical_wh) series.push({ name: "calibrated", label: own("forecast"), values: day.typical_wh });
  if (day.readings_wh) series.push({ name: "measured", label: own("readings"), values: day.readings_wh });
  const choice = el("select", { id: "day" }, ...days.map((one) =>
    el("option", { value: String(one.day), selected: one === day }, longDate(one.date))));
  choice.onchange = () => show(days.find((one) => String(one.day) === choice.value), days);
  const missed = error(day);
  return [
    el("h1", {}, longDate(day.date)), el("p", { class: "soft" }, own("lead")),
    el("div", { class: "row" }, el("label", { for: "day" }, t("day")), choice),
    figures([
      [own("forecast"), day.typical_wh ? kwh(day.typical_wh) : "–"], [own("readings"), day.readings_wh ? kwh(day.readings_wh) : t("notYet")],
      [own("error"), missed === null ? t("notYet") : percent(missed)], [own("submitted"), state(day.forecast_state)], [own("claim"), state(day.claim_state)], [own("green"), state(day.green_state)],
    ]),
    el("h2", {}, own("chart")), legend(series), hoursChart({ start, series, bands: [] }),
    el("details", {}, el("summary", {}, t("asTable")), table(own("chart"), [t("hour"), ...series.map((s) => s.label)],
      series[0].values.map((_, k) => [time(new Date(start.getTime() + k * 36e5)), ...series.map((s) => decimals(s.values[k] / 1000))]), [1, 2])),
    el("p", { class: "soft" }, t("localTimes")),
  ];
}

// A row for each settled period: this home's share of what it took and of what it fed in.
function shared(shares) {
  const periods = new Map(shares.map((one) => [`${one.first_date} ${one.last_date}`, one]));
  const cell = (period, side) => {
    const share = shares.find((one) => one.side === side && one.first_day === period.first_day && one.last_day === period.last_day);
    if (!share) return "–";
    const part = share.metered_wh ? ` (${percent(share.share_wh / share.metered_wh)})` : "";
    const pending = share.is_settled ? "" : `, ${own("pending")}`;
    return `${decimals(share.share_wh / 1000)} / ${decimals(share.metered_wh / 1000)}${part}${pending}`;
  };
  return [el("h2", {}, own("shares")), el("p", { class: "soft" }, own("sharesLead")),
    table(own("shares"), [own("period"), ...["import", "export"].map((side) => `${own(side)}, kWh`)],
      [...periods.values()].map((one) => [`${plainDate(one.first_date)} – ${plainDate(one.last_date)}`, cell(one, "import"), cell(one, "export")]), [1, 2])];
}

const ahead = el("section", {}), about = el("section", {}), settled = el("section", {});
function show(day, days) { about.replaceChildren(...shown(day, days)); }

document.documentElement.lang = language;
try {
  const { home, days, shares, surplus: next } = await ask("/days.json");
  document.getElementById("home").textContent = home;
  if (days.length) show(days[0], days); else about.replaceChildren(el("h1", {}, home), el("p", {}, own("none")));
  if (shares.length) settled.replaceChildren(...shared(shares));
  if (next) ahead.replaceChildren(...surplus(next));
  main.replaceChildren(ahead, about, settled);
} catch (problem) { main.replaceChildren(el("h1", {}, "Wattproof"), el("p", { class: "bad", role: "alert" }, reasonOf(problem))); }
