// Shared energy of settled periods: each day, each hour, each period. Totals of all homes; nothing of a single one.
import { barsChart, barsLegend } from "./bars.js";
import { hoursChart, legend } from "./chart.js";
import { ask, askAll, el, figures, reasonOf, short, table } from "./page.js";
import { surplus } from "./surplus.js";
import { decimals, percent, plainDate, shortDate, t, time, whole } from "./words.js";

const sum = (values) => values.reduce((a, b) => a + b, 0);
const HOURS = 24;
// A day's values by hour: 24 of them, or the sums of 96 quarters of an hour.
const hourly = (values) => Array.from({ length: HOURS }, (_, hour) => {
  const count = values.length / HOURS;
  return sum(values.slice(hour * count, (hour + 1) * count));
});
const kwh = (wh) => `${whole(wh / 1000)} kWh`;
const named = (period) => `${plainDate(period.first_date)} – ${plainDate(period.last_date)}`;
const date = (period, day) => Date.parse(period.first_date) / 864e5 + day.day - period.hours[0].day;
const dayName = (period, day) => plainDate(date(period, day));

export async function show([wanted]) {
  const listed = await askAll("/v1/shared-energy");
  const periods = listed.filter((one) => !one.problem);
  const damaged = listed.filter((one) => one.problem).map((one) => el("p", { class: "bad" },
    `${t("damagedPeriod", { n: one.period })} `, el("span", { lang: "en" }, `(${one.problem})`)));
  const chosen = periods.find((one) => one.period === wanted) ?? periods.at(-1);
  const lead = chosen?.interval_minutes === 15 ? "sharedLeadQuarters" : "sharedLead";
  const head = [el("h1", {}, t("sharedEnergy")), el("p", { class: "soft" }, t(lead)), ...await surplusAhead(), ...damaged];
  if (!periods.length) return { content: [...head, ...(damaged.length ? [] : [el("p", {}, t("sharedNone"))])] };
  const period = await ask(`/v1/shared-energy/${chosen.period}`);
  const choice = el("select", { id: "period" }, ...periods.toReversed().map((one) =>
    el("option", { value: one.period, selected: one.period === period.period }, named(one))));
  choice.onchange = () => { location.hash = `#/shared/${choice.value}`; };
  return { content: [
    ...head, el("div", { class: "row" }, el("label", { for: "period" }, t("period")), choice),
    numbers(period), ...byDay(period), ...byHour(period),
    ...(periods.length > 1 ? byPeriod(periods) : []),
    el("p", { class: "soft" }, t("auditShared"), " ", el("code", {}, "wattproof audit-settlement settlement.json")),
  ] };
}

// The newest day of which the surplus hours are known; nothing where there is none.
async function surplusAhead() {
  const days = await askAll("/v1/surplus");
  if (!days.length) return [];
  try {
    const day = await ask(`/v1/surplus/${days.at(-1)}`);
    return [...surplus(day), el("p", { class: "row" },
      el("a", { class: "button", href: `/v1/surplus/${day.day}/hours.csv` }, t("download")),
      el("a", { class: "button", href: `/v1/surplus/${day.day}/surplus.json` }, t("file")), el("span", { class: "soft" }, t("localTimes"))),
    el("p", { class: "soft" }, t("auditSurplus"), " ", el("code", {}, "wattproof audit-surplus surplus.json"))];
  } catch (problem) { return [el("p", { class: "bad" }, reasonOf(problem))]; }
}

function numbers(period) {
  const of = t(`key-${period.key}`);
  return figures([
    [t("shared"), kwh(period.shared_wh)],
    [t("covered"), period.taken_wh ? percent(period.shared_wh / period.taken_wh) : "–"],
    [t("taken"), kwh(period.taken_wh)], [t("fedIn"), kwh(period.fed_in_wh)],
    [t("beyond"), kwh(period.fed_in_wh - period.shared_wh)],
    [t("members"), period.late ? `${period.members}, ${period.late} ${t("late")}` : String(period.members)],
    [t("key"), of], [t("remainder"), `${whole(period.remainder_wh.import)} + ${whole(period.remainder_wh.export)}`],
    ...(period.tokens ? [[t("tokensPaid"), `${percent(Number(period.tokens.paid) / Number(period.tokens.funded))}, ${short(period.tokens.token)}`]] : []),
  ]);
}

