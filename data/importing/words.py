"""Names of columns in a dozen languages: what a column holds, its unit, and which way its energy flows."""

import re
import unicodedata
from typing import Literal

Unit = Literal["kwh", "wh", "mwh", "kw", "w"]
Flow = Literal["import", "export"]
UNITS: tuple[Unit, ...] = ("kwh", "wh", "mwh", "kw", "w")
POWER = frozenset({"kw", "w"})

_UNIT = re.compile(r"(?<![a-z0-9])(kwh|mwh|wh|kw|w)s?(?![a-z0-9])")
_WRITTEN_OUT = (
    (re.compile(r"watt[ -]?(?:heures?|hours?|hrs?|stunden?|uur|timm?er?|timm?ar|ora|hora)\b"), "wh"),
    (re.compile(r"vatios?[ -]hora"), "wh"),
    (re.compile(r"\bkilo[ -]?(?=wh?\b|watt)|\bk(?=watts?\b)"), "k"),
    (re.compile(r"\bmega[ -]?(?=wh?\b|watt)"), "m"),
    (re.compile(r"watts?\b"), "w"),
)
_PRODUCED = (
    r"produc|produk|produz|produs|generat|generad|generac|erzeug|opwek|tuotan|prodott|termel|vyrob|wytw|"
    r"solar|\bpv\b|photovolt"
)
_NO_PRODUCTION = re.compile(r"produ[ck]t(?!i)|radiation|irradi|strahlung|\b(?:number|code|price|quality|status)\b")
"""A product that is sold, the sun itself, and what else is told of production."""
_MEASURED = "(?:5|7|8|9|25|27|29)"  # of an OBIS code: registers, means, energies of intervals
_EXPORT = re.compile(
    r"export|return|inject|injec|injekt|inyec|ein(?:ge)?speis|feed.?in|fed.?in|teruglever|excedent|vertid|"
    rf"immess|immiss|surplus|to.?grid|\b2[._]{_MEASURED}[._]|\b28[0-4]\b|sold\b|retour|excess|outgoing|autoconsumo.*verti|"
    r"production sent|\bb1\b|inmat|innmat|oddan|dodavk|\bas k?wh\b|"
    r"teruggelever|\bsald\b|betapl|vorku antud|negative (?:wirk|activ|aktiv)|(?:^|[\s(\[])(?:-[ap]|[ap]-)(?!\w)"
)
_IMPORT = re.compile(
    rf"import|offtake|from.?grid|\bgrid to\b|afname|bezug|bezogen|\b1[._]{_MEASURED}[._]|\b18[0-4]\b|soutir|prelev|"
    r"withdr|incoming|grid.?consum|levering|leveret|delivered|uttag|uttak|\bpobor|pobran|\bodber|\bae k?wh\b|"
    r"afgenomen|purchas|positive (?:wirk|activ|aktiv)|(?:^|[\s(\[])(?:\+[ap]|[ap]\+)(?!\w)"
)
_BESIDE_IMPORT = re.compile(r"receiv|lieferung")
"""Of energy that a column beside tells to be imported: exported. By itself, it is what a supplier delivers."""
_CONSUMED = re.compile(
    r"consum|usage|\bused\b|verbrauch|verbruik|conso\b|tarbimine|forbruk|forbrug|kulutus|fogyaszt|\bload\b|demand|"
    r"energ|electric|elektri|\bstrom\b|stroom|volum|mængde|maengde|maara\b|\bmenge\b|quantity|measured|metered|"
    r"lastgang|messwert|profilwert|valeur|valor|\bwert\b|\bvalue|reading|register|\bstate\b|\bsum\b|stand\b|zahler|power|leistung|puissance|potenza|potencia|valore"
)
_OTHER = re.compile(
    r"cost|price|prijs|preis|prix|precio|prezzo|\beur|€|£|\$|\(p\)|kosten|charge|\bvat\b|\bgas|water|wasser|m3|"
    r"m³|volt|spannung|tension|amp|intensit|reactive|reactif|reattiva|kvar|blind|apparent|\bva\b|temp|humid|"
    r"factor|faktor|\bid\b|serial|number|nummer|\bno\b|point|quality|status|flag|co2|carbon|max\b|peak demand|"
    rf"\bean\b|{_PRODUCED}|yield|min\b|self|autocons|eigenverbrauch|battery|batterie|"
    rf"\b[3-9][._]{_MEASURED}[._]"
)
_NO_KWH = re.compile(
    r"cost|price|prijs|preis|prix|precio|prezzo|kosten|\beur\b|€|£|\$|/ ?k?wh\b|\b(?:per|pro|par) kwh|\bgas\b|m3\b|"
    r"m³|reactiv|reattiv|reactief|blind|kvar|\b[kmg]?j\b|joule|\bbtu\b|[(\[] ?\d[\d.,]* ?[km]?wh|"
    r"warme(?:menge|energie|zahler)|fernwarme|district heat|heat (?:energy|quantity|meter)|thermal|chaleur|"
    r"fjernvarme|stadsverwarming|teleriscald|kaukolamp|ciep[lł]o|rest.?netz.?bezug|rest.?bezug|rest.?uberschuss|"
    r"eigendeckung|gemeinschaft|divert|forecast|predict|prognos|previsi"
)
"""Whatever else a name says: another quantity, a unit that is none of ours, what an energy community leaves over."""
_OTHER_ROWS = re.compile(
    r"\b(?:natural |natur|erd)?gas\b|water(?! ?heat)|wasser|heat(?!.?pump|er)|warme(?!pumpe)|reactiv|reattiv|"
    r"reactief|blind|k?varh?\b|solar|\bpv\b|photovolt|produc|produk|generat|erzeug|inverter|wechselrichter|onduleur|"
    r"self|batter|temperat"
)
_OTHER_UNITS = frozenset(
    {
        "m3",
        "m³",
        "nm3",
        "nm³",
        "ccf",
        "ft3",
        "therm",
        "therms",
        "kvarh",
        "varh",
        "kvar",
        "kvah",
        "mj",
        "gj",
        "btu",
        "mmbtu",
    }
)
_REGISTER = re.compile(
    r"register|meter reading|reading (?:start|end)|(?:start|end) reading|"
    r"zahlerstand|meterstand|stand\b|index\b|lectura|cumul|accum|total_increasing|"
    r"\b[12][._]8[._]|\b[12]8[0-4]\b"
)
_START = re.compile(r"start|begin|debut|\bfrom\b|\bvon\b|\bvan\b|\bab\b|inicio|inizio|\bdal?\b|\balkaen\b")
_END = re.compile(r"\bend|_end|\bto\b|\bbis\b|\bfin\b|\btot\b|\bfine\b|\bhasta\b|ende?\b|\balle?\b|until|hour ending")
_TIME = re.compile(
    r"time|date|datum|data\b|fecha|hora\b|heure|hour|ora\b|stunde|uhr|zeit|jour|tag\b|dag\b|day|giorno|dia\b|stamp|"
    r"tijd|klok|periode|periood|start|begin|debut|\bvon\b|\bvan\b|\bfrom\b|\bbis\b|\bend|moment"
)
_TARIFF = re.compile(
    r"\b((?:tari\w*|rate|phase|fascia|strefa|tier) ?\d?|t ?\d|f ?\d|p ?\d|l ?\d|h[cp][hb]?|"
    r"(?:off|mid|on|super).?peak|peak|shoulder|"
    r"day|night|dag|dal|nacht|low|normaa?l|high|laag|hoog|ht|nt|hochtarif|niedertarif|punta|llano|valle|"
    r"heures (?:pleines|creuses)|[12][._](?:8|29)[._]\d|[12]8[1-4])\b"
)
_BRACKETS, _NUMBER = re.compile(r"\(.*?\)"), re.compile(r"\b\d\b")
_METER = re.compile(
    r"\bmeter\b|zahler\b|contatore|compteur|contador|\bteller\b|\bmpan\b|\bpod\b|\bmittari|\bmatare|"
    r"ap+art[ae]ment|wohnung|woning|logement|vivienda|house|\bhome\b|building|\bflat\b|channel|kanal"
)
"""What stands for one of several meters where a number follows."""
_TOTAL = re.compile(
    r"\b(?:total\w?|totaal|gesamt|summe|sum|somme|suma|summa|i alt|razem|celkem|[12]80)\b|\b[12][._](?:8|29)[._]0\b"
)
_MISSING = re.compile(
    r"fehl(?:t|end|wert)|ausfall|missing|no data|not available|sem dados|sin dato|ausente|mancant|assente|"
    r"manquant|absent|ontbre|puuttu|mangler|saknas|brak danych"
)
_STATUS = re.compile(r"status|state\b|qualit|kvalitet|laatu|estado|stato|etat|valid|flag|\btype\b|nature")
_NO_ENERGY = re.compile(r"\b(?:value|reading|valeur|valor|valore|wert|state|mean|load|demand|lastgang|messwert)s?\b")
_UNIT_IN_BRACKETS = re.compile(r"\(\s*[km]?wh?\s*\)")
_UNIT_TOLD = re.compile(
    r"(?:\b(?:units?|unite|unita|unidad|eenheid|enhet|enhed|jednostka)|einheit)\s*[:=]?\s*(\S+)$|\b(?:in|en)\s+(\S+)$"
)
_WHICH = re.compile(
    r"regist|richtung|retning|direction|\btype\b|obis|kanal|channel|flow|entity|statistic|metri[ck]|messart|"
    r"measured ?by|commodity|energieart|tipo energia|fuel"
)
_CAMEL = re.compile(r"(?<=[a-z]{2})(?=[A-Z])")


