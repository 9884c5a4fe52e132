"""Batches are not searched for rings while they are made; rings are still found."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from servicekit import garbage


@pytest.fixture
def as_before() -> Iterator[None]:
    """Other tests of this process find Python's own ways again."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


class _Ring:
    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("as_before")
def test_a_batch_is_made_without_a_look_and_a_ring_does_not_stay() -> None:
    """Objects of some batches cause few looks, and the first of those takes the ring away."""
    garbage.look_seldom()
    garbage.look_seldom()
    ring = weakref.ref(_Ring())
    looks = gc.get_stats()[0]["collections"]
    kept = [[number] for number in range(garbage.NEW_OBJECTS // 2)]
    assert gc.get_stats()[0]["collections"] == looks and ring() is not None
    kept += [[number] for number in range(garbage.NEW_OBJECTS)]
    assert gc.get_stats()[0]["collections"] - looks <= 2 and ring() is None
