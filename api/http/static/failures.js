// Why a sum among gateways failed, in Italian. English is the server's own (api.operator.running_sum, fl.secagg).
const ITALIAN = [
  [/(\d+) gateways are left, (\d+) must be\./g, "restano $1 gateway e ne servono $2."],
  [/a class has (\d+) gateways in the sum, and its total takes (\d+)/g, "una classe ha $1 gateway nella somma, e il suo totale ne richiede $2"],
  [/(\S+) is left out: /g, "$1 è escluso: "],
  [/(\S+) could not open its envelope, and it did not show what was in it/g, "$1 non ha potuto aprire la sua busta, e il mittente non ha mostrato che cosa conteneva"],
  [/its envelope to (\S+) was forged/g, "la sua busta per $1 era falsa"],
  [/it complained of an envelope from (\S+) in which nothing is wrong/g, "ha contestato una busta di $1 che è in regola"],
  [/(\d+) shares of a secret of (\S+) came back, (\d+) are needed/g, "sono tornate $1 parti di un segreto di $2, e ne servono $3"],
  [/the shares that (\S+) sealed restore something else than its (?:seed|mask key)/g, "le parti sigillate da $1 non ricompongono il suo segreto"],
  [/the masked vector of (\S+) is malformed: .*/g, "il vettore mascherato di $1 è malformato"],
  [/the masked vector of (\S+) has (\d+) entries, not (\d+)/g, "il vettore mascherato di $1 ha $2 voci, e non $3"],
  [/the total is not the sum of the committed forecasts/g, "il totale non è la somma delle previsioni su cui ci si è impegnati"],
  [/the measured total is not the sum of the commitments to day (\d+)/g, "il totale misurato non è la somma degli impegni per il giorno $1"],
  [/the measured total is not one of (\d+) meters: below zero, or too large/g, "il totale misurato non può essere di $1 contatori: è sotto zero, o troppo grande"],
  [/the total is beyond (\d+) watt-hours, more than homes can sum up to/g, "il totale supera $1 wattora, più di quanto delle case possano sommare"],
  [/the total's blinding is not in its one form, from 0 to below the group order/g, "il fattore cieco del totale non è nella sua unica forma"],
  [/another total of day (\d+) was opened meanwhile/g, "nel frattempo è stato reso noto un altro totale del giorno $1"],
];

export const inItalian = (reason) => ITALIAN.reduce((text, [english, italian]) => text.replace(english, italian), reason);
