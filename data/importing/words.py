"""Names of columns in a dozen languages: what a column holds, its unit, and which way its energy flows."""

import re
import unicodedata
from typing import Literal

Unit = Literal["kwh", "wh", "mwh", "kw", "w"]
Flow = Literal["import", "export"]
UNITS: tuple[Unit, ...] = ("kwh", "wh", "mwh", "kw", "w")
POWER = frozenset({"kw", "w"})

_UNIT = re.compile(r"(?<![a-z0-9])(kwh|mwh|wh|kw|w|watts?)(?![a-z0-9])")
_EXPORT = re.compile(
    r"export|return|inject|injec|injekt|inyec|einspeis|feed.?in|fed.?in|teruglever|excedent|vertid|immess|immiss|surplus|"
    r"to.?grid|\b2[._]8[._]|sold\b|retour|excess|outgoing|autoconsumo.*verti|production sent|netzeinspeisung|\bb1\b"
)
_IMPORT = re.compile(
    r"import|from.?grid|afname|bezug|\b1[._]8[._]|soutir|prelev|withdr|incoming|grid.?consum|levering|leveret|delivered"
)
_CONSUMED = re.compile(
    r"consum|usage|\bused\b|verbrauch|verbruik|conso\b|tarbimine|forbruk|forbrug|forbruk|kulutus|\bload\b|demand|"
    r"energ|electric|elektri|\bstrom\b|stroom|volume|valeur|valor|\bwert\b|\bvalue|reading|register|\bstate\b|\bsum\b|"
    r"stand\b|zahler|power|leistung|puissance|potenza|potencia|valore"
)
_OTHER = re.compile(
    r"cost|price|prijs|preis|prix|precio|prezzo|\beur|€|£|\$|\(p\)|kosten|charge|\bvat\b|\bgas|water|wasser|m3|m³|volt|"
    r"spannung|tension|amp|intensit|reactive|reactif|reattiva|kvar|blind|apparent|\bva\b|temp|humid|factor|faktor|"
    r"\bid\b|serial|number|nummer|\bno\b|point|quality|status|flag|co2|carbon|max\b|peak demand|\bean\b|"
    r"produc|generat|solar|\bpv\b|erzeug|photovolt|yield|prodott|min\b|self|autocons|eigenverbrauch|battery|batterie"
)
_REGISTER = re.compile(
    r"register|meter reading|zahlerstand|meterstand|stand\b|index\b|lectura|cumul|total_increasing|\b[12][._]8[._]"
)
_START = re.compile(r"start|begin|debut|\bfrom\b|\bvon\b|\bvan\b|\bab\b|inicio|inizio|\bdal?\b|\balkaen\b")
_END = re.compile(r"\bend|_end|\bto\b|\bbis\b|\bfin\b|\btot\b|\bfine\b|\bhasta\b|ende?\b|\balle?\b|until|hour ending")
_TIME = re.compile(
    r"time|date|datum|data\b|fecha|hora\b|heure|hour|ora\b|stunde|uhr|zeit|jour|tag\b|dag\b|day|giorno|dia\b|stamp|"
    r"tijd|klok|periode|periood|start|begin|debut|\bvon\b|\bvan\b|\bfrom\b|\bbis\b|\bend|moment"
)
_TARIFF = re.compile(
    r"\(.*?\)|\b(tariff?|rate|phase|t ?\d|f ?\d|p ?\d|l ?\d|h[cp][hb]?|peak|off.?peak|day|night|dag|dal|nacht|low|"
    r"normal|high|laag|hoog|ht|nt|punta|llano|valle|\d)\b"
)


def plain(name: str) -> str:
    """A name in lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", name.strip().lower())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def unit_in(text: str) -> Unit | None:
    """The unit that a name or a cell tells."""
    match = _UNIT.search(plain(text).replace("_", " ").replace("/hh", " "))
    found = match[1] if match else None
    if found in ("watt", "watts"):
        return "w"
    return next((unit for unit in UNITS if unit == found), None)


def flow_of(name: str) -> Flow | None:
    """Which way the energy of a column flows; None if the name does not tell that it is energy of this meter."""
    text = plain(name).replace("_", " ") if not re.search(r"\d[._]\d", name) else plain(name)
    if _EXPORT.search(text):
        return "export"
    if _IMPORT.search(text):
        return "import"
    if _OTHER.search(text):
        return None
    return "import" if unit_in(name) or _CONSUMED.search(text) else None


def says_import(name: str) -> bool:
    """Whether a name tells the grid from the home: imported energy, not all that is consumed."""
    return bool(_IMPORT.search(plain(name)))


def says_register(name: str) -> bool:
    """Whether a name is that of a counter which only grows."""
    return bool(_REGISTER.search(plain(name)))


def says_power(name: str) -> bool:
    return bool(re.search(r"power|leistung|puissance|potenza|potencia|watt", plain(name)))


def says_time(name: str) -> bool:
    """Whether a name is that of times, and no energy's."""
    text = plain(name).replace("_", " ")
    return bool(_TIME.search(text)) and unit_in(name) is None and not _CONSUMED.search(text)


def says_start(name: str) -> bool:
    return bool(_START.search(plain(name).replace("_", " ")))


def says_end(name: str) -> bool:
    return bool(_END.search(plain(name).replace("_", " ")))


def without_tariff(name: str) -> str:
    """A name without what tells one tariff from another."""
    return " ".join(_TARIFF.sub(" ", plain(name).replace("_", " ")).split())


def flow_of_label(label: str) -> Flow | None:
    """Which way the energy of a row flows that is labelled so: a register's name, an OBIS code."""
    match = re.search(r"\b([12])[.](?:8|29)[.]", label)
    if match:
        return "import" if match[1] == "1" else "export"
    return flow_of(label)
