"""The real daemon with a real PostgreSQL, and what the tests need to talk to it."""
import contextlib
import os
import pathlib
import shutil
import tempfile

import pytest

import house
from cluster import Cluster

for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
             "NODE_EXTRA_CA_CERTS", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY",
             "ALL_PROXY", "all_proxy"):
    os.environ.pop(name, None)


@contextlib.contextmanager
def new_state_dir():
    """A fresh state directory that PostgreSQL's user can reach."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="rfeventd-e2e-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    if os.environ.get("RFEVENTD_KEEP_STATE"):
        print(f"state kept: {path}")
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def state_dir():
    with new_state_dir() as path:
        yield path


@pytest.fixture
def new_service(state_dir):
    """Makes services on one state directory; each is stopped at the end."""
    made = []

    def make(**options):
        service = house.Service(state_dir, **options)
        made.append(service)
        return service

    yield make
    for service in made:
        service.close()


@pytest.fixture
def service(new_service):
    """A service that is ready."""
    made = new_service()
    made.start()
    made.wait_ready()
    return made


@pytest.fixture(scope="module")
def module_state_dir():
    """For a service of the module's own making."""
    with new_state_dir() as path:
        yield path


@pytest.fixture(scope="module")
def shared_service():
    """One ready service for all tests of a module that only read or add."""
    with new_state_dir() as path:
        made = house.Service(path)
        made.start()
        made.wait_ready()
        yield made
        made.close()


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL that daemons may share, as a site's external one."""
    made = Cluster().start()
    yield made
    made.close()


@pytest.fixture
def cluster(server):
    """A fresh database on the module's server."""
    return server.new_database()


@pytest.fixture(scope="session")
def shared_data():
    """The folder with real registries and payloads, which is not part of the project."""
    path = house.ROOT / os.environ.get("RFEVENTD_SHARED", "../shared/data")
    if not path.is_dir():
        pytest.skip("../shared/data is not here: real payloads and registries are not tested")
    return path
