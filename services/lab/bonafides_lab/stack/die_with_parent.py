"""Become another program that gets a signal when the parent dies. Standard library only; started with `-I -S`.

    python -I -S die_with_parent.py PARENT_PID SIGNAL UID|- GID|- PROGRAM [ARGUMENT...]

No process stays between parent and program: this one replaces itself. A change of user clears the death signal, so the
user comes first. On systems without prctl (not Linux) the program starts without it. SIGINT and SIGTERM get their
default meaning back: a shell makes background jobs deaf to Ctrl-C, and that would be inherited.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    parent, death_signal, uid, gid, program, *arguments = sys.argv[1:]
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_DFL)
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) was refused")
        if os.getppid() != int(parent):  # it died before the signal was set
            sys.exit(0)
    os.execv(program, [program, *arguments])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
