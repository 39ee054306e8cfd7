"""The disk after a power cut: what tests/tools/power_cut.c says is durable, put in the place of
what the processes saw."""
import os
import pathlib
import shutil

import house

BLOCK = 4096
NOT_OURS = ("rfeventd.log",)   # what the test itself writes
OPAQUE = "postgresql"          # PostgreSQL looks after its own directory


class Disk:
    """A state directory on a disk that forgets what was not synced.

    `ignore`: "fdatasync" or "directories" have no effect when they are synced.
    """

    def __init__(self, state_dir, ignore="", opaque=OPAQUE):
        self.root, self.opaque = pathlib.Path(state_dir), opaque
        self.twin = self.root.with_name(self.root.name + ".twin")
        # Not first in the list of libraries, the sanitizers' one complains about itself.
        self.env = {"LD_PRELOAD": str(house.BUILD / "tools/power_cut.so"),
                    "POWER_CUT_ROOT": str(self.root), "POWER_CUT_TWIN": str(self.twin),
                    "POWER_CUT_OPAQUE": opaque, "POWER_CUT_IGNORE": ignore,
                    "ASAN_OPTIONS": "verify_asan_link_order=0"}
        self.switch_on()

    def switch_on(self):
        """Before a process starts on the directory: all of it is durable. Without this, what an
        earlier one did not sync still is not."""
        self.switch_off()
        self.twin.mkdir()
        self.twin.chmod(0o700)

    def switch_off(self):
        shutil.rmtree(self.twin, ignore_errors=True)

    def cut(self, chance=None):
        """Nothing runs on the directory any more: leave of it what was durable. With `chance` (a
        Random), some of the rest has reached the disk too, block by block and name by name."""
        after = self.twin / "after"
        shutil.copytree(self.twin / "nodes/1", after, ignore=self._not_files)
        if chance:
            self._keep_some(self.root, self.twin / "nodes/1", after, chance)
        self._put_opaque_in_place()
        for path in list(self.root.iterdir()):
            if path.name in NOT_OURS or self._is_opaque(path):
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in after.iterdir():
            shutil.move(path, self.root / path.name)
        self.switch_on()

    def _not_files(self, folder, names):
        paths = [pathlib.Path(folder) / name for name in names]
        return [path.name for path in paths
                if path.name in NOT_OURS or (path.is_symlink() and os.readlink(path)[0] == ":")]

    def _is_opaque(self, path):
        return path.name.startswith(self.opaque) and path.is_dir()

    def _put_opaque_in_place(self):
        """Directories that are not ours go back to their durable names; without one, they go."""
        names = {}
        for path in (self.twin / "nodes/1").iterdir():
            if path.is_symlink() and os.readlink(path)[0] == ":":
                names[int(os.readlink(path)[1:])] = path.name
        for path in [p for p in self.root.iterdir() if self._is_opaque(p)]:
            name = names.get(path.stat().st_ino)
            if name is None:
                shutil.rmtree(path)
            elif name != path.name:
                path.rename(self.root / name)

    def _inode(self, path):
        """The inode number that a file of the twin has in the directory; None when it is gone."""
        number = path.stat().st_ino
        for node in (self.twin / "nodes").iterdir():
            link = self.twin / "inodes" / node.name
            if node.stat().st_ino == number:
                return int(os.readlink(link)) if link.is_symlink() else None
        raise AssertionError(f"no node for {path}")

    def _keep_some(self, real, durable, after, chance):
        for path in sorted(durable.iterdir()):
            seen = real / path.name
            if path.name in NOT_OURS or not (after / path.name).exists():
                continue
            if path.is_dir() and seen.is_dir():
                self._keep_some(seen, path, after / path.name, chance)
            elif not seen.exists() or seen.stat().st_ino != self._inode(path):
                if not seen.exists() and chance.random() < 0.5:
                    (after / path.name).unlink()
            elif seen.is_file():
                keep_blocks(seen, after / path.name, chance)


def keep_blocks(seen, after, chance):
    """Let some blocks of `seen` that `after` has not as they are reach it; its size, too."""
    if chance.random() < 0.5:
        os.truncate(after, seen.stat().st_size)
    with open(seen, "rb") as source, open(after, "r+b") as target:
        size = os.fstat(target.fileno()).st_size
        for at in range(0, size, 256 * BLOCK):
            source.seek(at)
            target.seek(at)
            ours, theirs = source.read(256 * BLOCK), target.read(256 * BLOCK)
            if ours == theirs:
                continue
            for i in range(0, min(len(ours), len(theirs)), BLOCK):
                if ours[i:i + BLOCK] != theirs[i:i + BLOCK] and chance.random() < 0.5:
                    target.seek(at + i)
                    target.write(ours[i:i + BLOCK][:size - at - i])
