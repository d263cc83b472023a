"""What handlers have in common: the parts that the composition root provides, by name, and their words for a request and for who acts."""

from collections.abc import Callable
from typing import Any

from litestar import Request
from litestar.di import NamedDependency

from bmm.config import Config
from bmm.jobs.queue import Queue
from bmm.oauth.keys import Keys
from bmm.servers.events import Collector
from bmm.servers.reconcile import Reconciler
from bmm.store.db import Store
from bmm.vault import Vault

TheStore = NamedDependency[Store]
TheConfig = NamedDependency[Config]
TheVault = NamedDependency[Vault]
TheKeys = NamedDependency[Keys]
TheQueue = NamedDependency[Queue]
TheReconciler = NamedDependency[Reconciler]
TheCollector = NamedDependency[Collector]
OrganisationId = NamedDependency[str]
"""Whose servers the admin socket is about: the appliance's first organisation."""
Announce = NamedDependency[Callable[[str], None]]
"""Prints a line to the terminal of `bmm serve`."""
Wake = NamedDependency[Callable[[], None]]
"""Nudges reconcile, so that containers learn of a revoked grant at once."""
AnyRequest = Request[Any, Any, Any]
OPERATOR = "operator"
"""Who acts on the admin socket, as the audit log names them."""
