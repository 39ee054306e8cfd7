"""What tests/tools/faults.c does in a process, set from here while it runs."""
import mmap
import struct

import house

GOOD, FULL, EIO, SHORT, NO_SYNC, HANG = range(6)
CLOCK, DISK, FIRED, CLOCK_MOVES = 0, 8, 12, 16   # where they are; the last is not the shim's
BYTES = 4096


class Controls:
    """The clock and the disk of one process; `under`: the folder whose files are concerned."""

    def __init__(self, path, under):
        self.path = path
        path.write_bytes(bytes(BYTES))
        path.chmod(0o666)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), BYTES)
        self.env = {"LD_PRELOAD": str(house.BUILD / "tools/faults.so"), "FAULTS_CONTROL": str(path),
                    "FAULTS_UNDER": str(under), "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def _set(self, at, form, value):
        self.map[at:at + struct.calcsize(form)] = struct.pack(form, value)

    def _get(self, at, form):
        return struct.unpack_from(form, self.map, at)[0]

    def disk(self, fault):
        self._set(FIRED, "<I", 0)
        self._set(DISK, "<i", fault)

    @property
    def fired(self):
        """Calls that failed since disk() was set."""
        return self._get(FIRED, "<I")

    def clock(self, seconds):
        """Step the time of day to `seconds` from the truth. Counts the steps, for who must know."""
        self._set(CLOCK_MOVES, "<I", self._get(CLOCK_MOVES, "<I") + 1)
        self._set(CLOCK, "<q", int(seconds * 1e6))
        self._set(CLOCK_MOVES, "<I", self._get(CLOCK_MOVES, "<I") + 1)

    def clock_moves(self):
        return self._get(CLOCK_MOVES, "<I")
