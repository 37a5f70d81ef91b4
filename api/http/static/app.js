// The page: which view is shown, in which language and colours, and who is signed in.
import { ask, el, part, reasonOf, tell } from "./page.js";
import { language, otherLanguage, setDayStart, setLanguage, t, words } from "./words.js";

const VIEWS = { "": "day", accuracy: "accuracy", shared: "shared", proofs: "proofs", household: "household", manager: "manager" };
const NAMES = { "": "today", accuracy: "accuracy", shared: "sharedEnergy", proofs: "proofs", household: "households", manager: "manager" };
const main = document.getElementById("main");
let leave = null;
let turn = 0;  // of the view that was asked for last: what answers later than a view asked for after it is not shown
const known = ask("/v1/community").then((community) => {
  document.getElementById("community").textContent = community.name;
  setDayStart(community.day_start_utc);
}).catch(() => {});  // the view says what is wrong

function keep(name, value) { try { localStorage.setItem(name, value); } catch { /* private window: for this visit only */ } }
function kept(name) { try { return localStorage.getItem(name); } catch { return null; } }

function place() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  return name in VIEWS ? [name, rest] : ["", []];
}

async function show() {
  const [name, rest] = place(), mine = ++turn;
  leave?.(); leave = null;
  document.documentElement.lang = language;
  document.title = `${t(NAMES[name])} · Wattproof`;
  document.getElementById("skip").textContent = t("skip");
  document.getElementById("pages").setAttribute("aria-label", t("pages"));
  document.getElementById("pages").replaceChildren(...Object.keys(VIEWS).map((key) =>
    el("a", { href: `#/${key}`, "aria-current": key === name ? "page" : null }, t(NAMES[key]))));
  const other = document.getElementById("language");
  other.textContent = otherLanguage().toUpperCase();
  other.setAttribute("aria-label", t("otherLanguage") + " (" + otherLanguage().toUpperCase() + ")");
  document.getElementById("scheme").setAttribute("aria-label", t("scheme"));
  document.getElementById("foot").replaceChildren(t("foot") + " ", el("code", {}, "wattproof audit DAY"), ". ",
    el("a", { href: "/docs" }, t("api")), " · ", el("a", { href: "/problems" }, t("problems")));
  main.replaceChildren(el("p", { class: "soft" }, t("loading")));
  try {
    const [view] = await Promise.all([part(VIEWS[name]), known]);
    const shown = await view.show(rest, show);
    if (mine !== turn) { shown.leave?.(); return; }
    leave = shown.leave ?? null;
    main.replaceChildren(...shown.content);
  } catch (error) {
    if (mine !== turn) return;
    main.replaceChildren(el("h1", {}, t(NAMES[name])), el("p", { class: "bad", role: "alert" }, reasonOf(error)));
  }
}

function applyScheme() {
  const chosen = kept("scheme");
  if (chosen) document.documentElement.dataset.scheme = chosen; else delete document.documentElement.dataset.scheme;
}

document.getElementById("language").onclick = () => { setLanguage(otherLanguage()); signed(); show(); };
document.getElementById("scheme").onclick = () => {
  const isDark = (kept("scheme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  keep("scheme", isDark ? "light" : "dark");
  applyScheme();
};
document.getElementById("skip").onclick = (event) => { event.preventDefault(); main.focus(); };

// -- sign-in ---------------------------------------------------------------------------------------------------------
let who = null;
function signed() {
  const button = document.getElementById("sign");
  button.textContent = who ? t("signOut") : t("signIn");
  button.title = who ? `${t("signedIn")} ${who.address}` : "";
}
document.getElementById("sign").onclick = async () => {
  try {
    const { signIn, signOut } = await part("wallet");
    who = who ? await signOut() : await signIn();
    tell(who ? `${t("signedIn")} ${who.address}` : "");
    signed();
    await show();
  } catch (error) { tell(reasonOf(error)); }
};

applyScheme();
if (kept("signed-in")) {
  try { who = await ask("/v1/session"); } catch { who = null; keep("signed-in", ""); }
}
signed();
window.addEventListener("hashchange", async () => { await show(); main.focus({ preventScroll: true }); });
window.wattproofWords = Object.keys(words.en).filter((key) => !(key in words.it));
await show();
