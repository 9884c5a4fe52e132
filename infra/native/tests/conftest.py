"""Three of everything, which end with this folder's tests: idle they would slow all others."""

from collections.abc import Iterator

import pytest

from infra.native import NativeStack


@pytest.fixture(scope="package")
def _three_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeStack]:
    folder = tmp_path_factory.mktemp("three")
    with NativeStack(folder, brokers=3, mongods=3, proxied=True) as stack:
        yield stack


@pytest.fixture
def three_nodes(_three_nodes: NativeStack) -> Iterator[NativeStack]:
    """Three brokers and three mongods, each behind a fault proxy; whole again after each test."""
    yield _three_nodes
    _three_nodes.heal()
