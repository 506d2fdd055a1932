"""What every service stands on."""

from dataclasses import dataclass, field
from pathlib import Path

from wif_pipelines.sandbox.google.access.policies import Policies
from wif_pipelines.sandbox.google.access.tokens import Tokens
from wif_pipelines.sandbox.google.audit import AuditLog
from wif_pipelines.sandbox.google.clock import Clock
from wif_pipelines.sandbox.google.store import Store
from wif_pipelines.sandbox.world import World


@dataclass(frozen=True)
class Kernel:
    """The ground floor of the local Google Cloud; services are given it, and keep what they need of it.

    Attributes:
        directory: Where everything is kept; a service may have a folder of its own in it.
        world: The names of what stands from the start.
    """

    directory: Path
    world: World
    clock: Clock = field(default_factory=Clock)
    store: Store = field(init=False)
    tokens: Tokens = field(init=False)
    policies: Policies = field(init=False)
    audit: AuditLog = field(init=False)

    def __post_init__(self) -> None:
        """Open the store and what reads from it."""
        store = Store(self.directory)
        for name, value in (
            ("store", store),
            ("tokens", Tokens(store, self.clock)),
            ("policies", Policies(store)),
            ("audit", AuditLog(store, self.clock, self.world.project)),
        ):
            object.__setattr__(self, name, value)
