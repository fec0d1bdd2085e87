"""The address that `clorp up` serves on: taken before anything starts, and kept until the end."""

import errno
import socket

import click

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104
_BACKLOG = 2048  # gunicorn's own; who comes while web is started anew waits here instead of being refused


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one.

    Raises:
        ClickException: this cannot be done; it says why.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # `::` is every address, those of IPv4 too.
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server(address, family=family, backlog=_BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            told = f"Port {port} is taken. Choose another one: clorp up --port {port + 1}"
        else:
            told = f"Cannot listen on {_joined(host, port)}: {_reason(error)}. See --host and --port."
        raise click.ClickException(told) from None


def url(host: str, listener: socket.socket) -> str:
    """Where those on this machine reach it."""
    reachable = "127.0.0.1" if host in _EVERYWHERE else host
    return f"http://{_joined(reachable, listener.getsockname()[1])}"


def everywhere(listener: socket.socket) -> bool:
    """Return whether it listens on every address: then none of them is the one that others know."""
    return str(listener.getsockname()[0]) in _EVERYWHERE


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reason(error: OSError) -> str:
    # Python puts more into its sentence than the system's, and other sentences for names.
    return str(error.strerror).partition(" (while ")[0]
