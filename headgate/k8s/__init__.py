"""The sources of objects: an API server or a folder of manifests."""

from headgate.k8s.client import Client
from headgate.k8s.config import ClusterConfig, in_cluster, load, load_kubeconfig
from headgate.k8s.errors import (
    ApiError,
    AuthError,
    BadAnswer,
    ConfigError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    K8sError,
    NotFound,
    Unreachable,
)
from headgate.k8s.failure_log import FailureLog
from headgate.k8s.files import Folder, FolderSource
from headgate.k8s.fixed import Fixed, FixedSource
from headgate.k8s.informer import Change, ChangeType, Informer, Listing, Source
from headgate.k8s.leases import LeaderElector, LeaseTiming
from headgate.k8s.objects import FILE
from headgate.k8s.reading import Manifests
from headgate.k8s.resources import Resources
from headgate.k8s.store import Store
from headgate.k8s.workqueue import Batch, WorkQueue

__all__ = [
    "FILE",
    "ApiError",
    "AuthError",
    "BadAnswer",
    "Batch",
    "Change",
    "ChangeType",
    "Client",
    "ClusterConfig",
    "ConfigError",
    "Conflict",
    "FailureLog",
    "Fixed",
    "FixedSource",
    "Folder",
    "FolderSource",
    "Forbidden",
    "Gone",
    "Informer",
    "Invalid",
    "K8sError",
    "LeaderElector",
    "LeaseTiming",
    "Listing",
    "Manifests",
    "NotFound",
    "Resources",
    "Source",
    "Store",
    "Unreachable",
    "WorkQueue",
    "in_cluster",
    "load",
    "load_kubeconfig",
]
