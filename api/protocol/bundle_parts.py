"""What a bundle is made of: who and when, days as the meter signed them, the committed model. Parsed strictly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Annotated, Any, Self, TypeVar

from eth_utils.address import is_checksum_address, to_checksum_address
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from data.meter import (
    ALL_MEASURED,
    COMMITMENT_BYTES,
    SIGNATURE_BYTES,
    SignedDay,
    verify_day_with_filled,
    verify_signed_day,
)
from data.quantity import Quantity
from zkp.errors import InvalidStatement
from zkp.lstm.integer_model import Shape
from zkp.lstm.weights import WeightsCommitment
from zkp.statements.context import COMMUNITY_BYTES, HOUSEHOLD_BYTES, Context


def _canonical_hex(text: str) -> str:
    if not text.startswith("0x") or text != "0x" + bytes.fromhex(text[2:]).hex():
        raise ValueError("not lower-case hexadecimal with a 0x prefix")
    return text


def _bytes(length: int) -> AfterValidator:
    def check(text: str) -> str:
        if len(text) != 2 + 2 * length:
            raise ValueError(f"not {length} bytes")
        return text

    return AfterValidator(check)


def _checksummed(text: str) -> str:
    if not is_checksum_address(text):
        raise ValueError("not a checksummed address")
    return text


_T = TypeVar("_T")
ListOf = Annotated[list[_T], FailFast()]  # the first element that is wrong is enough to know
Hex = Annotated[str, AfterValidator(_canonical_hex)]
Point = Annotated[Hex, _bytes(COMMITMENT_BYTES)]
Address = Annotated[str, AfterValidator(_checksummed)]
Number = Annotated[int, Field(ge=0, lt=1 << 32)]


def to_hex(data: bytes) -> str:
    return "0x" + data.hex()


def from_hex(text: str) -> bytes:
    return bytes.fromhex(text[2:])


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ContextPart(Part):
    """Who and when."""

    community: Annotated[Hex, _bytes(COMMUNITY_BYTES)]
    household: Annotated[Hex, _bytes(HOUSEHOLD_BYTES)]
    day: Number
    round: Number

    @classmethod
    def of(cls, context: Context) -> ContextPart:
        return cls(
            community=to_hex(context.community), household=to_hex(context.household), day=context.day,
            round=context.round,
        )  # fmt: skip

    def parsed(self) -> Context:
        return Context(from_hex(self.community), from_hex(self.household), self.day, self.round)


class SignedDayPart(Part):
    """A day as the meter signed it, every hour of it measured. `meter`: absent where it is the bundle's."""

    day: Number
    commitment: Point
    signature: Annotated[Hex, _bytes(SIGNATURE_BYTES)]
    meter: Address | None = None

    @model_serializer(mode="wrap")
    def _without_absent(self, serialised: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A day of one meter, all of it measured, is written as in releases that knew no others."""
        return {name: value for name, value in serialised(self).items() if value is not None}

    @classmethod
    def of(cls, signed: SignedDay) -> SignedDayPart:
        return cls(day=signed.day, commitment=to_hex(signed.commitment), signature=to_hex(signed.signature))

    def by(self, meter: str, of_bundle: str) -> Self:
        """The same, signed by this meter, in a bundle of that meter's."""
        return self if meter == of_bundle else self.model_copy(update={"meter": meter})

    def checked(self, household: bytes, meter: str, quantity: Quantity = "load") -> bytes:
        """The commitment, if the meter signed it for this household as this quantity. Raises MeterError."""
        signed = SignedDay(
            to_checksum_address(household), self.day, from_hex(self.commitment), from_hex(self.signature)
        )
        verify_signed_day(signed, meter, quantity)
        return signed.commitment


class HistoryDayPart(SignedDayPart):
    """A day that the model read. `measured`: which of its hours were measured (bit h for hour h); absent for all."""

    measured: Annotated[int, Field(ge=0, lt=ALL_MEASURED)] | None = None

    @classmethod
    def of(cls, signed: SignedDay) -> HistoryDayPart:
        measured = None if signed.is_measured else signed.measured
        return cls(**SignedDayPart.of(signed).model_dump(), measured=measured)

    @property
    def mask(self) -> int:
        return ALL_MEASURED if self.measured is None else self.measured

    def checked(self, household: bytes, meter: str, quantity: Quantity = "load") -> bytes:
        """As for a measured day, but hours may be filled in. Raises MeterError."""
        commitment, signature = from_hex(self.commitment), from_hex(self.signature)
        verify_day_with_filled(
            SignedDay(to_checksum_address(household), self.day, commitment, signature, self.mask), meter, quantity
        )
        return commitment


_HORIZON = [field.name for field in fields(Shape)].index("horizon")


def signers(meter: str, days: Sequence[SignedDayPart]) -> dict[int, str]:
    """Which meter signed each day of a bundle of `meter`'s. Raises InvalidStatement for one that can be written
    otherwise."""
    for one in days:
        if one.meter == meter:
            raise InvalidStatement(f"day {one.day} repeats the bundle's meter: it is left out there")
    return {one.day: one.meter or meter for one in days}


class WeightsPart(Part):
    """The committed model of a round."""

    shape: ListOf[int]  # `zkp.lstm.integer_model.Shape.sizes`
    layers: ListOf[ListOf[Point]]
    head: ListOf[Point]

    @classmethod
    def of(cls, weights: WeightsCommitment) -> WeightsPart:
        s = weights.shape
        return cls(
            shape=list(s.sizes),
            layers=[[to_hex(r) for r in rows] for rows in weights.layers],
            head=[to_hex(r) for r in weights.head],
        )

    @property
    def horizon(self) -> int:
        """As the sizes say, which `parsed` checks."""
        return self.shape[_HORIZON] if len(self.shape) > _HORIZON else 1

    def parsed(self) -> WeightsCommitment:
        """Raises ValueError."""
        layers = tuple(tuple(from_hex(r) for r in rows) for rows in self.layers)
        return WeightsCommitment(Shape.of_sizes(self.shape), layers, tuple(from_hex(r) for r in self.head))
