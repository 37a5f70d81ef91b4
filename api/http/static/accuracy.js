// How good the forecasts were, day by day, beside the naive one.
import { daysChart, legend } from "./chart.js";
import { ask, el, figures, table } from "./page.js";
import { dateOfDay, percent, shortDateOfDay, t, whole } from "./words.js";

const mean = (values) => values.length ? values.reduce((a, b) => a + b, 0) / values.length : null;

export async function show() {
  const days = (await ask("/v1/accuracy")).slice(-366);
  const head = [el("h1", {}, t("accuracy")), el("p", { class: "soft" }, t("accuracyLead"))];
  if (!days.length) return { content: [...head, el("p", {}, t("accuracyNone"))] };
  const best = (day) => day.calibrated ?? day.forecast_sum;
  const both = days.filter((day) => day.naive !== null && day.calibrated !== null);
  const lines = [
    { name: "calibrated", label: t("calibrated"), of: (day) => day.calibrated },
    { name: "naive", label: t("naive"), of: (day) => day.naive },
  ];
  const shown = (value) => value === null ? "–" : percent(value);
  return { content: [
    ...head,
    figures([
      [`${t("average")}: ${t("calibrated")}`, shown(mean(both.map(best)))],
      [`${t("average")}: ${t("naive")}`, shown(mean(both.map((day) => day.naive)))],
      [t("proven"), `${whole(days.filter((day) => day.proven).length)} / ${whole(days.length)} ${t("days")}`],
      [t("betterThan"), `${whole(both.filter((day) => best(day) < day.naive).length)} / ${whole(both.length)} ${t("days")}`],
    ]),
    legend(lines),
    daysChart({ rows: days.map((day) => ({ ...day, label: shortDateOfDay(day.day) })), lines, title: t("accuracyLead") }),
    el("details", {}, el("summary", {}, t("asTable")), table(t("accuracy"),
      [t("date"), t("totals"), t("calibrated"), t("sum"), t("naive")],
      days.toReversed().map((day) => [dateOfDay(day.day), day.proven ? t("proven") : t("computed"), shown(day.calibrated),
        shown(day.forecast_sum), shown(day.naive)]), [2, 3, 4])),
  ] };
}
