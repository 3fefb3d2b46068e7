"""The data plane in nginx's words; has not heard of Kubernetes."""

from headgate.ir.apply import ApplyResult, Outcome
from headgate.ir.capabilities import Capabilities
from headgate.ir.files import File, FileSet
from headgate.ir.layout import Layout
from headgate.ir.live import Release

__all__ = ["ApplyResult", "Capabilities", "File", "FileSet", "Layout", "Outcome", "Release"]
