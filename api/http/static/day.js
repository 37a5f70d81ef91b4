// A community day: what was forecast, what happened, who is in; and what is going on right now.
import { hoursChart, legend } from "./chart.js";
import { ask, askAll, el, figures, short, table } from "./page.js";
import { decimals, kwh, longDateOfDay, percent, t, time } from "./words.js";

const STEPS = ["keys", "share", "check", "answer", "mask", "agree", "reveal"];  // of a sum among gateways

export async function show([wanted]) {
  const days = await askAll("/v1/days");
  const live = el("section", { "aria-labelledby": "live" });
  if (!days.length) {
    return { content: [el("h1", {}, t("today")), el("p", {}, t("lead")), el("p", { class: "soft" }, t("noDay")), live], leave: follow(live) };
  }
  const day = days.includes(Number(wanted)) ? Number(wanted) : days.at(-1);
  const summary = await ask(`/v1/days/${day}/summary`);
  const absent = wanted && Number(wanted) !== day ? [el("p", { class: "bad", role: "status" }, t("noSuchDay"))] : [];
  return { content: [...absent, ...about(summary, days), ...homes(summary), live], leave: follow(live) };
}

function about(summary, days) {
  const start = new Date(summary.start), { calibrated, accuracy } = summary;
  const at = days.indexOf(summary.day);
  const choice = el("select", { id: "day" },
    ...days.toReversed().slice(0, 400).map((day) => el("option", { value: String(day), selected: day === summary.day },
      longDateOfDay(day))));
  choice.onchange = (event) => { location.hash = `#//${event.target.value}`; };
  const to = (day, name) => day === undefined ? el("button", { type: "button", disabled: true }, name)
    : el("a", { class: "button", href: `#//${day}` }, name);
  const best = calibrated?.values_wh ?? summary.forecast_wh;
  const { series, bands } = lines(summary);
  return [
    el("h1", {}, longDateOfDay(summary.day)),
    el("p", { class: "soft" }, t("lead")),
    el("div", { class: "row" }, el("label", { for: "day" }, t("day")), choice, to(days[at - 1], t("earlier")), to(days[at + 1], t("later"))),
    figures([
      [t("energy"), kwh(best)],
      [t("measuredEnergy"), summary.measured_wh ? kwh(summary.measured_wh) : t("notYet")],
      [t("error"), accuracy ? percent(accuracy.calibrated ?? accuracy.forecast_sum) : t("notYet")],
      [t("naiveError"), accuracy?.naive != null ? percent(accuracy.naive) : "–"],
      [t("homesIn"), String(summary.homes.filter((home) => home.in_total).length)],
      ...(summary.green_hours ? [[t("greenHours"), spans(start, summary.green_hours)]] : []),
    ]),
    el("h2", { id: "load" }, t("chart")),
    legend([...series, ...bands]),
    hoursChart({ start, series, bands }),
    calibrated ? null : el("p", { class: "soft" }, t("notCalibrated")),
    el("details", {}, el("summary", {}, t("asTable")), hoursTable(start, series, bands)),
    el("p", { class: "row" }, el("a", { class: "button", href: `/v1/days/${summary.day}/forecast.csv` }, t("download")),
      el("span", { class: "soft" }, t("localTimes"))),
  ].filter(Boolean);
}

function lines({ forecast_wh, calibrated, measured_wh, day_before_wh }) {
  const series = [], bands = [];
  if (calibrated) {
    series.push({ name: "calibrated", label: t("calibrated"), values: calibrated.values_wh });
    for (const [name, band] of [["band90", calibrated.band_90], ["band50", calibrated.band_50]]) {
      if (band) bands.push({ name, label: t(name), low: band.low_wh, high: band.high_wh });
    }
  }
  series.push({ name: "sum", label: t("sum"), values: forecast_wh });
  if (measured_wh) series.push({ name: "measured", label: t("measured"), values: measured_wh });
  if (day_before_wh) series.push({ name: "naive", label: t("naive"), values: day_before_wh });
  return { series, bands };
}

// The hours that weigh at least half as much as the greenest, as spans of time.
function spans(start, weights) {
  const at = (k) => time(new Date(start.getTime() + k * 36e5));
  const green = weights.map((weight) => weight >= 128), found = [];
  green.forEach((is, k) => {
    if (is && !green[k - 1]) found.push([k, k]);
    if (is) found.at(-1)[1] = k + 1;
  });
  return found.map(([first, end]) => `${at(first)}–${at(end)}`).join(", ");
}

function hoursTable(start, series, bands) {
  const kw = (wh) => decimals(wh / 1000);
  const rows = series[0].values.map((_, k) => [time(new Date(start.getTime() + k * 36e5)), ...series.map((s) => kw(s.values[k])),
    ...bands.map((b) => `${kw(b.low[k])}–${kw(b.high[k])}`)]);
  return table(t("chart"), [t("hour"), ...series.map((s) => s.label), ...bands.map((b) => b.label)], rows,
    [...series, ...bands].map((_, k) => k + 1));
}

export const greenOf = (home) => home.green_percent == null ? "–" : percent(home.green_percent / 100);

export function statusOf(home) {
  if (home.missing) return el("span", { class: "bad" }, t(home.missing));
  return el("span", { class: "good" }, home.in_total ? t("inTotal") : t("registered"));
}

function homes(summary) {
  const rows = summary.homes.map((home) => [
    el("a", { href: `#/household/${home.household}` }, short(home.household)), statusOf(home),
    home.claimed ? t("claimed") : "–", ...(summary.green_hours ? [greenOf(home)] : []),
  ]);
  const names = [t("household"), t("status"), t("reward"), ...(summary.green_hours ? [t("greenShare")] : [])];
  return [el("h2", {}, t("who")), table(t("who"), names, rows, [3])];
}

function trained({ round, loss }) {
  return loss === null ? `${t("round")} ${round}` : `${t("round")} ${round} · ${t("loss")} ${decimals(loss)}`;
}

// -- right now -------------------------------------------------------------------------------------------------------
function follow(place) {
  const body = el("div", {});
  place.append(el("h2", { id: "live" }, t("live")), body);
  const line = new EventSource("/v1/events");
  const phase = (sum, isOpen) => isOpen || sum === "open" ? t("phaseOpen") : sum === "failed" ? t("phaseFailed")
    : sum === undefined ? t("noSum") : t("phaseStep", { n: STEPS.indexOf(sum) + 1, m: STEPS.length });
  line.addEventListener("progress", (event) => {
    const now = JSON.parse(event.data);
    body.replaceChildren(figures([
      [t("day"), longDateOfDay(now.day)],
      [t("registeredSoFar"), `${now.registered} / ${now.enrolled}`],
      [t("sumForecast"), phase(now.sums.forecast, now.total === now.day)], [t("sumMeasured"), phase(now.sums.measured, now.measured === now.day)],
      [t("round"), now.round === null ? t("none") : String(now.round)],
      [t("training"), now.training === null ? t("none") : trained(now.training)],
    ]));
  });
  line.onerror = () => body.replaceChildren(el("p", { class: "soft" }, t("liveOff")));
  return () => line.close();
}
