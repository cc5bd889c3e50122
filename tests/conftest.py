"""Rules for all tests: each carries exactly one marker; unit tests open no socket."""

from collections.abc import Iterator

import pytest
import pytest_socket

pytest_plugins = ["tests.support.stack_fixtures"]

MARKERS = frozenset({"unit", "integration", "e2e", "chart"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        found = {mark.name for mark in item.iter_markers()} & MARKERS
        if len(found) != 1:
            raise pytest.UsageError(f"{item.nodeid}: expected exactly one of {sorted(MARKERS)}, saw {sorted(found)}")


@pytest.fixture(autouse=True)
def _no_socket_in_unit_tests(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker("unit"):
        pytest_socket.disable_socket(allow_unix_socket=True)
        yield
        pytest_socket.enable_socket()
    else:
        yield
