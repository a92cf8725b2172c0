"""Certificates of a private authority, as files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class TlsMaterial:
    """Paths of PEM files; `stranger` is an authority that signed none of them."""

    authority: Path
    server_certificate: Path
    server_key: Path
    client_certificate: Path
    client_key: Path
    stranger: Path


def make_tls_material(directory: Path) -> TlsMaterial:
    """Write an authority and what it signed for `localhost` and for a client."""
    authority, stranger = trustme.CA(), trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1")
    client = authority.issue_cert("client@shop.example")
    return TlsMaterial(
        authority=_write(directory / "authority.pem", authority.cert_pem),
        server_certificate=_write(directory / "server.pem", *server.cert_chain_pems),
        server_key=_write(directory / "server.key", server.private_key_pem),
        client_certificate=_write(directory / "client.pem", *client.cert_chain_pems),
        client_key=_write(directory / "client.key", client.private_key_pem),
        stranger=_write(directory / "stranger.pem", stranger.cert_pem),
    )


def _write(path: Path, *blobs: trustme.Blob) -> Path:
    path.write_bytes(b"".join(blob.bytes() for blob in blobs))
    return path
