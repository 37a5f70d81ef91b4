"""A day's surplus hours as a file: both sums and every proof behind them, in JSON of one form."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from api.protocol.bundle import InferenceBundle, from_content
from api.protocol.surplus import ForecastSum, SurplusDay, SurplusError
from data.json_text import loads
from zkp.algebra.commitment import FORECAST_VALUES
from zkp.errors import ProofError
from zkp.statements.total import MAX_TOTAL_WH, Total

FORMAT: Literal["wattproof/surplus/1"] = "wattproof/surplus/1"
_Wh = Annotated[int, Field(ge=-MAX_TOTAL_WH, le=MAX_TOTAL_WH)]
_Blinding = Annotated[str, StringConstraints(pattern="^0x[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _SumPart(_Part):
    values_wh: list[_Wh] = Field(min_length=FORECAST_VALUES, max_length=FORECAST_VALUES)
    blinding: _Blinding
    forecasts: list[dict[str, Any]] = Field(min_length=1)


class SurplusFile(_Part):
    """`hours` follow from the sums, and are refused where they do not."""

    format: Literal["wattproof/surplus/1"] = FORMAT
    community: str = Field(min_length=1, max_length=100)
    day: int = Field(ge=0, lt=1 << 32)
    hours: list[int]
    load: _SumPart
    export: _SumPart


def written(surplus: SurplusDay) -> bytes:
    """The file's content."""
    parts = (_part(surplus.load), _part(surplus.export))
    file = SurplusFile(
        community=surplus.community, day=surplus.day, hours=list(surplus.hours), load=parts[0], export=parts[1]
    )
    return file.model_dump_json(indent=1).encode()


def _part(of: ForecastSum) -> _SumPart:
    return _SumPart(
        values_wh=list(of.total.values), blinding=f"0x{of.total.blinding:064x}",
        forecasts=[bundle.model_dump() for bundle in of.bundles],
    )  # fmt: skip


def read(data: bytes) -> SurplusDay:
    """What `written` wrote, unchecked but for its form. Raises SurplusError."""
    try:
        file = SurplusFile.model_validate(loads(data))
        found = SurplusDay(file.community, file.day, _sum(file.load), _sum(file.export))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "(the whole)"
        raise SurplusError(f"the file's {where} is wrong: {problem['msg']}") from None
    except ProofError as problem:
        raise SurplusError(f"one of its proofs cannot be read: {problem}") from None
    except ValueError:
        raise SurplusError("it is no JSON of a day's surplus hours") from None
    if list(found.hours) != file.hours:
        raise SurplusError("its surplus hours do not follow from its sums")
    return found


def _sum(part: _SumPart) -> ForecastSum:
    bundles = []
    for content in part.forecasts:
        bundle = from_content(content)
        if not isinstance(bundle, InferenceBundle):
            raise SurplusError("a claim stands among its forecasts")
        bundles.append(bundle)
    return ForecastSum(tuple(bundles), Total(tuple(part.values_wh), int(part.blinding, 16)))
