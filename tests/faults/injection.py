"""Does to the running system what a fault says, and undoes what must not stay."""

import os
import signal
import time
from dataclasses import dataclass
from typing import assert_never

from bonafides_lab.system.processes import Service

from tests.faults.crew import Crew
from tests.faults.node_proxy import Mode
from tests.faults.progress import Gauge, Stuck
from tests.faults.schedule import Fault, Kind
from tests.faults.world import World

TAKE_OVER_WITHIN_S = 75.0
"""One that is frozen inside a transaction keeps its row locks until the server ends its session, after 30 s; who waits
for them looks every 30 s at the latest."""
POINT_WITHIN_S = 12.0
MOST_INGEST, MOST_WORKERS = 2, 3
SHORTLY = 0.2  # of a fault's time: long enough to be noticed
_MODES = {
    Kind.NODE_RESETS: Mode.RESET,
    Kind.NODE_CUTS: Mode.CUT,
    Kind.NODE_HANGS: Mode.HALF_OPEN,
    Kind.NODE_SLOW: Mode.SLOW,
}


@dataclass
class Injector:
    """What can be done to a world and its crew."""

    world: World
    crew: Crew
    gauge: Gauge

    def inject(self, fault: Fault) -> str:
        """Do it; returns what else is to be said of it. Afterwards nothing is held back any more."""
        match fault.kind:
            case Kind.INGEST_KILL:
                self._kill(Service.INGEST, fault)
            case Kind.WORKER_KILL:
                self._kill(Service.SCORING_WORKER, fault)
            case Kind.BROKER_KILL:
                self.world.broker.kill()
                time.sleep(fault.hold_s * SHORTLY)
                self.world.broker.start()
            case Kind.DATABASE_KILL:
                self.world.database.kill()
                time.sleep(fault.hold_s * SHORTLY)
                self.world.database.start()
            case Kind.DATABASE_RESTART:
                postmaster = self.world.database.process
                os.kill(postmaster.pid, signal.SIGQUIT)  # "immediate": no connection is ended in order
                postmaster.wait(TAKE_OVER_WITHIN_S)
                self.world.database.start()
            case Kind.REBALANCE:
                self._rebalance(fault)
            case Kind.REORG:
                self.world.load.reorg(fault.depth)
            case Kind.INGEST_CRASH:
                return self._crash(Service.INGEST, fault)
            case Kind.WORKER_CRASH:
                return self._crash(Service.SCORING_WORKER, fault)
            case Kind.INGEST_FREEZE:
                return self._freeze_ingest(fault)
            case Kind.WORKER_FREEZE:
                self._freeze_worker(fault)
            case Kind.INGEST_REPLICAS:
                return self._change_replicas(fault)
            case Kind.NODE_RESETS | Kind.NODE_CUTS | Kind.NODE_HANGS | Kind.NODE_SLOW:
                self.world.proxy.set_mode(_MODES[fault.kind])
                time.sleep(fault.hold_s)
                self.world.proxy.set_mode(Mode.PASS)
            case _:
                assert_never(fault.kind)
        return fault.detail

    def _kill(self, service: Service, fault: Fault) -> None:
        victim = self.crew.one(service, fault.replica)
        if service is Service.INGEST and fault.replica % 2 == 0:
            victim = self.crew.lease_holder() or victim
        self.crew.kill(victim)
        self.crew.start(service)

    def _rebalance(self, fault: Fault) -> None:
        """Two join, and when all have partitions two leave, one of them without a word."""
        service = Service.SCORING_WORKER
        while len(self.crew.members(service)) < MOST_WORKERS:
            self.crew.start(service)
        for running in self.crew.members(service):
            running.wait_ready()
        self.gauge.wait_past(self.gauge.wait_read())
        self.crew.kill(self.crew.one(service, fault.replica))
        self.crew.stop(self.crew.one(service, fault.depth))

    def _crash(self, service: Service, fault: Fault) -> str:
        """An armed replica takes the place of one. If it does not get to its point beside others, they must go."""
        self.crew.kill(self.crew.one(service, fault.replica))
        armed = self.crew.start(service, crash_at=fault.point)
        said = fault.point
        try:
            self.gauge.wait(lambda: self.crew.has_died(armed), fault.point, POINT_WITHIN_S)
        except Stuck:
            for other in self.crew.members(service):
                if other is not armed:
                    self.crew.kill(other)
            try:
                self.gauge.wait(lambda: self.crew.has_died(armed), fault.point, POINT_WITHIN_S)
            except Stuck:
                said = f"{fault.point} was not reached: killed"
                self.crew.kill(armed)
        self.crew.fill(service)
        return said

    def _freeze_ingest(self, fault: Fault) -> str:
        """The holder of the lease stands still until another has taken over, and then goes on where it was."""
        self.crew.fill(Service.INGEST, MOST_INGEST)
        self.gauge.wait(lambda: self.crew.lease_holder() is not None, "a holder of the lease", TAKE_OVER_WITHIN_S)
        victim = self.crew.lease_holder() or self.crew.one(Service.INGEST, fault.replica)
        before = self.gauge.lease_token()
        self.crew.freeze(victim)
        try:
            self.gauge.wait(
                lambda: self.gauge.lease_token() not in (None, before), "another holder", TAKE_OVER_WITHIN_S
            )
            time.sleep(fault.hold_s * SHORTLY)
        finally:
            self.crew.thaw(victim)
        return "and another took over"

    def _freeze_worker(self, fault: Fault) -> None:
        """A worker stands still until the group has given its partitions away, and then goes on where it was."""
        self.crew.fill(Service.SCORING_WORKER, MOST_WORKERS - 1)
        for running in self.crew.members(Service.SCORING_WORKER):
            running.wait_ready()
        victim = self.crew.one(Service.SCORING_WORKER, fault.replica)
        before = self.gauge.wait_read()
        self.crew.freeze(victim)
        try:
            time.sleep(fault.hold_s)  # longer than a session
            self.gauge.wait_past(before)
        finally:
            self.crew.thaw(victim)
        self.crew.keep(Service.SCORING_WORKER, 1)

    def _change_replicas(self, fault: Fault) -> str:
        members = self.crew.members(Service.INGEST)
        if len(members) < MOST_INGEST:
            self.crew.start(Service.INGEST).wait_ready()
            return "one more"
        victim = self.crew.one(Service.INGEST, fault.replica)
        if fault.depth % 2:
            self.crew.stop(victim)
            return "one stopped in good order"
        self.crew.kill(victim)
        return "one killed, for good"
