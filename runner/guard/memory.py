"""What start-up needed and nothing after it: given back to the system."""

import ctypes
from pathlib import Path

_MADV_DONTNEED = 4


def give_back() -> None:
    """Unmap the code that start-up ran through, and free what its data took; what is still needed is mapped again when it is touched.

    The pages stay in the system's cache, where all servers share them.
    """
    libc = ctypes.CDLL(None)
    libc.malloc_trim(0)
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, permissions, _, device, _, *_ = line.split(None, 5)
        # Code was never writable, so it is as it is in its file.
        if permissions == "r-xp" and device != "00:00":
            start, _, end = place.partition("-")
            first = int(start, 16)
            libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(int(end, 16) - first), _MADV_DONTNEED)
