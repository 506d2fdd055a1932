"""What every resource of Vertex AI stands on."""

from dataclasses import dataclass

from wif_pipelines.sandbox.google.aiplatform.checks import Checks
from wif_pipelines.sandbox.google.aiplatform.names import Names
from wif_pipelines.sandbox.google.aiplatform.operations import Operations
from wif_pipelines.sandbox.google.call import Call
from wif_pipelines.sandbox.google.kernel import Kernel


@dataclass(frozen=True)
class Ground:
    """The parts that all resources share."""

    kernel: Kernel
    names: Names
    checks: Checks
    operations: Operations

    def audit(self, call: Call, method: str, resource: object) -> None:
        """Record an administrative call, by the RPC's name such as `JobService.CreateCustomJob`."""
        self.kernel.audit.write(
            service="aiplatform.googleapis.com",
            method=f"google.cloud.aiplatform.v1.{method}",
            resource=str(resource),
            principal=call.principal,
        )
