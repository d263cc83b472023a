"""The process that workers are forked from: it has imported what they need, and never sees a tool's code, a secret or a token.

It takes requests from the guard on descriptor 3, a message with one socket each, and answers with the pid of a worker that has this socket.
"""

import ctypes
import gc
import os
import platform
import signal
import socket
from contextlib import suppress

import msgspec

from runner.worker import limits, main, seccomp

_PARENT, _SET_TID, _CLEAR_TID = 0x00008000, 0x01000000, 0x00200000
_CLONE = {"x86_64": 56, "aarch64": 220}
_PR_GET_TID_ADDRESS = 40
_MACHINE = platform.machine()
# Unlike CDLL, these keep the interpreter's lock, as a fork must.
_python, _libc = ctypes.pythonapi, ctypes.PyDLL(None, use_errno=True)


def serve(argv: list[str]) -> int:
    """Fork a worker for each request until the guard is gone; `argv` is the memory of a worker in MiB. Returns in each of them, when it ends."""
    os.closerange(main.SOCKET + 1, 1024)
    requests = socket.socket(fileno=main.SOCKET)
    requests.setblocking(True)
    try:
        limits.limit()
        limits.hide()
        seccomp.confine(seccomp.program(_MACHINE, seccomp.FORKS))
        program = seccomp.program(_MACHINE)
    except OSError as error:
        requests.send(msgspec.msgpack.encode(f"it could not confine itself: {type(error).__name__}: {error}"))
        return 1
    # What the collector does not look at stays the same memory in all of them.
    gc.disable()
    gc.collect()
    gc.freeze()
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 16, 1)
        if not message:
            return 0
        (descriptor,) = descriptors
        try:
            pid = _fork()
        except OSError as error:
            requests.send(msgspec.msgpack.encode(f"it could not be forked: {error}"))
        else:
            if pid == 0:
                requests.detach()
                os.dup2(descriptor, main.SOCKET)
                return main.serve(int(argv[0]), program)
            requests.send(msgspec.msgpack.encode(pid))
        os.close(descriptor)


def _fork() -> int:
    """As `os.fork`, but to a child of the guard: it waits for its workers itself, and they end with it, not with this process.

    Raises:
        OSError: there could be no process.
    """
    number = _CLONE[_MACHINE]
    # Where libc keeps the number of its thread, which is another one in the child. Not every kernel tells, and nowhere is left as it is.
    place = ctypes.c_ulong()
    with suppress(OSError):
        limits.prctl(_PR_GET_TID_ADDRESS, ctypes.addressof(place))
    flags = _PARENT | _SET_TID | _CLEAR_TID | signal.SIGCHLD
    # flags, stack, parent_tid, then child_tid and tls, in an order that depends on the processor (clone(2)); tls is only read with a flag.
    arguments = [ctypes.c_ulong(each) for each in (flags, 0, 0, place.value, place.value)]
    _python.PyOS_BeforeFork()
    pid = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if pid == 0:
        _python.PyOS_AfterFork_Child()
        return 0
    error = ctypes.get_errno()
    _python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(error, os.strerror(error))
    return pid
