"""What a bug report needs, as files: ``parts`` collects them, ``secrecy`` removes what is confidential."""

from headgate.bundle.archive import Part, archive, listing
from headgate.bundle.parts import collect

__all__ = ["Part", "archive", "collect", "listing"]
