"""Download one picture from a public web address, and nothing else."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urlsplit

from xaicore.pictures.values import ImageError

MAX_BYTES = 20_000_000
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def read_url(
    url: str, max_bytes: int = MAX_BYTES, timeout: float = 15.0, *, allow_private: bool = False
) -> bytes:
    """Download one picture, over http or https only, redirections included.

    Args:
        max_bytes: the most that is read.
        timeout: seconds without an answer, and seconds for the whole download.
        allow_private: also from this machine and the networks that it is in; without it, neither an address
            nor a name or a redirection that leads there is followed, so that a page that takes addresses from
            strangers can't be made to read what only it can see.

    Raises:
        ImageError: another scheme, no such host or page, not public, too slow, or too large.
    """
    address = _checked(url)
    give_up = time.monotonic() + timeout
    request = urllib.request.Request(
        address, headers={"User-Agent": "xaicore", "Accept": "image/*,*/*;q=0.5"}
    )
    handlers: list[Any] = [_WebOnly] if allow_private else [_WebOnly, _PublicOnly, _SecurePublicOnly]
    data = bytearray()
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as answer:
            while part := answer.read1(1 << 16):  # what is there: read() waits for all, however slow
                data += part
                if len(data) > max_bytes:
                    raise ImageError(f"{url} is larger than {max_bytes / 1e6:g} MB. Use a smaller one.")
                if time.monotonic() > give_up:
                    raise ImageError(f"{url} took over {timeout:g} s. Download it by hand and upload it.")
    except urllib.error.HTTPError as error:
        raise ImageError(f"{url}: the server answers {error.code} ({error.reason}).") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, ImageError):
            raise
        reason = getattr(error, "reason", None) or error or type(error).__name__
        raise ImageError(f"{url} can't be reached ({reason}). Check the address and the network.") from None
    return bytes(data)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also where it holds another address inside."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inside: list[ipaddress.IPv4Address | ipaddress.IPv6Address | None] = [ip]
    if isinstance(ip, ipaddress.IPv6Address):
        inside += [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in NAT64:
            inside.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if ip.ipv4_mapped:
            inside.remove(ip)
    return all(each.is_global and not each.is_multicast for each in inside if each)


def _checked(url: str) -> str:
    """The address with blanks and what is not ASCII escaped. Raises ImageError unless it is http or https."""
    try:
        parts = urlsplit(url)
        web = parts.scheme.lower() in ("http", "https") and parts.hostname and "%" not in parts.netloc
    except ValueError:
        web = False
    if not web:
        raise ImageError(f"{url!r} is not a web address: it has to begin with http:// or https://.")
    safe = "%/:=&?~+!$,;'@()*[]"
    return parts._replace(path=quote(parts.path, safe), query=quote(parts.query, safe), fragment="").geturl()


def _resolved(host: str, port: int) -> list[str]:
    """The IP addresses of a host; raises ImageError unless all are public."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not all(is_public(address) for address in found):
        raise ImageError(
            f"{host} is not on the public internet. If you trust it: read_url(address, allow_private=True)."
        )
    return found


def _connect(host_and_port: tuple[str, int], *arguments: Any) -> socket.socket:
    """Like socket.create_connection, but to addresses that were looked at: a name may mean another later."""
    for address in (found := _resolved(*host_and_port)):
        try:
            return socket.create_connection((address, host_and_port[1]), *arguments)
        except OSError:
            if address == found[-1]:
                raise
    raise OSError("no address")


class _Connection(http.client.HTTPConnection):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._create_connection = _connect


class _SecureConnection(http.client.HTTPSConnection):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._create_connection = _connect


class _PublicOnly(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        if _behind_proxy(req):
            return super().http_open(req)
        return self.do_open(_Connection, req)


class _SecurePublicOnly(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        if _behind_proxy(req):
            return super().https_open(req)
        return self.do_open(_SecureConnection, req, context=ssl.create_default_context())


def _behind_proxy(request: urllib.request.Request) -> bool:
    """Whether a proxy fetches it, which may be private. Raises ImageError if the goal is not public."""
    if not (request.has_proxy() or getattr(request, "_tunnel_host", None)):
        return False
    with contextlib.suppress(socket.gaierror):  # only the proxy may know the name
        _resolved(str(urlsplit(request.full_url).hostname), 0)
    return True


class _WebOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        return super().redirect_request(req, fp, code, msg, headers, _checked(newurl))
