"""TLS for MLLP connections: IHE ATNA, https://profiles.ihe.net/ITI/TF/Volume2/ITI-19.html."""

from __future__ import annotations

import ssl

from jiankang.kernel.errors import Invalid


def server_tls(certificate: str, key: str, clients: str) -> ssl.SSLContext | None:
    """What the listening side shows and asks for; None without a certificate. With `clients` nobody enters without one.

    Raises Invalid when a file cannot be used.
    """
    if not certificate:
        if clients:
            raise Invalid(
                "client certificates can only be asked for with a certificate of our own: set mllp_certificate"
            )
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key or None)
        if clients:
            context.load_verify_locations(clients)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise Invalid(f"the certificates of the MLLP door cannot be used: {error}") from None
    return context


def client_tls(authorities: str, certificate: str = "", key: str = "") -> ssl.SSLContext:
    """What the sending side trusts and shows. Raises Invalid when a file cannot be used."""
    try:
        context = ssl.create_default_context(cafile=authorities or None)
        if certificate:
            context.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as error:
        raise Invalid(f"the certificates cannot be used: {error}") from None
    return context
