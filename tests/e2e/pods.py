"""What a container of the chart has around it, on this machine: its files, its arguments, its pids."""
import base64
import itertools
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import urllib.request

import house

STATE = "/var/lib/rfeventd"


def kubelet_volume(folder, files):
    """A ConfigMap or Secret as a kubelet mounts it: links through ..data into a folder with the time."""
    real = folder / "..2026_01_02_03_04_05.678"
    real.mkdir(parents=True)
    (folder / "..data").symlink_to(real.name)
    for name, content in files.items():
        (real / name).write_bytes(content)
        (folder / name).symlink_to(f"..data/{name}")


def certificate(folder, key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
    """The files of a Secret of type kubernetes.io/tls."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-keyout", folder / "tls.key",
                    "-out", folder / "tls.crt", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    return {name: (folder / name).read_bytes() for name in ("tls.crt", "tls.key")}


class Machine:
    """The files of a pod, under a folder of this machine.

    Secrets and ConfigMaps that the chart only names are `given`: by name, their data.
    """

    def __init__(self, objects, folder, given):
        self.root = folder / "pod"
        self.objects = objects
        data = {name: dict(files) for name, files in given.items()}
        for one in objects.of("Secret"):
            data[one["metadata"]["name"]] = {k: base64.b64decode(v) for k, v in one["data"].items()}
        for one in objects.of("ConfigMap"):
            data[one["metadata"]["name"]] = {k: self.here(v).encode() for k, v in one["data"].items()}
        volumes = {volume["name"]: volume for volume in objects.pod["volumes"]}
        for mount in objects.container["volumeMounts"]:
            place = pathlib.Path(self.here(mount["mountPath"]))
            volume = volumes.get(mount["name"], {})
            source = volume.get("secret") or volume.get("configMap")
            if source:
                files = data[source.get("secretName") or source["name"]]
                if "items" in source:
                    files = {item["path"]: files[item["key"]] for item in source["items"]}
                kubelet_volume(place, files)
            elif mount["mountPath"] == STATE:
                place.mkdir(parents=True, exist_ok=True)
                for folder_above in (place, *place.parents[:3]):
                    folder_above.chmod(0o711)

    def here(self, text):
        return text.replace("/etc/rfeventd/", f"{self.root}/etc/rfeventd/").replace(STATE, f"{self.root}{STATE}")

    @property
    def arguments(self):
        return [self.here(word) for word in self.objects.container["args"]]

    @property
    def state_dir(self):
        return pathlib.Path(self.here(STATE))


class PodService(house.Service):
    """A daemon with the container's own arguments; only its ports are moved to free ones."""

    def __init__(self, machine):
        super().__init__(machine.state_dir)
        self.machine = machine

    def arguments(self):
        moved = [f"receiver.listen=['127.0.0.1:{self.port}']",
                 f"receiver.listen_plain=['127.0.0.1:{self.plain_port}']",
                 f"api.listen=['127.0.0.1:{self.api_port}']"]
        return [str(house.BUILD / "rfeventd"), *self.machine.arguments,
                *itertools.chain(*(("--set", one) for one in moved))]

    def probe(self, kind):
        """The status that a kubelet would get."""
        ask = self.machine.objects.container[f"{kind}Probe"]["httpGet"]
        port = {"events": self.port, "events-plain": self.plain_port, "api": self.api_port}[ask["port"]]
        unchecked = ssl._create_unverified_context()  # noqa: SLF001 - as kubelets do
        with urllib.request.urlopen(f"{ask['scheme'].lower()}://127.0.0.1:{port}{ask['path']}", timeout=5,
                                    context=unchecked if ask["scheme"] == "HTTPS" else None) as answer:
            return answer.status


class ContainedService(house.Service):
    """A daemon that is a container's first process, as a plain user: its pids begin at 1."""
    shell = ["unshare", "--pid", "--fork", "--mount-proc"]
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=KILL"]

    def arguments(self):
        program = self.state_dir / "rfeventd"  # where that user can reach it
        if not program.exists():
            shutil.copy(house.BUILD / "rfeventd", program)
        return [*self.shell, *self.user, str(program), *super().arguments()[1:]]

    def kill(self):
        """The first process, and with it the kernel ends all of the container."""
        pid = self.process.pid
        for first in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(first), signal.SIGKILL)
        self.process.wait()