function byDay(period) {
  const rows = period.hours.map((day) => ({
    label: shortDate(date(period, day)), day: dayName(period, day), shared: sum(day.shared_wh), taken: sum(day.taken_wh), fedIn: sum(day.fed_in_wh),
  }));
  const parts = [
    { name: "bandshared", label: t("shared"), of: (row) => row.shared },
    { name: "bandbeyond", label: t("beyond"), of: (row) => row.fedIn - row.shared },
  ];
  const cell = (wh) => decimals(wh / 1000);
  return [
    el("h2", {}, t("byDay")), barsLegend(parts),
    barsChart({ rows, parts, title: `${t("sharedEnergy")}: ${t("byDay")}`, unit: t("kwhADay") }),
    el("details", {}, el("summary", {}, t("asTable")), table(`${t("byDay")}, kWh`,
      [t("date"), ...["shared", "beyond", "fedIn", "taken"].map((name) => `${t(name)}, kWh`)],
      rows.map((row) => [row.day, cell(row.shared), cell(row.fedIn - row.shared), cell(row.fedIn), cell(row.taken)]), [1, 2, 3, 4])),
  ];
}

function byHour(period) {
  const mean = (name) => period.hours[0][name].map((_, k) => sum(period.hours.map((day) => day[name][k])) / period.hours.length);
  const meanDay = { start: period.hours[0].start, taken_wh: mean("taken_wh"), fed_in_wh: mean("fed_in_wh"), shared_wh: mean("shared_wh") };
  const choice = el("select", { id: "hours" }, el("option", { value: "" }, t("meanDay")),
    ...period.hours.map((day, k) => el("option", { value: String(k) }, dayName(period, day))));
  const place = el("div", {});
  const draw = () => place.replaceChildren(...hours(choice.value === "" ? meanDay : period.hours[Number(choice.value)]));
  choice.onchange = draw;
  draw();
  return [
    el("h2", {}, t("byHour")), el("div", { class: "row" }, el("label", { for: "hours" }, t("day")), choice), place,
    el("p", { class: "row" }, el("a", { class: "button", href: `/v1/shared-energy/${period.period}/hours.csv` }, t("download")),
      el("span", { class: "soft" }, t("localTimes"))),
  ];
}

function hours(day) {
  const start = new Date(day.start), count = day.taken_wh.length, step = HOURS * 36e5 / count;
  const series = [{ name: "taken", label: t("taken"), values: hourly(day.taken_wh) }, { name: "fedin", label: t("fedIn"), values: hourly(day.fed_in_wh) }];
  const bands = [{ name: "bandshared", label: t("shared"), high: hourly(day.shared_wh) }];
  const columns = [day.shared_wh, day.fed_in_wh, day.taken_wh];
  return [
    legend([...bands, ...series]), hoursChart({ start, series, bands }),
    el("details", {}, el("summary", {}, t("asTable")), table(`${t("byHour")}, kWh`,
      [t(count === HOURS ? "hour" : "quarterHour"), ...["shared", "fedIn", "taken"].map((name) => `${t(name)}, kWh`)],
      day.taken_wh.map((_, k) => [time(new Date(start.getTime() + k * step)), ...columns.map((wh) => decimals(wh[k] / 1000))]), [1, 2, 3])),
  ];
}

function byPeriod(periods) {
  return [el("h2", {}, t("settledPeriods")), table(t("settledPeriods"),
    [t("period"), ...["shared", "fedIn", "taken"].map((name) => `${t(name)}, kWh`), t("root")],
    periods.toReversed().map((one) => [el("a", { href: `#/shared/${one.period}` }, named(one)),
      ...[one.shared_wh, one.fed_in_wh, one.taken_wh].map((wh) => whole(wh / 1000)), short(one.root)]), [1, 2, 3])];
}
