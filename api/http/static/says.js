// What a bundle proves, in the reader's language. English is the server's own (api.protocol.bundle.explain).
import { dateOfDay, language, whole } from "./words.js";

const BUCKET_WH = 100, ENERGY_PER_BUCKET_WH = 2000;
const bound = ({ context }) => `È legata alla comunità con identificativo ${context.community}.`;
const ITALIAN = {
  claim: (b) => [
    `La previsione su cui la famiglia ${b.context.household} si è impegnata per il ${dateOfDay(b.context.day)} ha avuto, nelle sue 24 ore, almeno `
      + `${whole(b.buckets * BUCKET_WH)} Wh di errore assoluto in meno delle stesse ore di ognuno dei sette giorni da 7 a 13 giorni prima e della loro media; `
      + `e la famiglia ha consumato almeno ${whole(b.buckets * ENERGY_PER_BUCKET_WH)} Wh.`,
    bound(b), `Tutti gli otto giorni di letture sono firmati dal contatore ${b.meter}. La previsione è nell'impegno ${b.forecast}.`,
    "Non si vedono né le letture né la previsione. Il registro sulla blockchain dice se la previsione è stata registrata in tempo e qual è il contatore della famiglia.",
  ],
  green: (b) => [
    `Almeno il ${b.tier} per cento del carico della famiglia ${b.context.household} il ${dateOfDay(b.context.day)} era verde; le 24 ore del giorno pesano ${b.weights.join(", ")} su 255.`,
    bound(b), `Le letture del giorno sono firmate dal contatore ${b.meter}, tutte le 24 ore misurate.`,
    "Le letture non si vedono. Il contratto delle quote verdi ha i pesi, registrati prima dell'inizio del giorno.",
  ],
  inference: (b) => [
    `La famiglia ${b.context.household} ha usato il modello della comunità del round ${b.context.round} per il ${dateOfDay(b.context.day)}.`,
    bound(b), `L'ingresso sono sette giorni di letture, in impegni firmati dal contatore ${b.meter}; il risultato è nell'impegno ${b.forecast}.`,
    "Non si vedono né le letture né la previsione. Il digest del modello va confrontato con il registro dei modelli; impegno, contatore e personalizzazione con il registro delle previsioni, sulla blockchain.",
  ],
};

// text: the bundle's bytes; english: what the server says of it.
export function says(text, english) {
  if (language === "en") return english;
  const bundle = JSON.parse(text);
  return ITALIAN[bundle.format.split("/")[1]]?.(bundle) ?? english;
}
