"""The demo community: 17 real single-family homes in Fontana, California, hourly from August 2016 to July 2017.

The data come in the wheel CityLearn 1.8.0 (MIT), phase "all" of the CityLearn challenge 2022. The wheel is fetched by
pip under its pinned hash and only unzipped: the package is never installed or imported. Once cached, no network is
needed.

Time. Rows carry month, hour 1-24 (the hour that ends then) and weekday 1-7 from Monday; no year, no zone. 1 August
is a Monday and February has 28 days: before the challenge of 2022 that last held for 2016/17, so that year is taken.
The local clock is taken as Pacific Standard Time all year round (the file's daylight-saving column is 0 throughout),
so the first row, the last hour of 31 July, starts at 2016-08-01 07:00 UTC.
"""

import hashlib
import logging
import subprocess
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.atomic import write_bytes
from data.errors import FetchError
from data.json_text import loads
from data.table import long_table

log = logging.getLogger(__name__)

VERSION = "1.8.0"
WHEEL = f"CityLearn-{VERSION}-py3-none-any.whl"
WHEEL_SHA256 = "cde0cdf53ace908cba41c237335d91bc1434e54deaf6086047e4cf7589c0067b"
HOMES = 17
ROWS = 8760
DAY_START_UTC = 8
"""Local midnight, Pacific Standard Time."""
FIRST_HOUR = pd.Timestamp("2016-08-01T07:00:00Z")
LOCAL_OFFSET = pd.Timedelta(hours=-8)

_FOLDER = "citylearn/data/citylearn_challenge_2022_phase_all"
_MEASURES = {
    "temperature": "Outdoor Drybulb Temperature [C]",
    "humidity": "Relative Humidity [%]",
    "diffuse_solar": "Diffuse Solar Radiation [W/m2]",
    "direct_solar": "Direct Solar Radiation [W/m2]",
}
_HORIZONS = (6, 12, 24)
_LOAD = "Equipment Electric Power [kWh]"
_SOLAR = "Solar Generation [W/kW]"


@dataclass(frozen=True)
class CommunityData:
    """The homes and their common weather.

    `readings`: the long table (`data.table`), ids `home-01` to `home-17`.
    `weather`: one row for each hour: `ds` (datetime64[ns, UTC]), then float64 `temperature` (°C), `humidity` (%),
    `diffuse_solar`, `direct_solar` (W/m²), and for each of them `<name>_6h`, `_12h`, `_24h`: what was predicted at
    `ds` for 6, 12 and 24 hours later. The data set's predictions are the later observations themselves (perfect
    foresight).
    """

    readings: pd.DataFrame = field(repr=False)
    weather: pd.DataFrame = field(repr=False)


def fetch(cache_dir: Path) -> Path:
    """The cached wheel; downloads it by hash if it is not there. Raises FetchError."""
    wheel = cache_dir / WHEEL
    if not wheel.is_file():
        cache_dir.mkdir(parents=True, exist_ok=True)
        log.info("fetching the demo data set", extra={"package": "CityLearn", "version": VERSION})
        with tempfile.TemporaryDirectory(dir=cache_dir) as folder:
            _download(Path(folder))
            _verify(Path(folder) / WHEEL)
            (Path(folder) / WHEEL).replace(wheel)
    _verify(wheel)
    return wheel


def _download(folder: Path) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"CityLearn=={VERSION} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary=:all:", "--dest", str(folder), "-r", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise FetchError(
            f"pip could not download CityLearn=={VERSION} ({reason}). Check the network, or put {WHEEL} "
            "into the cache folder by hand"
        )


def _verify(wheel: Path) -> None:
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WHEEL_SHA256:
        raise FetchError(f"{wheel} has sha256 {digest}, not the pinned {WHEEL_SHA256}: delete it and fetch it again")


def load(cache_dir: Path) -> CommunityData:
    """The demo community, fetched if necessary. Raises FetchError if the data set is not as expected."""
    known = _parsed(_extract(fetch(cache_dir)).resolve())
    return CommunityData(known.readings.copy(), known.weather.copy())


