"""Secrets that flags name for our own listeners; they are read once, at the start."""

from __future__ import annotations

import ssl

from headgate.api import Secret
from headgate.k8s import Client, ConfigError, Folder, K8sError
from headgate.options import NamespacedName
from headgate.reporting.http import Login, tls_context


async def read_login(source: Client | Folder, named: NamespacedName, flag: str) -> Login:
    """Read the name and password of a ``kubernetes.io/basic-auth`` Secret.

    Raises:
        ConfigError: it cannot be used; the message names *flag*.
    """
    secret = await _read(source, named, flag)
    name, word = secret.value("username"), secret.value("password")
    if name is None or word is None:
        raise ConfigError(f"{flag}: {named} needs the keys username and password")
    return Login(name, word)


async def read_certificate(source: Client | Folder, named: NamespacedName, flag: str) -> ssl.SSLContext:
    """Read a ``kubernetes.io/tls`` Secret.

    Raises:
        ConfigError: it cannot be used; the message names *flag*.
        BadCertificateError: certificate and key do not make a TLS server.
    """
    secret = await _read(source, named, flag)
    certificate, key = secret.value("tls.crt"), secret.value("tls.key")
    if certificate is None or key is None:
        raise ConfigError(f"{flag}: {named} needs the keys tls.crt and tls.key")
    return tls_context(certificate, key)


async def _read(source: Client | Folder, named: NamespacedName, flag: str) -> Secret:
    ref = Secret.KIND.ref(named.namespace, named.name)
    if isinstance(source, Folder):
        found = next((item for item in source.load() if item.ref == ref), None)
        if isinstance(found, Secret):
            return found
        raise ConfigError(f"{flag}: the folder has no Secret {named}")
    try:
        return Secret.convert(await source.get(Secret.KIND, named.namespace, named.name))
    except K8sError as error:
        raise ConfigError(f"{flag}: the Secret {named} cannot be read: {error}") from error
