"""Every process is killed at each of its crash points, started again, and the end is the same table.

This comes last of the end-to-end tests: it stops the story's processes and puts the chain back.
"""

import contextlib
from collections.abc import Sequence

import pytest
from bonafides.crashpoints import CRASH_POINTS
from bonafides.errors import Unavailable
from bonafides_lab.demo.http import ask
from bonafides_lab.demo.results import Row, read_rows, wait_until_settled
from bonafides_lab.system.processes import Service, System
from bonafides_scoring.api.schemas import ScoredAnswer

from tests.e2e.conftest import Story
from tests.support.world import engine_of, expected_answers, rows_of, until

pytestmark = pytest.mark.e2e

SIGKILLED = -9
POINTS: dict[Service, list[str]] = {
    Service.INGEST: ["ingest.after_fetch", "ingest.after_produce", "ingest.before_commit", "ingest.after_commit"],
    Service.SCORING_WORKER: [
        "worker.after_poll",
        "worker.before_commit",
        "worker.after_commit",
        "outbox.after_produce",
        "outbox.after_commit",
    ],
    Service.SCORING_API: ["api.before_audit", "api.after_audit"],
    Service.ISSUER: [
        "issuer.after_poll",
        "issuer.before_commit",
        "issuer.after_commit",
        "issuer.before_sign",
        "issuer.after_sign",
        "issuer.after_hand_over",
        "outbox.after_produce",
        "outbox.after_commit",
    ],
    Service.PUBLISHER: [
        "publisher.before_store",
        "publisher.before_send",
        "publisher.after_send",
        "publisher.after_receipt",
        "publisher.before_final",
        "publisher.after_final",
    ],
    Service.ATTESTATION_API: ["api.before_audit", "api.after_audit"],
}


class Nurse:
    """Starts a process at its next crash point each time it was killed at one, and without one in the end."""

    def __init__(self, system: System, points: dict[Service, list[str]]) -> None:
        self._system = system
        self._left = {service: list(names) for service, names in points.items()}
        self._armed: dict[Service, str] = {}
        self.hit: list[tuple[Service, str]] = []
        self.wrong: list[str] = []

    def start(self, service: Service) -> None:
        left = self._left[service]
        self._armed.pop(service, None)
        if left:
            self._armed[service] = left.pop(0)
            self._system.start(service, crash_at=self._armed[service])
        else:
            self._system.start(service)

    def look_after(self) -> None:
        """Start again whatever has been killed."""
        for service in Service:
            running = self._system.running[str(service)]
            code = running.process.exit_code()
            if code is None:
                continue
            if code == SIGKILLED and service in self._armed:
                self.hit.append((service, self._armed[service]))
            else:
                self.wrong.append(f"{service} ended with {code}:\n{running.process.tail()}")
                raise AssertionError(self.wrong[-1])
            self.start(service)

    def is_done(self) -> bool:
        return not any(self._left.values()) and not self._armed


def knock(system: System) -> None:
    """Ask both APIs something, so that they reach the points of a read."""
    for service, path in (
        (Service.SCORING_API, "/v1/wallets/0x" + "00" * 19 + "01/score"),
        (Service.ATTESTATION_API, "/v1/attestations/0x" + "00" * 32),
    ):
        with contextlib.suppress(Unavailable, ValueError, OSError):
            ask(system.api_url(service) + path)


def table(rows: Sequence[Row]) -> dict[str, tuple[object, ...]]:
    """What the demo prints, and the score id, by wallet: what must be the same."""
    return {
        row.wallet.role: (
            (row.answer.score_id, row.answer.score, row.answer.band, tuple(row.answer.reasons), row.attestation_status)
            if isinstance(row.answer, ScoredAnswer)
            else (type(row.answer).__name__,)
        )
        for row in rows
    }


def test_points__named_here__are_all_there_are() -> None:
    # A hydration comes only when somebody asks for one: test_ingest_hydration_process.py kills it.
    reached = {name for name in CRASH_POINTS if not name.startswith("hydration.")}
    assert {name for names in POINTS.values() for name in names} == reached


def test_crashes__at_every_point_of_every_process__end_in_the_same_table(story: Story) -> None:
    world = story.world
    expected = table(story.rows)
    world.installation.system.stop()
    world.rewind()
    with world.another_broker() as bootstrap:
        system, url = world.system_on(bootstrap, "crashed")
        engine = engine_of(url)
        nurse = Nurse(system, POINTS)
        try:
            for service in Service:
                nurse.start(service)

            def everybody() -> bool:
                knock(system)
                nurse.look_after()
                with contextlib.suppress(Unavailable, ValueError):
                    rows = read_rows(system.api_url(Service.SCORING_API), world.market.wallets)
                    return sum(row.answer is not None for row in rows) >= expected_answers(world)
                return False

            until(everybody, "everybody scored on the frozen chain")
            world.go_on()

            def everything_hit() -> bool:
                knock(system)
                nurse.look_after()
                return nurse.is_done()

            until(everything_hit, f"every crash point hit; so far {nurse.hit}")
            rows = wait_until_settled(
                system.api_url(Service.SCORING_API), world.market.wallets, patience_s=120.0, check=nurse.look_after
            )
            documents = rows_of(engine, "SELECT count(*) AS count FROM attestation.documents WHERE state = 'signed'")
        finally:
            codes = system.stop()
            engine.dispose()

    assert sorted(nurse.hit) == sorted((service, name) for service, names in POINTS.items() for name in names)
    assert table(rows) == expected
    assert documents[0]["count"] == sum(isinstance(row.answer, ScoredAnswer) for row in rows)
    assert set(codes.values()) == {0}