def plain(name: str) -> str:
    """A name in lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", name.strip().lower())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _parted(name: str) -> str:
    """A name in plain words: consumptionKWh and consumption_kwh are two."""
    return plain(_CAMEL.sub(" ", name)).replace("_", " ")


def unit_in(text: str) -> Unit | None:
    """The unit that a name or a cell tells, also where it is written out (kilowatt-hours)."""
    text = re.sub(r"wh/h\b", "w", _parted(text)).replace("/hh", " ")
    for written, short in _WRITTEN_OUT:
        text = written.sub(short, text)
    match = _UNIT.search(text)
    return next((unit for unit in UNITS if match and unit == match[1]), None)


def unit_told(text: str) -> Unit | None:
    """The unit that a note tells: Units: kWh, or Verbrauch in kWh."""
    match = _UNIT_TOLD.search(plain(text))
    return unit_in(match[1] or match[2]) if match else None


def flow_of(name: str) -> Flow | None:
    """Which way the energy of a column flows; None if the name does not tell that it is energy of this meter."""
    text = _parted(name) if not re.search(r"\d[._]\d", name) else plain(name)
    if _NO_KWH.search(text):
        return None
    if _EXPORT.search(text):
        return "export"
    if _IMPORT.search(text):
        return "import"
    if _OTHER.search(text):
        return None
    return "import" if unit_in(name) or _CONSUMED.search(text) else None


def says_production(name: str) -> bool:
    """Whether a name is that of energy which was made, without telling whether it was fed in."""
    text = _parted(name)
    if unit_in(name) in POWER or any(words.search(text) for words in (_NO_KWH, _EXPORT, _NO_PRODUCTION)):
        return False
    return bool(re.search(_PRODUCED, text))


def says_import(name: str) -> bool:
    """Whether a name tells the grid from the home: imported energy, not all that is consumed."""
    return bool(_IMPORT.search(_parted(name)))


def says_register(name: str) -> bool:
    """Whether a name is that of a counter which only grows."""
    return bool(_REGISTER.search(plain(name)) or _REGISTER.search(_parted(name)))


def says_total(name: str) -> bool:
    """Whether a name tells that a column is the sum of others, such as those of its tariffs."""
    return bool(_TOTAL.search(plain(name).replace("_", " ")))


def says_power(name: str) -> bool:
    return bool(re.search(r"power|leistung|puissance|potenza|potencia|\bmoc\b|watt", plain(name)))


def says_export_beside_import(name: str) -> bool:
    """Whether a name is that of exported energy if a column beside it is that of imported energy."""
    return bool(_BESIDE_IMPORT.search(_parted(name))) and flow_of(name) is not None


def is_other_unit(cell: str) -> bool:
    """Whether a cell is a unit of another quantity than active energy or power: m3, kvarh."""
    return plain(cell).strip("()[]") in _OTHER_UNITS


def says_nothing(name: str) -> bool:
    """Whether a name could be one of energy or of power: value, load."""
    text = _parted(name)
    return bool(_NO_ENERGY.search(text)) and not re.search(
        r"energ|consum|usage|verbrauch|verbruik|meter|register", text
    )


def says_which(name: str) -> bool:
    """Whether a name is that of a column which tells what is measured in each row: a register, a direction."""
    return bool(_WHICH.search(_parted(name)))


def says_status(name: str) -> bool:
    """Whether a name is that of a column which tells how readings were obtained."""
    return bool(_STATUS.search(_parted(name)))


def says_missing(cell: str) -> bool:
    """Whether a status tells that nothing was measured."""
    return bool(_MISSING.search(plain(cell)))


def says_time(name: str) -> bool:
    """Whether a name is that of times, and no energy's."""
    text = plain(name).replace("_", " ")
    return bool(_TIME.search(text)) and unit_in(name) is None and not _CONSUMED.search(text)