@lru_cache(maxsize=1)
def _parsed(folder: Path) -> CommunityData:
    """What the files say, which are those of the pinned wheel; read once in a process."""
    ds = pd.date_range(FIRST_HOUR, periods=ROWS, freq="h", unit="ns")
    homes = [_load_home(folder / f"Building_{number}.csv", number, ds) for number in range(1, HOMES + 1)]
    return CommunityData(readings=pd.concat(homes, ignore_index=True), weather=_load_weather(folder, ds))


def load_exchange(cache_dir: Path) -> pd.DataFrame:
    """What each home takes from the grid (`y`) and feeds in (`export`), with the data set's PV behind the meter.

    PV: the generation of 1 kW beside each home's load, times the size in the data set's schema (4 or 5 kW). Load and
    generation are netted within the hour: the data are hourly, so of both registers one stands still. One more
    column, `generation` (int64 Wh), is what the panels made. Raises FetchError if the data set is not the pinned one.
    """
    return load_with_pv(cache_dir).readings


def load_with_pv(cache_dir: Path) -> CommunityData:
    """`load_exchange` beside the common weather."""
    community = load(cache_dir)
    readings = community.readings
    generation = np.concatenate([_generation(cache_dir / "citylearn", number) for number in range(1, HOMES + 1)])
    net = readings["y"].to_numpy() - generation
    table = long_table(
        readings["unique_id"],
        readings["ds"],
        np.maximum(net, 0),
        export=pd.Series(np.maximum(-net, 0), dtype="Int64"),
    )
    return CommunityData(table.assign(generation=generation), community.weather)


def _generation(folder: Path, number: int) -> NDArray[np.int64]:
    """A home's PV, Wh in each hour."""
    content = loads((folder / "schema.json").read_bytes())
    size_kw = float(content["buildings"][f"Building_{number}"]["pv"]["attributes"]["nominal_power"])
    each_kw = pd.read_csv(folder / f"Building_{number}.csv")[_SOLAR]
    if len(each_kw) != ROWS or each_kw.isna().any() or (each_kw < 0).any():
        raise FetchError(f"Building_{number}.csv has missing or negative PV: the data set is not the pinned one")
    generation: NDArray[np.int64] = np.rint(each_kw * size_kw).astype("int64").to_numpy()
    return generation


def _extract(wheel: Path) -> Path:
    """Unzip the data files beside the wheel; those already there with the (verified) wheel's checksum stay."""
    folder = wheel.parent / "citylearn"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for item in archive.infolist():
            path = folder / Path(item.filename).name
            if not item.filename.startswith(f"{_FOLDER}/"):
                continue
            if not path.is_file() or zlib.crc32(path.read_bytes()) != item.CRC:
                write_bytes(path, archive.read(item))
    return folder


def _load_home(path: Path, number: int, ds: pd.DatetimeIndex) -> pd.DataFrame:
    frame = pd.read_csv(path)
    _check_calendar(frame, ds, path)
    load = frame[_LOAD]
    if load.isna().any() or (load < 0).any():
        raise FetchError(f"{path.name} has missing or negative load: the data set is not the pinned one")
    return long_table(f"home-{number:02d}", ds, np.rint(load * 1000).astype("int64"))


def _check_calendar(frame: pd.DataFrame, ds: pd.DatetimeIndex, path: Path) -> None:
    """Month, hour and weekday of every row must be those of the stamp it is given: no hour is missing or double."""
    local = (ds + LOCAL_OFFSET).tz_localize(None)
    expected = {"Month": local.month, "Hour": local.hour + 1, "Day Type": local.day_of_week + 1}
    for column, values in expected.items():
        if len(frame) != len(ds) or not np.array_equal(frame[column].to_numpy(), values.to_numpy()):
            raise FetchError(f"{path.name}: column {column} is not that of {ROWS} hours from {FIRST_HOUR}")


def _load_weather(folder: Path, ds: pd.DatetimeIndex) -> pd.DataFrame:
    frame = pd.read_csv(folder / "weather.csv")
    if len(frame) != len(ds) or frame.isna().any(axis=None):
        raise FetchError("weather.csv does not have a value for every hour: the data set is not the pinned one")
    names = {column: name for name, column in _MEASURES.items()}
    for hours in _HORIZONS:
        names |= {f"{hours}h Prediction {column}": f"{name}_{hours}h" for name, column in _MEASURES.items()}
    weather = frame[list(names)].rename(columns=names).astype("float64")
    weather.insert(0, "ds", ds)
    return weather
