"""What a peer serves, and when; and how it says who is in a merge."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fl.gossip.blocks import Place, Published, cid_of
from fl.gossip.segments import Segments
from fl.gossip.shelf import Shelf, masks_of, sources_in, split_list

SEGMENTS = Segments(10, 2)
PLACE = Place(b"\x0c" * 32, 3, b"\x0a" * 20)
OWN = Published.of(PLACE, np.arange(10), SEGMENTS)
SIGNATURE = b"\x05" * 65


def shelf() -> Shelf:
    made = Shelf()
    made.put_published(3, OWN, SIGNATURE)
    return made


def test_a_list_is_told_once_its_epochs_seed_is_drawn() -> None:
    served = shelf()
    assert served.answer("/epochs/3") is None
    served.open_until = 3
    told = served.answer("/epochs/3")
    assert told is not None and split_list(told, 2) == (OWN.digests, SIGNATURE)
    assert served.answer("/epochs/4") is None and served.answer("/merges/3") is None


def test_a_block_is_served_by_its_cid() -> None:
    assert shelf().answer(f"/blocks/{cid_of(OWN.digests[1])}") == OWN.blocks[1]
    assert shelf().answer(f"/blocks/{cid_of(bytes(32))}") is None


@given(st.text(max_size=80))
def test_nothing_else_is_served(path: str) -> None:
    served = shelf()
    served.open_until = 10
    if path != "/epochs/3":
        assert served.answer(path) is None


def test_a_recomputed_merge_is_served_under_its_root() -> None:
    served = shelf()
    merged = Published.of(PLACE.merged(), np.arange(10), SEGMENTS)
    served.put_recomputed(3, merged, bytes(16))
    assert served.answer(f"/recomputed/3/{merged.root.hex()}") == b"".join(merged.digests) + bytes(16)


def test_what_nobody_needs_is_dropped() -> None:
    served = shelf()
    served.open_until = 9
    served.forget_before(4)
    assert served.answer("/epochs/3") is None and served.block(OWN.digests[0]) is None


@given(st.lists(st.lists(st.integers(0, 40), max_size=8, unique=True), min_size=1, max_size=4), st.data())
def test_masks_tell_who_is_in_a_merge(neighbours: list[list[int]], data: st.DataObject) -> None:
    sources = [[peer for peer in known if data.draw(st.booleans())] for known in neighbours]
    assert sources_in(masks_of(sources, neighbours), neighbours) == sources
