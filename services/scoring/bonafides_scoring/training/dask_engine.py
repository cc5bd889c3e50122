"""Fits boosters on several machines, with xgboost's own Dask interface (extra `dask`).

    rows ──► a share for each worker ──► trees are grown together: the workers exchange histograms, no rows

The quantiles of several shares are merged, so the trees differ a little from those of one process: equal within noise,
not byte for byte. Same shares, same workers: the same trees again. Rows of a panel lie in order of wallets; the shares
are dealt out in turn, so that each is like the whole.
"""

from types import TracebackType
from typing import Self

import numpy as np
import xgboost
from bonafides.errors import InvalidInput, Unavailable

from bonafides_scoring.training.fit import FitPlan, booster_parameters
from bonafides_scoring.training.panels.panel import Panel

LOCAL_WORKERS = 2
CONNECT_TIMEOUT_S = 30


class DaskEngine:
    """A cluster that is running (`scheduler`), or one of local processes for as long as this is open.

    Raises:
        InvalidInput: the extra is not installed.
        Unavailable: no scheduler answers, or it has no workers.
    """

    name = "dask"
    at_once = 1
    """All workers grow one booster together."""

    def __init__(self, scheduler: str | None = None, workers: int = LOCAL_WORKERS) -> None:
        try:
            from distributed import Client, LocalCluster
        except ImportError as exc:
            raise InvalidInput("--engine dask needs the extra dask: pip install 'bonafides[dask]'") from exc
        self._cluster = None
        if scheduler is None:
            self._cluster = LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
            )
        try:
            self._client = Client(scheduler or self._cluster, timeout=CONNECT_TIMEOUT_S)
        except (OSError, TimeoutError, ValueError) as exc:
            raise Unavailable(f"no Dask scheduler answers at {scheduler} within {CONNECT_TIMEOUT_S} s") from exc
        if not self._client.scheduler_info(n_workers=-1)["workers"]:
            self.close()
            raise Unavailable(f"the Dask scheduler at {scheduler} has no workers: start some, then train again")

    def fit(self, train: Panel, plan: FitPlan) -> xgboost.Booster:
        """Fit one booster on all workers."""
        from dask import array
        from xgboost import dask as xgboost_dask

        workers = sorted(self._client.scheduler_info(n_workers=-1)["workers"])
        shares = [slice(place, None, len(workers)) for place in range(len(workers))]
        labels = train.labels.astype(np.float32)
        features = [self._placed(train.features[share], worker) for share, worker in zip(shares, workers, strict=True)]
        targets = [self._placed(labels[share], worker) for share, worker in zip(shares, workers, strict=True)]
        x = array.concatenate(
            [array.from_delayed(part, shape, np.float32) for part, shape in _with_shapes(features, train, shares)]
        )
        y = array.concatenate(
            [array.from_delayed(part, shape[:1], np.float32) for part, shape in _with_shapes(targets, train, shares)]
        )
        frame = xgboost_dask.DaskQuantileDMatrix(self._client, x, y)
        parameters = {name: value for name, value in booster_parameters(plan).items() if name != "nthread"}
        found = xgboost_dask.train(self._client, parameters, frame, num_boost_round=plan.trees)
        # As bytes and back: without the workers' parameters, as one that was fitted here.
        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(bytearray(found["booster"].save_raw("ubj")))
        return booster

    def close(self) -> None:
        """Let the workers go; end those that were started here."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _placed(self, rows: np.ndarray[tuple[int, ...], np.dtype[np.float32]], worker: str) -> object:
        return self._client.scatter(np.ascontiguousarray(rows), workers=[worker], direct=False, hash=False)


def _with_shapes(parts: list[object], train: Panel, shares: list[slice]) -> list[tuple[object, tuple[int, int]]]:
    columns = train.features.shape[1]
    lengths = [len(range(*share.indices(len(train)))) for share in shares]
    return [(part, (length, columns)) for part, length in zip(parts, lengths, strict=True)]
