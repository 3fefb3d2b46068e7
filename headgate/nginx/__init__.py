"""The nginx process: files, signals, Unix sockets. Nothing else in Headgate touches it."""

from headgate.nginx.capabilities import Binary, find_binary, parse, probe
from headgate.nginx.directories import prepare, worker_user
from headgate.nginx.errors import DiskError, LayoutError, NginxError, NoBinaryError
from headgate.nginx.latency import LatencyReceiver, Sample
from headgate.nginx.manager import LocalManager, Manager, ManagerOptions, ReloadStats
from headgate.nginx.procfs import Generations
from headgate.nginx.stats import StubStatus, status

__all__ = [
    "Binary",
    "DiskError",
    "Generations",
    "LatencyReceiver",
    "LayoutError",
    "LocalManager",
    "Manager",
    "ManagerOptions",
    "NginxError",
    "NoBinaryError",
    "ReloadStats",
    "Sample",
    "StubStatus",
    "find_binary",
    "parse",
    "prepare",
    "probe",
    "status",
    "worker_user",
]
