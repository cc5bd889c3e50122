"""Child processes: what they see, how they end, and that none outlives us."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bonafides.errors import MissingTool, Unavailable
from bonafides_lab.processes import Process, free_port

from tests.support.stack_processes import is_alive, is_true_within, processes_in

pytestmark = pytest.mark.integration

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('not listening', flush=True); "
    "time.sleep(600)",
]
# Starts a child from a thread that ends once the child runs, as the resolver's do, and waits to be killed.
PARENT = """
import sys, threading, time
from pathlib import Path
from bonafides_lab.processes import Process

def start():
    child = Process.start("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], {}, Path(sys.argv[1]))
    print(child.pid, flush=True)
    time.sleep(1)  # until the child has asked for its death signal

thread = threading.Thread(target=start)
thread.start()
thread.join()
time.sleep(600)
"""
# Starts a whole stack, says so and waits to be killed.
STACK_PARENT = """
import sys, time
from pathlib import Path
from bonafides_lab.stack.resolver import local_stack

with local_stack(Path(sys.argv[1]), environ={"BONAFIDES_LAB_DOCKER": "never"}):
    print("ready", flush=True)
    time.sleep(600)
"""


def test_start__environment_of_ours__child_sees_path_home_lang_and_what_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BONAFIDES_SCORING_SURPRISE", "1")
    monkeypatch.setenv("LANG", "C.UTF-8")
    show = [sys.executable, "-I", "-c", "import os; print(sorted(set(os.environ) - {'LC_CTYPE'}))"]

    process = Process.start("show", show, {"GIVEN": "1"}, tmp_path)
    process.wait(20)

    assert process.tail() == str(sorted({"PATH", "HOME", "LANG", "GIVEN"} & {*os.environ, "GIVEN"}))


def test_start__no_such_program__names_it(tmp_path: Path) -> None:
    with pytest.raises(MissingTool, match="no-such-program"):
        Process.start("nothing", ["no-such-program"], {}, tmp_path)


def test_wait_http__child_ends_first__says_exit_code_and_last_lines(tmp_path: Path) -> None:
    failing = [sys.executable, "-c", "import sys; print('the database is on fire'); sys.exit(3)"]
    process = Process.start("failing", failing, {}, tmp_path)

    with pytest.raises(Unavailable, match=r"(?s)exit code 3.*the database is on fire"):
        process.wait_http(f"http://127.0.0.1:{free_port()}/healthz", 20)


def test_wait_http__nobody_answers__gives_up_in_time(tmp_path: Path) -> None:
    with (
        Process.start("silent", SLEEP, {}, tmp_path) as process,
        pytest.raises(Unavailable, match="was not ready after"),
    ):
        process.wait_http(f"http://127.0.0.1:{free_port()}/healthz", 0.3)


def test_wait_http__server_answers__returns(tmp_path: Path) -> None:
    port = free_port()
    server = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]

    with Process.start("server", server, {}, tmp_path) as process:
        process.wait_http(f"http://127.0.0.1:{port}/", 20)

        assert process.is_running()


def test_terminate__willing_child__ends_by_sigterm(tmp_path: Path) -> None:
    process = Process.start("willing", SLEEP, {}, tmp_path)

    assert process.terminate() == -signal.SIGTERM
    assert not process.is_running()


def test_terminate__deaf_child__is_killed_after_the_grace(tmp_path: Path) -> None:
    process = Process.start("deaf", DEAF, {}, tmp_path)
    assert is_true_within(20, lambda: process.tail() == "not listening")

    assert process.terminate(grace_s=0.2) == -signal.SIGKILL


def test_kill__child_with_children__ends_the_whole_group(tmp_path: Path) -> None:
    family = f"import subprocess, sys, time; print(subprocess.Popen({SLEEP!r}).pid, flush=True); time.sleep(600)"
    process = Process.start("family", [sys.executable, "-c", family], {}, tmp_path)
    assert is_true_within(20, lambda: process.tail().isdigit())
    grandchild = int(process.tail())

    process.kill()

    assert is_true_within(5, lambda: not is_alive(grandchild))


def test_child__starting_thread_ended_and_parent_lives__lives(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())

        dies_with_thread = is_true_within(3, lambda: not is_alive(child))
        parent.kill()

    assert not dies_with_thread


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_child__parent_dies_without_a_word__dies_too(tmp_path: Path, ending: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(ending)

    assert is_true_within(5, lambda: not is_alive(child))


def test_stack__parent_is_killed__leaves_no_process_behind(stack_folder: Path) -> None:
    folder = stack_folder / "orphaned"
    with subprocess.Popen([sys.executable, "-c", STACK_PARENT, str(folder)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        running = set(processes_in(folder)) - {parent.pid}
        parent.kill()

    assert len(running) >= 3  # broker, chain, and PostgreSQL with its workers
    assert is_true_within(10, lambda: processes_in(folder) == [])
