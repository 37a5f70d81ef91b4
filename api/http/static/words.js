// The page's words in each language, and numbers, days and times as people there write them.
const ENGLISH = {
  skip: "Skip to content", pages: "Pages", today: "Forecast", accuracy: "Accuracy", proofs: "Proofs", households: "Household",
  manager: "Manager", signIn: "Sign in", signOut: "Sign out", scheme: "Dark or light", otherLanguage: "Italiano",
  foot: "Every figure here can be checked without this server:", api: "API", problems: "Refusals",
  loading: "Loading…", noDay: "No day has been forecast yet.", day: "Day", earlier: "Earlier", later: "Later",
  lead: "The community's load, hour by hour. Every home's part is proven; no home's part is revealed.",
  energy: "Forecast energy", homesIn: "Homes in the total", error: "Error (WAPE)", naiveError: "Same hours the day before",
  measuredEnergy: "Measured", notYet: "not yet", none: "none",
  calibrated: "Forecast (calibrated)", sum: "Sum of proven forecasts", measured: "Measured", naive: "Day before",
  band50: "50 % band", band90: "90 % band", hour: "Hour", hourOf: "Hour of the day, with its values; arrow keys move",
  chart: "Community load in kW", asTable: "The same as a table", download: "Download as CSV", kw: "kW",
  localTimes: "Times are those of this device.",
  notCalibrated: "The forecast is the plain sum: too few past days are known for calibration.",
  who: "Who is in, who is missing", household: "Household", status: "Status", reward: "Reward", claimed: "claimed", open: "open",
  greenShare: "Green share", greenHours: "Green hours",
  inTotal: "in the total", "not-registered": "missing: no forecast was registered before the deadline",
  "not-in-total": "registered, but its gateway took no part in the sum", registered: "registered",
  live: "Right now", liveOff: "The live connection is interrupted; retrying.", registeredSoFar: "Forecasts registered",
  sumForecast: "Sum of forecasts", sumMeasured: "Sum of readings", round: "Model round", training: "Training",
  phaseOpen: "open", phaseFailed: "failed", noSum: "not started",
  accuracyLead: "Error of each day's forecast as a share of its load (WAPE): lower is better.",
  accuracyNone: "No day's totals are known yet.", computed: "not proven", proven: "proven", average: "Average",
  betterThan: "better than the naive forecast on", days: "days", totals: "Totals", date: "Date",
  proofsLead: "Each proof says: this forecast was produced by the community's model from readings that the home's meter signed. It shows neither.",
  verify: "Verify", verifying: "Verifying…", holds: "The proof holds", fails: "The proof does NOT hold", file: "File",
  verifyOwn: "Verify a file of your own", registry: "Registry", same: "as registered on the chain", different: "NOT as registered on the chain",
  auditDay: "Audit this day", auditDone: "proofs hold and are as registered", auditBad: "proofs do not hold or are not as registered",
  offline: "To check without trusting this server or its chain node, run:", what: "What it shows",
  proofClaim: "Skill proof", proofForecast: "Forecast proof", rounds: "Model rounds", digest: "Digest of the committed weights",
  yourHousehold: "Address of a household", show: "Show", record: "Record", noRecord: "There is no record yet: it starts with the first reward.",
  tokens: "Tokens", loss: "loss", daysProven: "Days forecast", claims: "Claims", claimLead: "A claim is made on your gateway (state/claims, state/green). Choose its file; the contract checks the proof.",
  claim: "Claim", claimWallet: "Claim with wallet", claimDone: "The claim was accepted.", noWallet: "No wallet was found in this browser (EIP-1193).",
  own: "Your own forecast and readings never reach this server: open the local page of your gateway (wattproof page HOME).",
  signedIn: "Signed in as", role: "Role", member: "member", "role-manager": "manager", auditor: "auditor", nobody: "visitor",
  mustSignIn: "Sign in with a manager's or auditor's wallet to see this page.", notAllowed: "This wallet is neither a manager's nor an auditor's.",
  members: "Members", home: "Gateway", lastDay: "Last forecast", missed: "Missed of the last 7", alerts: "Alerts", noAlerts: "Nothing needs attention.",
  exports: "Exports", exportTotals: "Totals of all days (CSV)", exportMembers: "Members (CSV)", exportDay: "A day's forecasts (CSV)",
  "alert-missed": "has missed %n of the last 7 days", "alert-never": "has never registered a forecast", "alert-sum-failed": "the %k sum of day %d failed: %r",
  "alert-no-total": "day %d is over and has no total", "alert-no-measured": "day %d has no measured total yet",
  "alert-model-drift": "since day %d the forecasts have lost ground to the naive one: train the model again",
  "alert-retraining": "the model is being trained again, up to round %n: since day %d the forecasts have lost ground to the naive one",
  "alert-retrained": "the model was trained again, up to round %n: since day %d its forecasts had lost ground to the naive one",
  published: "Published", refused: "Refused",
  sharedEnergy: "Shared energy", tokensPaid: "Paid in tokens", sharedNone: "No period has been settled here yet.", period: "Period", shared: "Shared",
  sharedLead: "In each hour, the smaller of what all homes fed into the grid and what all took from it. Totals alone are shown: each home's own share is on its gateway.",
  taken: "Taken by all", fedIn: "Fed in by all", beyond: "Exported beyond the community", covered: "Part of what was taken",
  byDay: "Each day", kwhADay: "kWh a day", byHour: "Each hour", meanDay: "Mean day of the period", remainder: "Remainder, Wh",
  settledPeriods: "Settled periods", root: "Root of all shares", settlementFile: "Settlement to audit", key: "Key", late: "not proved yet", auditShared: "To check a period with its file, every share of it:",
  surplusHours: "Surplus hours", bestHours: "Best hours", surplus: "Surplus", forecastLoad: "Forecast load", forecastExport: "Forecast export",
  surplusLead: "Hours in which all homes together are forecast to feed in more than they take: the best ones for whatever uses much. Both lines are sums of proven forecasts.",
  noSurplus: "none that day", homesExporting: "Homes that feed in", auditSurplus: "To check these hours with their file, every proof of it:",
  "key-pro_rata": "in proportion", "key-priority": "by priority", "key-static": "fixed parts", "key-equal": "equal parts",
};
const ITALIAN = {
  skip: "Vai al contenuto", pages: "Pagine", today: "Previsione", accuracy: "Accuratezza", proofs: "Prove", households: "Famiglia",
  manager: "Gestione", signIn: "Accedi", signOut: "Esci", scheme: "Chiaro o scuro", otherLanguage: "English",
  foot: "Ogni cifra di questa pagina si può verificare senza questo server:", api: "API", problems: "Rifiuti",
  loading: "Caricamento…", noDay: "Nessun giorno è stato ancora previsto.", day: "Giorno", earlier: "Precedente", later: "Successivo",
  lead: "Il carico della comunità, ora per ora. La parte di ogni casa è dimostrata; nessuna è mostrata.",
  energy: "Energia prevista", homesIn: "Case nel totale", error: "Errore (WAPE)", naiveError: "Stesse ore del giorno prima",
  measuredEnergy: "Misurata", notYet: "non ancora", none: "nessuna",
  calibrated: "Previsione (calibrata)", sum: "Somma delle previsioni dimostrate", measured: "Misurato", naive: "Giorno prima",
  band50: "Banda 50 %", band90: "Banda 90 %", hour: "Ora", hourOf: "Ora del giorno, con i suoi valori; si cambia con le frecce",
  chart: "Carico della comunità in kW", asTable: "Gli stessi valori in tabella", download: "Scarica in CSV", kw: "kW",
  localTimes: "Gli orari sono quelli di questo dispositivo.",
  notCalibrated: "La previsione è la semplice somma: i giorni noti sono troppo pochi per calibrarla.",
  who: "Chi c'è e chi manca", household: "Famiglia", status: "Stato", reward: "Premio", claimed: "richiesto", open: "aperto",
  greenShare: "Quota verde", greenHours: "Ore verdi",
  inTotal: "nel totale", "not-registered": "manca: nessuna previsione registrata entro il termine",
  "not-in-total": "registrata, ma il suo gateway non ha partecipato alla somma", registered: "registrata",
  live: "In questo momento", liveOff: "Il collegamento in diretta è interrotto; si riprova.", registeredSoFar: "Previsioni registrate",
  sumForecast: "Somma delle previsioni", sumMeasured: "Somma delle misure", round: "Round del modello", training: "Addestramento",
  phaseOpen: "aperta", phaseFailed: "fallita", noSum: "non iniziata",
  accuracyLead: "Errore della previsione di ogni giorno in rapporto al carico (WAPE): più basso è, meglio è.",
  accuracyNone: "I totali di nessun giorno sono ancora noti.", computed: "non dimostrato", proven: "dimostrato", average: "Media",
  betterThan: "meglio della previsione ingenua in", days: "giorni", totals: "Totali", date: "Data",
  proofsLead: "Ogni prova dice: questa previsione è stata prodotta dal modello della comunità a partire da letture firmate dal contatore. Non mostra né l'una né le altre.",
  verify: "Verifica", verifying: "Verifica in corso…", holds: "La prova è valida", fails: "La prova NON è valida", file: "File",
  verifyOwn: "Verifica un tuo file", registry: "Registro", same: "come registrata sulla blockchain", different: "NON come registrata sulla blockchain",
  auditDay: "Controlla questo giorno", auditDone: "prove valide e come registrate", auditBad: "prove non valide o diverse da quelle registrate",
  offline: "Per non fidarti né di questo server né del suo nodo, esegui:", what: "Che cosa mostra",
  proofClaim: "Prova di accuratezza", proofForecast: "Prova della previsione", rounds: "Round del modello", digest: "Digest dei pesi",
  yourHousehold: "Indirizzo di una famiglia", show: "Mostra", record: "Storico", noRecord: "Non c'è ancora uno storico: inizia con il primo premio.",
  tokens: "Token", loss: "errore", daysProven: "Giorni previsti", claims: "Richieste", claimLead: "La richiesta nasce sul tuo gateway (state/claims, state/green). Scegli il file; il contratto verifica la prova.",
  claim: "Richiedi", claimWallet: "Richiedi col wallet", claimDone: "La richiesta è stata accolta.", noWallet: "Nessun wallet trovato in questo browser (EIP-1193).",
  own: "La tua previsione e le tue letture non arrivano mai a questo server: apri la pagina locale del tuo gateway (wattproof page HOME).",
  signedIn: "Accesso come", role: "Ruolo", member: "membro", "role-manager": "gestore", auditor: "revisore", nobody: "visitatore",
  mustSignIn: "Accedi con il wallet di un gestore o di un revisore per vedere questa pagina.", notAllowed: "Questo wallet non è di un gestore né di un revisore.",
  members: "Membri", home: "Gateway", lastDay: "Ultima previsione", missed: "Saltati degli ultimi 7", alerts: "Avvisi", noAlerts: "Nulla richiede attenzione.",
  exports: "Esportazioni", exportTotals: "Totali di tutti i giorni (CSV)", exportMembers: "Membri (CSV)", exportDay: "Previsioni di un giorno (CSV)",
  "alert-missed": "ha saltato %n degli ultimi 7 giorni", "alert-never": "non ha mai registrato una previsione", "alert-sum-failed": "la somma %k del giorno %d è fallita: %r",
  "alert-no-total": "il giorno %d è finito e non ha un totale", "alert-no-measured": "il giorno %d non ha ancora un totale misurato",
  "alert-model-drift": "dal giorno %d le previsioni perdono terreno rispetto a quella ingenua: riaddestrare il modello",
  "alert-retraining": "il modello viene riaddestrato, fino al round %n: dal giorno %d le previsioni perdono terreno rispetto a quella ingenua",
  "alert-retrained": "il modello è stato riaddestrato, fino al round %n: dal giorno %d le sue previsioni perdevano terreno rispetto a quella ingenua",
  published: "Pubblicato", refused: "Rifiutato",
  sharedEnergy: "Energia condivisa", tokensPaid: "Pagato in token", sharedNone: "Qui non è ancora stato ripartito nessun periodo.", period: "Periodo", shared: "Condivisa",
  sharedLead: "In ogni ora, il minore tra quanto tutte le case hanno immesso in rete e quanto ne hanno prelevato. Si vedono solo i totali: la quota di ogni casa è sul suo gateway.",
  taken: "Prelevata da tutti", fedIn: "Immessa da tutti", beyond: "Ceduta fuori dalla comunità", covered: "Parte di quella prelevata",
  byDay: "Ogni giorno", kwhADay: "kWh al giorno", byHour: "Ogni ora", meanDay: "Giorno medio del periodo", remainder: "Resto, Wh",
  settledPeriods: "Periodi ripartiti", root: "Radice delle quote", settlementFile: "Ripartizione da verificare", key: "Criterio", late: "non ancora dimostrate", auditShared: "Per verificare un periodo dal suo file, con ogni quota:",
  surplusHours: "Ore di eccedenza", bestHours: "Ore migliori", surplus: "Eccedenza", forecastLoad: "Carico previsto", forecastExport: "Immissione prevista",
  surplusLead: "Ore in cui si prevede che tutte le case insieme immettano più di quanto prelevano: le migliori per ciò che consuma molto. Entrambe le linee sono somme di previsioni dimostrate.",
  noSurplus: "nessuna quel giorno", homesExporting: "Case che immettono", auditSurplus: "Per verificare queste ore dal loro file, con ogni prova:",
  "key-pro_rata": "in proporzione", "key-priority": "per priorità", "key-static": "parti fisse", "key-equal": "parti uguali",
};
const LANGUAGES = { en: ENGLISH, it: ITALIAN };
const kept = () => { try { return localStorage.getItem("language"); } catch { return null; } };
export let language = LANGUAGES[kept()] ? kept() : navigator.language.startsWith("it") ? "it" : "en";
export const otherLanguage = () => (language === "en" ? "it" : "en");
export function setLanguage(name) { language = name; try { localStorage.setItem("language", name); } catch { /* private window */ } }
export const t = (key, values = {}) =>
  Object.entries(values).reduce((text, [name, value]) => text.replace("%" + name, value), LANGUAGES[language][key] ?? key);
export const words = LANGUAGES;

// The device's own variant of the language (24 hours in Britain), where it is of the language that was chosen.
const locale = () => navigator.languages.find((name) => name.startsWith(language)) ?? language;
const format = (options) => (value) => new Intl.NumberFormat(locale(), options).format(value);
export const decimals = format({ minimumFractionDigits: 1, maximumFractionDigits: 1 });
export const whole = format({ maximumFractionDigits: 0 });
export const percent = format({ style: "percent", maximumFractionDigits: 1 });
export const kwh = (values) => whole(values.reduce((a, b) => a + b, 0) / 1000) + " kWh";
export const time = (moment) => new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" }).format(moment);
export const hourOf = (moment) => new Intl.DateTimeFormat(locale(), { hour: "numeric" }).format(moment);
export const dateOf = (moment) => new Intl.DateTimeFormat(locale(), { weekday: "short", day: "numeric", month: "short", year: "numeric" }).format(moment);
export const shortDateOfDay = (day) => new Intl.DateTimeFormat(locale(), { day: "numeric", month: "short", timeZone: "UTC" }).format(day * 864e5);
export const dateOfDay = (day) => new Intl.DateTimeFormat(locale(), { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" }).format(day * 864e5);
