"""Is there a network? Asked in a bounded time, even where name look-ups hang."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

PORTS = {"http": 80, "https": 443}


def answering(urls: Sequence[str], seconds: float) -> list[str]:
    """Those URLs whose host (or proxy) accepts a connection within `seconds`, in their order."""
    accepted: set[str] = set()
    # No timeout bounds a look-up of a name, so it happens in threads that can be left behind.
    threads = [Thread(target=_knock, args=(url, seconds, accepted), daemon=True) for url in urls]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [url for url in urls if url in accepted]


def _knock(url: str, seconds: float, accepted: set[str]) -> None:
    with suppress(OSError, ValueError):
        socket.create_connection(_endpoint(url), timeout=seconds).close()
        accepted.add(url)


def _endpoint(url: str) -> tuple[str, int]:
    target = _through_proxy(urlsplit(url))
    return target.hostname or "", target.port or PORTS.get(target.scheme, 80)


def _through_proxy(target: SplitResult) -> SplitResult:
    proxies = getproxies()
    proxy = proxies.get(target.scheme) or proxies.get("all")
    if proxy is None or proxy_bypass(target.hostname or ""):
        return target
    return urlsplit(proxy if "//" in proxy else f"http://{proxy}")
