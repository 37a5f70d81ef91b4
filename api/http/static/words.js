// The page's words in each language, and numbers, days and times as people there write them.
const ENGLISH = {
  skip: "Skip to content", pages: "Pages", today: "Forecast", accuracy: "Accuracy", proofs: "Proofs", households: "Household",
  manager: "Manager", signIn: "Sign in", signOut: "Sign out", scheme: "Dark or light", otherLanguage: "Italiano",
  foot: "Every figure here can be checked without this server:", api: "API", problems: "Refusals",
  loading: "Loading…", noDay: "No day has been forecast yet.", noSuchDay: "Nothing was forecast for that day here. The last day there is:",
  noServer: "The server does not answer. Try again in a moment.",
  otherAnswer: "What answers is not this community's server, or its answer was damaged on the way: is a proxy or a network's login page in between?", day: "Day", earlier: "Earlier", later: "Later",
  lead: "The community's load, hour by hour. Every home's part is proven; no home's part is revealed.",
  energy: "Forecast energy", homesIn: "Homes in the total", error: "Error (WAPE)", naiveError: "Error of the same hours the day before",
  measuredEnergy: "Measured", notYet: "not yet", none: "none",
  calibrated: "Forecast (calibrated)", sum: "Sum of proven forecasts", measured: "Measured", naive: "Day before",
  band50: "50 % band", band90: "90 % band", hour: "Hour", hourOf: "Hour of the day, with its values; arrow keys move",
  chart: "Community load in kW", asTable: "The same as a table", download: "Download as CSV", kw: "kW",
  localTimes: "Times are those of this device.",
  notCalibrated: "The forecast is the plain sum: too few past days are known for calibration.",
  who: "Who is in, who is missing", household: "Household", status: "Status", reward: "Reward", claimed: "claimed", notClaimed: "not claimed",
  greenShare: "Green share", greenHours: "Green hours",
  inTotal: "in the total", "not-registered": "missing: no forecast was registered before the deadline",
  "not-in-total": "registered, but its gateway took no part in the sum", registered: "registered",
  live: "Right now", liveOff: "The live connection is interrupted; retrying.", registeredSoFar: "Forecasts registered",
  sumForecast: "Sum of forecasts", sumMeasured: "Sum of readings", round: "Model round", training: "Training",
  phaseOpen: "opened", phaseFailed: "failed", phaseStep: "step %n of %m", noSum: "not started",
  accuracyLead: "Error of each day's forecast as a share of its load (WAPE): lower is better.",
  accuracyNone: "No day's totals are known yet.", computed: "not proven", proven: "proven", average: "Average",
  betterThan: "better than the naive forecast on", days: "days", totals: "Totals", date: "Date",
  proofsLead: "Each proof says: this forecast was produced by the community's model from readings that the home's meter signed. It shows neither.",
  verify: "Verify", verifying: "Verifying…", holds: "The proof holds", fails: "The proof does NOT hold", file: "File",
  verifyOwn: "Verify a file of your own", same: "as registered on the chain", different: "NOT as registered on the chain",
  auditDay: "Audit this day", auditDone: "proofs hold, and all forecasts are as registered", auditBad: "proofs do not hold or could not be checked, or are not as registered",
  offline: "To check without trusting this server or its chain node, run:", what: "What it shows",
  proofClaim: "Skill proof", proofForecast: "Forecast proof", proofGreen: "Green share proof",
  notKept: "The contract took this claim directly: its file is not on this server.", rounds: "Model rounds", digest: "Digest of the committed weights",
  noHousehold: "No household of this community has that address.", noAddress: "That is not an address: 0x and 40 hexadecimal digits.",
  yourHousehold: "Address of a household", show: "Show", record: "Record", noRecord: "There is no record yet: it starts with the first reward.",
  tokens: "Tokens", loss: "loss", daysProven: "Days forecast", claims: "Claims", claimLead: "A claim is made on your gateway (state/claims, state/green). Choose its file; the contract checks the proof.",
  claim: "Claim", claimWallet: "Claim with wallet", claimDone: "The claim was accepted.", noWallet: "No wallet was found in this browser (EIP-1193).",
  own: "Your own forecast and readings never reach this server: open the local page of your gateway (wattproof page HOME).",
  signedIn: "Signed in as", role: "Role", member: "member", "role-manager": "manager", auditor: "auditor", nobody: "visitor",
  mustSignIn: "Sign in with a manager's or auditor's wallet to see this page.", notAllowed: "This wallet is neither a manager's nor an auditor's.",
  members: "Members", home: "Gateway", lastDay: "Last forecast", missed: "Missed of the last 7", alerts: "Alerts", noAlerts: "Nothing needs attention.",
  exports: "Exports", exportTotals: "Totals of all days (CSV)", exportMembers: "Members (CSV)",
  "alert-missed": "has missed %n of the last 7 days", "alert-never": "has never registered a forecast", "alert-sum-failed": "the %k sum of %d failed: %r",
  "alert-no-total": "%d is over and has no total", "alert-no-measured": "%d has no measured total yet",
  "alert-model-drift": "since %d the forecasts have lost ground to the naive one: train the model again",
  "alert-retraining": "the model is being trained again, up to round %n: since %d the forecasts have lost ground to the naive one",
  "alert-retrained": "the model was trained again, up to round %n: since %d its forecasts had lost ground to the naive one",
  "kind-forecast": "forecast", "kind-measured": "measured", "kind-shared": "shared energy", "kind-export": "forecast export",
  ruleTitle: "What is paid, and when",
  rule1: "A claim proves how much error the forecast avoided: its own error against that of the same hours of each of the days 7 to 13 days before and of their mean, the best of them. It counts in steps of 100 Wh, rounded down, and each step takes 2 kWh of use.",
  rule2: "A day's claims can be made for 14 days. Then the day's rate is fixed for everybody, and each claim is paid in tokens. A forecast that avoided nothing is paid nothing.",
  rule3: "A green share proves what percentage of the day's load, weighed by how green each hour was, lay in the green hours. It is paid for what lies above the percentage of a load that is the same in every hour, once the day's claim for the forecast was taken.",
  rule4: "Anybody can challenge a forecast until a week after its day. One for which no proof is brought within three days is void and is not paid.",
  rule5: "The record notes paid and green days. A streak is a run of paid days; it ends with a day that is missing.",
  "trait-level": "Level", "trait-days": "Paid days", "trait-streak": "Streak, days", "trait-best streak": "Longest streak, days",
  "trait-error avoided (100 Wh)": "Error avoided", "trait-green days": "Green days", "trait-best day (100 Wh avoided)": "Best day",
  sharedEnergy: "Shared energy", tokensPaid: "Paid in tokens", sharedNone: "No period has been settled here yet.", damagedPeriod: "The file of %n cannot be used.", period: "Period", shared: "Shared",
  sharedLeadQuarters: "In each quarter of an hour, the smaller of what all homes fed into the grid and what all took from it; drawn by hour. Totals alone are shown: each home's own share is on its gateway.",
  quarterHour: "Quarter of an hour",
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
  loading: "Caricamento…", noDay: "Nessun giorno è stato ancora previsto.", noSuchDay: "Per quel giorno qui non c'è nessuna previsione. L'ultimo giorno che c'è:",
  noServer: "Il server non risponde. Riprova tra un momento.",
  otherAnswer: "Chi risponde non è il server di questa comunità, o la risposta si è guastata lungo la via: c'è di mezzo un proxy, o la pagina d'accesso di una rete?", day: "Giorno", earlier: "Precedente", later: "Successivo",
  lead: "Il carico della comunità, ora per ora. La parte di ogni casa è dimostrata; nessuna è mostrata.",
  energy: "Energia prevista", homesIn: "Case nel totale", error: "Errore (WAPE)", naiveError: "Errore delle stesse ore del giorno prima",
  measuredEnergy: "Misurata", notYet: "non ancora", none: "nessuna",
  calibrated: "Previsione (calibrata)", sum: "Somma delle previsioni dimostrate", measured: "Misurato", naive: "Giorno prima",
  band50: "Banda 50 %", band90: "Banda 90 %", hour: "Ora", hourOf: "Ora del giorno, con i suoi valori; si cambia con le frecce",
  chart: "Carico della comunità in kW", asTable: "Gli stessi valori in tabella", download: "Scarica in CSV", kw: "kW",
  localTimes: "Gli orari sono quelli di questo dispositivo.",
  notCalibrated: "La previsione è la semplice somma: i giorni noti sono troppo pochi per calibrarla.",
  who: "Chi c'è e chi manca", household: "Famiglia", status: "Stato", reward: "Premio", claimed: "richiesto", notClaimed: "non richiesto",
  greenShare: "Quota verde", greenHours: "Ore verdi",
  inTotal: "nel totale", "not-registered": "manca: nessuna previsione registrata entro il termine",
  "not-in-total": "registrata, ma il suo gateway non ha partecipato alla somma", registered: "registrata",
  live: "In questo momento", liveOff: "Il collegamento in diretta è interrotto; si riprova.", registeredSoFar: "Previsioni registrate",
  sumForecast: "Somma delle previsioni", sumMeasured: "Somma delle misure", round: "Round del modello", training: "Addestramento",
  phaseOpen: "resa nota", phaseFailed: "fallita", phaseStep: "passo %n di %m", noSum: "non iniziata",
  accuracyLead: "Errore della previsione di ogni giorno in rapporto al carico (WAPE): più basso è, meglio è.",
  accuracyNone: "I totali di nessun giorno sono ancora noti.", computed: "non dimostrato", proven: "dimostrato", average: "Media",
  betterThan: "meglio della previsione ingenua in", days: "giorni", totals: "Totali", date: "Data",
  proofsLead: "Ogni prova dice: questa previsione è stata prodotta dal modello della comunità a partire da letture firmate dal contatore. Non mostra né l'una né le altre.",
  verify: "Verifica", verifying: "Verifica in corso…", holds: "La prova è valida", fails: "La prova NON è valida", file: "File",
  verifyOwn: "Verifica un tuo file", same: "come registrata sulla blockchain", different: "NON come registrata sulla blockchain",
  auditDay: "Controlla questo giorno", auditDone: "prove valide, e tutte le previsioni come registrate", auditBad: "prove non valide o non verificabili, o diverse da quelle registrate",
  offline: "Per non fidarti né di questo server né del suo nodo, esegui:", what: "Che cosa mostra",
  proofClaim: "Prova di accuratezza", proofForecast: "Prova della previsione", proofGreen: "Prova della quota verde",
  notKept: "Il contratto ha accolto questa richiesta direttamente: il file non è su questo server.", rounds: "Round del modello", digest: "Digest dei pesi",
  noHousehold: "Nessuna famiglia di questa comunità ha quell'indirizzo.", noAddress: "Non è un indirizzo: 0x e 40 cifre esadecimali.",
  yourHousehold: "Indirizzo di una famiglia", show: "Mostra", record: "Storico", noRecord: "Non c'è ancora uno storico: inizia con il primo premio.",
  tokens: "Token", loss: "errore", daysProven: "Giorni previsti", claims: "Richieste", claimLead: "La richiesta nasce sul tuo gateway (state/claims, state/green). Scegli il file; il contratto verifica la prova.",
  claim: "Richiedi", claimWallet: "Richiedi col wallet", claimDone: "La richiesta è stata accolta.", noWallet: "Nessun wallet trovato in questo browser (EIP-1193).",
  own: "La tua previsione e le tue letture non arrivano mai a questo server: apri la pagina locale del tuo gateway (wattproof page HOME).",
  signedIn: "Accesso come", role: "Ruolo", member: "membro", "role-manager": "gestore", auditor: "revisore", nobody: "visitatore",
  mustSignIn: "Accedi con il wallet di un gestore o di un revisore per vedere questa pagina.", notAllowed: "Questo wallet non è di un gestore né di un revisore.",
  members: "Membri", home: "Gateway", lastDay: "Ultima previsione", missed: "Saltati degli ultimi 7", alerts: "Avvisi", noAlerts: "Nulla richiede attenzione.",
  exports: "Esportazioni", exportTotals: "Totali di tutti i giorni (CSV)", exportMembers: "Membri (CSV)",
  "alert-missed": "ha saltato %n degli ultimi 7 giorni", "alert-never": "non ha mai registrato una previsione", "alert-sum-failed": "la somma %k del %d è fallita: %r",
  "alert-no-total": "il %d è finito e non ha un totale", "alert-no-measured": "il %d non ha ancora un totale misurato",
  "alert-model-drift": "dal %d le previsioni perdono terreno rispetto a quella ingenua: riaddestrare il modello",
  "alert-retraining": "il modello viene riaddestrato, fino al round %n: dal %d le previsioni perdono terreno rispetto a quella ingenua",
  "alert-retrained": "il modello è stato riaddestrato, fino al round %n: dal %d le sue previsioni perdevano terreno rispetto a quella ingenua",
  "kind-forecast": "delle previsioni", "kind-measured": "delle misure", "kind-shared": "dell'energia condivisa", "kind-export": "dell'immissione prevista",
  ruleTitle: "Che cosa viene pagato, e quando",
  rule1: "Una richiesta dimostra quanto errore la previsione ha evitato: il suo errore rispetto a quello delle stesse ore di ognuno dei giorni da 7 a 13 giorni prima e della loro media, il migliore di tutti. Conta a passi di 100 Wh, arrotondati per difetto, e ogni passo richiede 2 kWh di consumo.",
  rule2: "Le richieste di un giorno si possono fare per 14 giorni. Poi la tariffa del giorno è fissata per tutti e ogni richiesta è pagata in token. Una previsione che non ha evitato errore non è pagata.",
  rule3: "Una quota verde dimostra quale percentuale del carico del giorno, pesata per quanto ogni ora era verde, cadeva nelle ore verdi. È pagata per quanto supera la percentuale di un carico uguale in ogni ora, dopo che la richiesta per la previsione del giorno è stata accolta.",
  rule4: "Chiunque può contestare una previsione fino a una settimana dopo il suo giorno. Quella per cui nessuno porta una prova entro tre giorni è nulla e non è pagata.",
  rule5: "Lo storico annota i giorni pagati e quelli verdi. Una serie è una fila di giorni pagati; finisce con un giorno che manca.",
  "trait-level": "Livello", "trait-days": "Giorni pagati", "trait-streak": "Serie, giorni", "trait-best streak": "Serie più lunga, giorni",
  "trait-error avoided (100 Wh)": "Errore evitato", "trait-green days": "Giorni verdi", "trait-best day (100 Wh avoided)": "Giorno migliore",
  sharedEnergy: "Energia condivisa", tokensPaid: "Pagato in token", sharedNone: "Qui non è ancora stato ripartito nessun periodo.", damagedPeriod: "Il file di %n non si può usare.", period: "Periodo", shared: "Condivisa",
  sharedLeadQuarters: "In ogni quarto d'ora, il minore tra quanto tutte le case hanno immesso in rete e quanto ne hanno prelevato; il grafico è per ora. Si vedono solo i totali: la quota di ogni casa è sul suo gateway.",
  quarterHour: "Quarto d'ora",
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
  Object.entries(values).reduce((text, [name, value]) => text.replace("%" + name, () => value), LANGUAGES[language][key] ?? key);
export const words = LANGUAGES;

// The device's own variant of the language (24 hours in Britain), where it is of the language that was chosen.
const locale = () => navigator.languages.find((name) => name.startsWith(language)) ?? language;
const format = (options) => (value) => new Intl.NumberFormat(locale(), options).format(value);
export const decimals = format({ minimumFractionDigits: 1, maximumFractionDigits: 1 });
export const whole = format({ maximumFractionDigits: 0 });
export const percent = format({ style: "percent", maximumFractionDigits: 1 });
export const tick = format({ maximumFractionDigits: 3 });
export function kwh(values) {  // of a community in whole kWh, of a home to a tenth
  const sum = values.reduce((a, b) => a + b, 0) / 1000;
  return `${sum < 100 ? decimals(sum) : whole(sum)} kWh`;
}
export const time = (moment) => new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" }).format(moment);
export const hourOf = (moment) => new Intl.DateTimeFormat(locale(), { hour: "numeric" }).format(moment);

// Dates, as text (2017-05-30) or in days since 1970-01-01; no device's time zone moves them.
const calendar = (options) => (date) =>
  new Intl.DateTimeFormat(locale(), { ...options, timeZone: "UTC" }).format(typeof date === "string" ? Date.parse(date) : date * 864e5);
const DATE = { day: "numeric", month: "short", year: "numeric" };
export const longDate = calendar({ weekday: "short", ...DATE });
export const plainDate = calendar(DATE);
export const shortDate = calendar({ day: "numeric", month: "short" });

// A community day is called by the date of its middle, since one that starts at 23:00 UTC is tomorrow's.
let dayStart = 0;
export function setDayStart(hour) { dayStart = hour; }
const dateOf = (day) => (dayStart < 12 ? day : day + 1);
export const longDateOfDay = (day) => longDate(dateOf(day));
export const dateOfDay = (day) => plainDate(dateOf(day));
export const shortDateOfDay = (day) => shortDate(dateOf(day));
