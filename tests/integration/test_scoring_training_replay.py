"""Every score that the API gives a bundle for is made again from it, offline, by the command a lender would type."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from bonafides.consent import ConsentMode
from bonafides.testing.memory_bus import MemoryProducer
from bonafides.types import Digest
from bonafides_scoring.api.app import create_app
from bonafides_scoring.model import shipped_model
from bonafides_scoring.replay_commands import replay_command
from bonafides_scoring.store.tables import score
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from tests.support.scoring_logs import lively_market, produce
from tests.support.scoring_service import (
    as_role,
    memory_broker,
    memory_worker,
    migrated,
    run_until_idle,
    table_rows,
    throwaway_database,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def bundles(local_postgres: str) -> Iterator[dict[Digest, bytes]]:
    """What the API answers for every score of a small market, by score id."""
    with throwaway_database(local_postgres) as url:
        broker = memory_broker()
        produce(lively_market(wallets=12).log, MemoryProducer(broker))
        with migrated(url) as engine:
            run_until_idle(memory_worker(broker, engine))
            ids = [Digest(bytes(row["score_id"])) for row in table_rows(engine, score)]
        with as_role(url, "bonafides_scoring_api") as reader, TestClient(create_app(reader, ConsentMode.OPEN)) as api:
            yield {one: api.get(f"/v1/scores/0x{one.hex()}/bundle").content for one in ids}


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(replay_command)
    return app


def test_replay_command__every_bundle_of_the_api__is_made_again(
    bundles: dict[Digest, bytes], app: typer.Typer, tmp_path: Path
) -> None:
    assert len(bundles) >= 6
    for score_id, raw in bundles.items():
        path = tmp_path / f"{score_id.hex()}.json"
        path.write_bytes(raw)

        done = CliRunner().invoke(app, [str(path), "--model", str(shipped_model())])

        assert done.exit_code == 0, done.output


def test_replay_command__a_byte_of_an_amount_changed__ends_with_one(
    bundles: dict[Digest, bytes], app: typer.Typer, tmp_path: Path
) -> None:
    path = tmp_path / "changed.json"
    raw = next(iter(bundles.values()))
    place = raw.index(b'"amount":"') + len(b'"amount":"')
    other = b"9" if raw[place : place + 1] != b"9" else b"8"
    path.write_bytes(raw[:place] + other + raw[place + 1 :])

    done = CliRunner().invoke(app, [str(path), "--model", str(shipped_model())])

    assert done.exit_code == 1
    assert "event set" in done.output


def test_replay__its_modules__need_the_base_install_and_numpy_alone() -> None:
    wanted = "bonafides_scoring.replay, bonafides_scoring.replay_document, bonafides_scoring.replay_commands"
    others = "{'xgboost', 'sqlalchemy', 'kafka', 'fastapi', 'fastavro', 'web3', 'pyarrow', 'structlog'}"
    code = f"import sys, {wanted}; print(sorted({others} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
