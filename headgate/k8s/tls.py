"""TLS of the connection to the API server."""

from __future__ import annotations

import ssl
import tempfile

from headgate.k8s.config import ClusterConfig
from headgate.k8s.errors import AuthError, ConfigError


def context(config: ClusterConfig, certificate: bytes = b"", key: bytes = b"") -> ssl.SSLContext:
    """Return the TLS context with the trusted CAs, and the client certificate if there is one (PEM).

    Raises:
        ConfigError: the CA bundle is invalid.
        AuthError: certificate and key do not belong together, or are not PEM.
    """
    try:
        made = ssl.create_default_context(cadata=config.certificate_authority.decode("ascii") or None)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{config.origin}: the certificate authority is not PEM: {error}") from None
    # Python 3.13 requires extensions that older CAs of clusters do not have; Go's clients do not require them.
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if config.insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if certificate:
        _load(made, certificate, key, config.origin)
    return made


def _load(made: ssl.SSLContext, certificate: bytes, key: bytes, origin: str) -> None:
    """Load the client certificate from a temporary file of mode 0600, because Python's ssl reads files only."""
    with tempfile.NamedTemporaryFile(prefix="headgate-") as file:
        file.write(certificate.rstrip() + b"\n" + key)
        file.flush()
        try:
            made.load_cert_chain(file.name, password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            raise AuthError(f"{origin}: the client certificate and its key cannot be used: {error}") from None


def _no_password() -> str:
    """Prevent OpenSSL from asking for the password of an encrypted key on the terminal."""
    raise ValueError("the key is encrypted; give it without a password")