def says_utc(name: str) -> bool:
    """Whether a name is that of times in UTC, without an offset from it."""
    return bool(re.search(r"(?:utc|gmt)(?!\s?[+-]\s?\d)", plain(name)))


def says_community(name: str) -> bool:
    """Whether a name is that of energy which an energy community shares."""
    return bool(re.search(r"gemeinschaft|communit|comunid|comunit|partage|gedeeld|shared|collecti", plain(name)))


def says_start(name: str) -> bool:
    return bool(_START.search(plain(name).replace("_", " ")))


def says_end(name: str) -> bool:
    return bool(_END.search(plain(name).replace("_", " ")))


def without_tariff(name: str) -> str:
    """A name without what tells one tariff from another, or from their sum.

    A number alone does beside a tariff, in the name of a register or of what the grid delivers; not in a meter's.
    """
    whole = plain(name).replace("_", " ")
    text = _TARIFF.sub(" ", _TOTAL.sub(" ", _UNIT_IN_BRACKETS.sub(" ", whole)))
    if not _METER.search(whole):
        text = _BRACKETS.sub(" ", text)
        if any(words.search(whole) for words in (_TARIFF, _IMPORT, _EXPORT, _REGISTER)):
            text = _NUMBER.sub(" ", text)
    return " ".join(text.split())


def says_no_tariff(name: str) -> bool:
    """Whether a name tells neither a tariff nor a sum."""
    bare = _UNIT_IN_BRACKETS.sub(" ", plain(name).replace("_", " "))
    return without_tariff(name) == " ".join(bare.split())


def says_other_rows(label: str) -> bool:
    """Whether a row that is labelled so holds no energy from the grid or to it: gas, reactive energy, generation."""
    return flow_of_label(label) is None and bool(_OTHER_ROWS.search(_parted(label)))


def flow_of_label(label: str) -> Flow | None:
    """Which way the energy of a row flows that is labelled so: a register's name, an OBIS code."""
    match = re.search(rf"\b([12])[.]{_MEASURED}[.]", label)
    if match:
        return "import" if match[1] == "1" else "export"
    return flow_of(label)
