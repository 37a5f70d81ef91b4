// A day's surplus hours: forecast load and export of all homes, the hours shaded in which more is fed in than taken.
import { hoursChart, legend } from "./chart.js";
import { el, figures, table } from "./page.js";
import { decimals, kwh, longDate, t, time } from "./words.js";

const at = (day, hour) => new Date(new Date(day.start).getTime() + hour * 36e5);

// Hours that follow each other as one span: "09:00–13:00".
function spans(day) {
  const found = [];
  for (const hour of day.hours) {
    if (found.at(-1)?.end === hour) found.at(-1).end = hour + 1; else found.push({ start: hour, end: hour + 1 });
  }
  return found.map(({ start, end }) => `${time(at(day, start))}–${time(at(day, end))}`).join(", ");
}

export function surplus(day) {
  const series = [
    { name: "taken", label: t("forecastLoad"), values: day.load_wh }, { name: "fedin", label: t("forecastExport"), values: day.export_wh },
  ];
  const shaded = { name: "bandsurplus", label: t("surplusHours"), hours: day.hours };
  const left = (hour) => day.hours.includes(hour) ? decimals((day.export_wh[hour] - day.load_wh[hour]) / 1000) : "–";
  return [
    el("h2", {}, `${t("surplusHours")}: ${longDate(day.date)}`), el("p", { class: "soft" }, t("surplusLead")),
    figures([
      [t("surplusHours"), day.hours.length ? spans(day) : t("noSurplus")],
      [t("bestHours"), day.best_hours.slice(0, 3).sort((a, b) => a - b).map((hour) => time(at(day, hour))).join(", ") || "–"],
      [t("forecastLoad"), kwh(day.load_wh)], [t("forecastExport"), kwh(day.export_wh)],
      [t("homesExporting"), `${day.exporting_homes} / ${day.homes}`],
    ]),
    legend([...series, shaded]), hoursChart({ start: at(day, 0), series, bands: [], shaded }),
    el("details", {}, el("summary", {}, t("asTable")), table(`${t("surplusHours")}, kWh`,
      [t("hour"), `${t("forecastLoad")}, kWh`, `${t("forecastExport")}, kWh`, `${t("surplus")}, kWh`],
      day.load_wh.map((wh, k) => [time(at(day, k)), decimals(wh / 1000), decimals(day.export_wh[k] / 1000), left(k)]), [1, 2, 3])),
  ];
}
