// What a manager looks at each morning: alerts, members, rounds, tables to take away. For managers and auditors.
import { ask, askAll, el, part, short, table } from "./page.js";
import { dateOfDay, language, t } from "./words.js";

export async function show() {
  const who = await ask("/v1/session").catch((error) => { if (error.status === 401) return null; throw error; });
  const head = [el("h1", {}, t("manager"))];
  if (!who) return { content: [...head, el("p", {}, t("mustSignIn"))] };
  const role = { manager: t("role-manager"), auditor: t("auditor"), member: t("member") }[who.role] ?? t("nobody");
  head.push(el("p", { class: "soft" }, `${t("signedIn")} `, el("code", {}, who.address), ` · ${t("role")}: ${role}`));
  if (who.role !== "manager" && who.role !== "auditor") return { content: [...head, el("p", { class: "bad" }, t("notAllowed"))] };
  const [members, alerts, rounds, periods] = await Promise.all([ask("/v1/manage/members"), ask("/v1/manage/alerts"), askAll("/v1/rounds"),
    askAll("/v1/shared-energy")]);
  const why = language === "it" && alerts.some((one) => one.reason) ? (await part("failures")).inItalian : (reason) => reason;
  return { content: [...head,
    el("h2", {}, t("alerts")), alerts.length
      ? el("ul", { id: "alerts" }, ...alerts.map((one) => el("li", { class: "bad" }, one.household ? short(one.household) : null, " ",
        t(`alert-${one.code}`, { n: one.count ?? "", d: one.day == null ? "" : dateOfDay(one.day), k: one.kind ? t(`kind-${one.kind}`) : "", r: why(one.reason ?? "") }))))
      : el("p", { class: "good" }, t("noAlerts")),
    el("h2", {}, t("members")), table(t("members"), [t("home"), t("household"), t("lastDay"), t("missed")], members.map((one) => [
      one.home ?? "–", el("a", { href: `#/household/${one.household}` }, short(one.household)),
      one.last_day === null ? t("none") : dateOfDay(one.last_day), String(one.missed_of_last_7)]), [3]),
    el("h2", {}, t("rounds")), table(t("rounds"), [t("round"), t("digest")], rounds.map((r) => [String(r.number), el("code", {}, r.digest)])),
    el("h2", {}, t("exports")), el("p", { class: "row" },
      el("a", { class: "button", href: "/v1/days/totals.csv" }, t("exportTotals")),
      el("a", { class: "button", href: "/v1/manage/members.csv" }, t("exportMembers")),
      ...periods.slice(-12).map(({ period }) => el("a", { class: "button", href: `/v1/manage/shared-energy/${period}/settlement.json` },
        `${t("settlementFile")} (${period})`))),
  ] };
}
