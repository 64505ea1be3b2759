"""Taking from this process what it does not need to decode: memory, files, network, other processes."""

import ctypes
import errno
import os
import resource
import signal
import sys
from pathlib import Path

ALLOWED = (
    "recvfrom", "sendto", "close",  # the socket that it has
    "brk", "mmap", "munmap", "mremap", "mprotect", "madvise",
    "futex", "sched_yield", "set_robust_list", "rseq", "restart_syscall", "rt_sigreturn", "rt_sigprocmask",
    "clock_gettime", "gettimeofday", "getrandom", "exit", "exit_group",
)  # fmt: skip
"""The system calls of decoding, and `clone` for threads, which the decoder of HEIF starts. Others are not permitted."""

_CLONE_THREAD = 0x10000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_SCMP_ALLOW, _SCMP_ERRNO, _SCMP_MASKED_EQUAL = 0x7FFF0000, 0x00050000, 7


class _Comparison(ctypes.Structure):
    # `struct scmp_arg_cmp` of libseccomp
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    )


def bind_to_parent() -> None:
    """End with the service, whatever this process does then, and only with it.

    Ctrl+C and a supervisor's SIGTERM are for the service, which finishes what is in flight.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def seal(memory_bytes: int) -> bool:
    """Give up all but computing, the files that are open, and so much more memory than is in use now.

    Returns:
        Whether system calls are filtered, which takes Linux and its libseccomp. The limits hold without.
    """
    try:
        library = ctypes.CDLL("libseccomp.so.2", use_errno=True) if sys.platform == "linux" else None
    except OSError:
        library = None
    if sys.platform == "linux":
        in_use = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        _limit(resource.RLIMIT_AS, in_use + memory_bytes)
        _prctl(_PR_SET_DUMPABLE, 0)  # no other process of this user looks into it
    _silence()
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
        _limit(kind, 0)
    return library is not None and _filter(library)


def _filter(library: ctypes.CDLL) -> bool:
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Comparison)
    )  # fmt: skip
    rules = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_SCMP_ERRNO | errno.EPERM)))

    def add(action: int, call: str, *comparisons: _Comparison) -> bool:
        number = library.seccomp_syscall_resolve_name(call.encode())
        array = (_Comparison * len(comparisons))(*comparisons)
        return bool(library.seccomp_rule_add_array(rules, action, number, len(comparisons), array) == 0)

    of_thread = _Comparison(0, _SCMP_MASKED_EQUAL, _CLONE_THREAD, _CLONE_THREAD)
    return (
        all(add(_SCMP_ALLOW, call) for call in ALLOWED)
        and add(_SCMP_ALLOW, "clone", of_thread)
        # Its arguments lie where no filter sees them. Where it does not exist, the C library takes `clone`.
        and add(_SCMP_ERRNO | errno.ENOSYS, "clone3")
        # Also takes away for good what programs of other users' rights would give.
        and library.seccomp_load(rules) == 0
    )


def _silence() -> None:
    # Decoders print about damage, in words that a photo may choose; the service's log is not the place for it.
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.close(nothing)


def _limit(kind: int, most: int) -> None:
    resource.setrlimit(kind, (most, most))


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
