"""Who exports files, and what their files do not say themselves.

A preset is taken by itself where the names of the columns are those of that exporter alone, or named with `--preset`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from data.importing.words import Unit, plain


@dataclass(frozen=True)
class Preset:
    """`names`: columns (as in `words.plain`) that the file must have. `stamp`: what a single time names. `unit`: of
    values that name none. `is_register`: whether values are a register's readings. `zone`: where the times are, for
    advice only. `is_certain`: whether no other exporter has these names. `value`: the column of the energy, where
    several could be it; `export`: that of exported energy. `delay_s`: a register is read so many seconds after the
    time of its row. `exported`: labels of rows with exported energy. `not_electricity`: what such a file has
    instead."""

    exporter: str
    names: tuple[str, ...]
    stamp: Literal["start", "end"] | None = None
    unit: Unit | None = None
    is_register: bool = False
    zone: str | None = None
    is_certain: bool = True
    value: str | None = None
    export: str | None = None
    delay_s: int = 0
    exported: tuple[str, ...] = ()
    not_electricity: str | None = None


PRESETS: dict[str, Preset] = {
    "agl": Preset(
        "AGL", ("startdate", "enddate", "profilereadvalue", "registerreadvalue"), stamp="start", unit="kwh",
        value="profilereadvalue",
    ),
    "datadis": Preset("Datadis", ("fecha", "hora", "consumo_kwh"), stamp="end", zone="Europe/Madrid"),
    "dsmr-reader": Preset("DSMR-reader", ("hour start", "electricity 1 returned"), stamp="start", unit="kwh"),
    "e-distribuzione": Preset("e-distribuzione", ("giorno",), unit="kwh", zone="Europe/Rome", is_certain=False),
    "e-redes": Preset("E-REDES", ("data", "hora"), stamp="end", unit="kw", zone="Europe/Lisbon", is_certain=False),
    "e-redes-load": Preset(
        "E-REDES (load curve)", ("data", "hora", "consumo registado (kw)"), stamp="end", zone="Europe/Lisbon"
    ),
    "elering": Preset("Elering", ("periood",), stamp="start", zone="Europe/Tallinn"),
    "enedis": Preset("Enedis (load curve)", ("horodate", "valeur"), stamp="end", zone="Europe/Paris"),
    "enedis-2025": Preset("Enedis (from 2025)", ("debut", "fin"), stamp="start", zone="Europe/Paris"),
    "enphase": Preset("Enphase", ("date/time", "energy consumed (wh)"), stamp="start"),
    "fluvius": Preset("Fluvius", ("van datum", "van tijdstip", "register", "volume"), zone="Europe/Brussels"),
    "green-button": Preset("Green Button", ("type", "date", "start time", "end time"), stamp="start"),
    "home-assistant": Preset(
        "Home Assistant (history)", ("entity_id", "state", "last_changed"), stamp="start", is_register=True
    ),
    "home-assistant-statistics": Preset(
        "Home Assistant (long-term statistics)", ("statistic_id", "start", "sum"), is_register=True, value="sum",
        delay_s=3600,
    ),
    "homewizard": Preset("HomeWizard", ("time", "import t1 kwh", "import t2 kwh"), is_register=True),
    "i-de": Preset(
        "i-DE", ("fecha-hora", "consumo wh", "generacion wh"), zone="Europe/Madrid", export="generacion wh"
    ),
    "london": Preset("Low Carbon London", ("lclid", "datetime"), stamp="start", zone="Europe/London"),
    "octopus": Preset("Octopus", ("consumption (kwh)", "start", "end"), stamp="start"),
    "octopus-api": Preset("Octopus (API)", ("consumption", "interval_start", "interval_end"), unit="kwh"),
    "powercor": Preset(
        "AusNet, Powercor and others in Victoria", ("nmi", "con/gen", "date"), unit="kwh", exported=("generation",)
    ),
    "sdge": Preset(
        "SDG&E", ("start time", "duration", "consumption", "generation", "net"), stamp="start", unit="kwh",
        export="generation",
    ),
    "slimmemeterportal": Preset(
        "SlimmeMeterPortal", ("datum_tijd", "levering_normaal", "levering_laag"), stamp="end", unit="kwh",
        zone="Europe/Amsterdam",
    ),
    "slimmemeterportal-gas": Preset(
        "SlimmeMeterPortal", ("datum_tijd", "levering", "buitentemperatuur"), not_electricity="gas in m³",
    ),
    "smgw": Preset("a German smart-meter gateway", ("zahlerstand", "obis", "zeitpunkt"), is_register=True),
    "tibber": Preset("Tibber", ("from", "to", "consumption"), stamp="start", unit="kwh"),
}  # fmt: skip
OTHER_KINDS = {
    "nem12": "NEM12 files are recognised by themselves",
    "p1": "logs of P1 telegrams are recognised by themselves",
    "green-button-xml": "Green Button XML is recognised by itself",
}


def recognised(names: Sequence[str]) -> Preset | None:
    """The preset whose columns are all there, the one with the most of them."""
    have = {plain(name) for name in names}
    fitting = [
        preset
        for preset in PRESETS.values()
        if preset.is_certain and (have == set(preset.names) if preset.not_electricity else have >= set(preset.names))
    ]
    return max(fitting, key=lambda preset: len(preset.names), default=None)
