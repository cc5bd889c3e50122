"""Child processes that never outlive us: our services and the servers of the local stack.

A child is started by one thread that lives as long as this process, through `die_with_parent.py`, which asks the
kernel for a death signal and then becomes the program. So a child ends with us however we end, SIGKILL included.
"""

import contextlib
import os
import queue
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from bonafides.errors import MissingTool, Unavailable

GUARD = Path(__file__).parent / "stack" / "die_with_parent.py"
POLL_S = 0.05  # readiness is asked 20 times a second: small beside any start-up, and no load
PORTS = range(20_000, 30_000)  # below Linux's ephemeral range (32768-60999), so no outgoing connection takes one
_KEPT_VARIABLES = ("PATH", "HOME", "LANG")


@dataclass(frozen=True, slots=True)
class RunAs:
    """The numeric user and group that a child runs as; only root can ask for another than its own."""

    uid: int
    gid: int


@dataclass(slots=True)
class Process:
    """A running child with a log file. `kill` and `terminate` end its whole process group and wait for it."""

    name: str
    pid: int
    log_path: Path
    _popen: subprocess.Popen[bytes] = field(repr=False)
    _stop_signal: signal.Signals = signal.SIGTERM

    @classmethod
    def start(
        cls,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        log_folder: Path,
        *,
        cwd: Path | None = None,
        run_as: RunAs | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> "Process":
        """Start `argv` in a session of its own, its output appended to `log_folder/name.log`.

        The child sees PATH, HOME, LANG and what `env` gives, nothing else of ours. `stop_signal` is what `terminate`
        sends first; `death_signal` is what the kernel sends when we die. Raises MissingTool when there is no program.
        """
        program = shutil.which(argv[0])
        if program is None:
            raise MissingTool(f"{name}: the program {argv[0]!r} was not found or may not be executed")
        log_folder.mkdir(parents=True, exist_ok=True)
        log_path = log_folder / f"{name}.log"
        guard = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), str(death_signal.value)]
        identity = [str(run_as.uid), str(run_as.gid)] if run_as else ["-", "-"]

        def spawn() -> subprocess.Popen[bytes]:
            with log_path.open("ab") as log:
                return subprocess.Popen(  # noqa: S603 - the caller's own argv, no shell
                    [*guard, *identity, program, *argv[1:]],
                    env=clean_environment(env),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=cwd,
                    start_new_session=True,  # Ctrl-C reaches us alone, and we stop children in order
                )

        popen = _in_spawner_thread(spawn)
        return cls(name, popen.pid, log_path, popen, stop_signal)

    def is_running(self) -> bool:
        """Whether the child has not ended yet."""
        return not self._has_ended()

    def exit_code(self) -> int | None:
        """The exit code, negative for a signal, or None while it runs."""
        return self._popen.poll() if self._has_ended() else None

    def wait(self, timeout_s: float) -> int:
        """Wait for the child to end by itself and return its exit code. Raises Unavailable after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while not self._has_ended():
            if time.monotonic() > deadline:
                raise Unavailable(f"{self.name} (pid {self.pid}) still runs after {timeout_s:g} s\n{self.tail()}")
            time.sleep(POLL_S)
        return self._reap()

    def wait_until(self, is_ready: Callable[[], bool], what: str, timeout_s: float) -> None:
        """Ask `is_ready` until it says yes. Raises Unavailable with the last log lines on exit or after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while True:
            answered = is_ready()
            if self._has_ended():  # an answer may then have been another program's
                raise Unavailable(
                    f"{self.name} ended with exit code {self._reap()} before {what}; its last lines:\n{self.tail()}"
                )
            if answered:
                return
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{self.name} (pid {self.pid}) was not ready after {timeout_s:g} s: no {what}; "
                    f"its last lines:\n{self.tail()}"
                )
            time.sleep(POLL_S)

    def wait_http(self, url: str, timeout_s: float = 30.0) -> None:
        """Wait until `url` answers 2xx. Raises Unavailable with the last log lines on exit or after `timeout_s`."""
        self.wait_until(lambda: answers_http(url), f"2xx answer from {url}", timeout_s)

    def terminate(self, grace_s: float = 10.0) -> int:
        """Ask the child to stop, kill its group after `grace_s`, and return the exit code."""
        if not self._has_ended():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, self._stop_signal)
            deadline = time.monotonic() + grace_s
            while not self._has_ended() and time.monotonic() < deadline:
                time.sleep(POLL_S / 5)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL the whole group, as a crash would, and return the exit code."""
        if self._popen.returncode is None:
            # Only before the leader is reaped is its group id surely still its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        return self._reap()

    def tail(self, lines: int = 20) -> str:
        """The last lines of the log, or a note that it is empty."""
        kept = self.log_path.read_text(errors="replace").splitlines()[-lines:] if self.log_path.exists() else []
        return "\n".join(kept) or f"(nothing in {self.log_path})"

    def _has_ended(self) -> bool:
        if self._popen.returncode is not None:
            return True
        try:
            # WNOWAIT looks without reaping, so that the group can still be killed safely.
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # reaped through Popen by another thread
            return True

    def _reap(self) -> int:
        return self._popen.wait()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()


def clean_environment(given: Mapping[str, str]) -> dict[str, str]:
    """PATH, HOME and LANG of ours plus `given`: a child never depends on a variable that nobody wrote down."""
    return {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ} | dict(given)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now and that this process has not handed out before."""
    for _ in range(1000):
        port = random.choice(PORTS)  # noqa: S311 - a port, not a secret
        with _handed_out_lock, socket.socket() as probe:
            if port in _handed_out:
                continue
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                _handed_out.add(port)
                return port
    raise Unavailable(f"no free port among {PORTS.start}-{PORTS.stop - 1} on 127.0.0.1")


def answers_http(url: str) -> bool:
    """Whether `url` answers 2xx within two seconds; proxies of the environment are not asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2):
            return True
    except (OSError, urllib.error.HTTPError):
        return False


def accepts_tcp(port: int) -> bool:
    """Whether somebody listens on 127.0.0.1:`port`."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


_handed_out: set[int] = set()
_handed_out_lock = threading.Lock()

_Spawn = Callable[[], subprocess.Popen[bytes]]
_spawn_queue: queue.SimpleQueue[tuple[_Spawn, Future[subprocess.Popen[bytes]]]] = queue.SimpleQueue()
_spawner_lock = threading.Lock()
_spawner: threading.Thread | None = None


def _in_spawner_thread(spawn: _Spawn) -> subprocess.Popen[bytes]:
    """Run `spawn` in the one spawner thread.

    Linux sends the death signal when the *thread* that forked the child ends. A server started from a short-lived
    worker thread would die with that thread.
    """
    global _spawner
    with _spawner_lock:
        if _spawner is None or not _spawner.is_alive():  # not alive: we are a fork of the process that started it
            _spawner = threading.Thread(target=_spawn_for_ever, name="spawner", daemon=True)
            _spawner.start()
    answer: Future[subprocess.Popen[bytes]] = Future()
    _spawn_queue.put((spawn, answer))
    return answer.result()


def _spawn_for_ever() -> None:
    while True:
        spawn, answer = _spawn_queue.get()
        try:
            answer.set_result(spawn())
        except OSError as exc:
            answer.set_exception(exc)
