"""Endpoints: made once, deployed to without a gap, and always able to go back.

The order of work keeps two promises. Requests go only to versions that serve: a version gets its share in the request
that deploys it, which Vertex AI applies once it is up, and leaves only after its share has gone. And nothing is done
twice: whoever comes after a crash waits for what is running, looks, and does only the rest.
https://cloud.google.com/vertex-ai/docs/predictions/deploy-model-api
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from wif_pipelines.errors import ConfigurationError, ConflictError, DeploymentFailedError, NotFoundError, RemoteError
from wif_pipelines.vertex import traffic
from wif_pipelines.vertex.connection import REQUEST_TIMEOUT, VertexConnection, explained
from wif_pipelines.vertex.deployments import DeployedVersion, Deployment, EndpointStatus, endpoint_status
from wif_pipelines.vertex.names import same_key
from wif_pipelines.vertex.operations import settle, wait_for_operation
from wif_pipelines.vertex.polling import PATIENT, Polling
from wif_pipelines.vertex.resources import deployed_model, endpoint_resource
from wif_pipelines.vertex.specs import EndpointSpec
from wif_pipelines.vertex.versions import ModelVersion
from wif_pipelines.wire import retrying
from wif_pipelines.wire.google_errors import is_transient

if TYPE_CHECKING:
    from google.cloud import aiplatform_v1

__all__ = ["DeployedVersion", "Deployment", "EndpointStatus", "Endpoints"]


class Endpoints:
    """The endpoints of one project and region.

    Args:
        connection: Where, and as whom.
        polling: How patiently to wait for each operation; a deployment takes some minutes.
    """

    def __init__(self, connection: VertexConnection, *, polling: Polling = PATIENT) -> None:
        self._connection = connection
        self._polling = polling

    def get(self, endpoint_id: str) -> EndpointStatus | None:
        """Look at an endpoint; None when there is none of this id.

        Raises:
            WifError: It cannot be read.
        """

        def send() -> "aiplatform_v1.Endpoint":
            name = self._name(endpoint_id)
            return self._connection.endpoints.get_endpoint(name=name, retry=None, timeout=REQUEST_TIMEOUT)

        try:
            found = self._connection.call(send, doing=f"reading the endpoint {endpoint_id}")
        except NotFoundError:
            return None
        return endpoint_status(found, project=self._connection.project)

    def ensure(self, spec: EndpointSpec) -> EndpointStatus:
        """The endpoint, made when there is none of this id. An existing one is left as it is.

        Raises:
            ConfigurationError: The spec does not fit the region.
            ConflictError: It exists under another key, which cannot be changed.
            DeploymentFailedError: It could not be made.
            WifError: Vertex AI refused.
        """
        spec.check_region(self._connection.region)
        status = self.get(spec.endpoint_id) or self._make(spec)
        if not same_key(status.kms_key, spec.kms_key):
            message = (
                f"The endpoint {status.name} is encrypted with {status.kms_key or 'a key of Google'}, "
                f"not with {spec.kms_key or 'a key of Google'}, and an endpoint's key cannot be changed."
            )
            raise ConflictError(message, remedy="Choose another endpoint_id, or delete the endpoint first.")
        return status

    def deploy(self, spec: EndpointSpec, version: ModelVersion) -> Deployment:
        """Bring a version to serve, with its share of the traffic; what served before stays, for a roll-back.

        A version that is deployed already is given the share and not deployed again, unless it is dead.

        Args:
            spec: The endpoint, made when it is missing, and how to deploy.
            version: What to deploy.

        Raises:
            DeploymentFailedError: The version does not serve. The traffic is as it was.
            WifError: As `ensure`.
        """
        self.ensure(spec)
        doing = f"deploying {version.versioned_name} to the endpoint {spec.endpoint_id}"
        with explained(doing):
            existing = retrying(
                lambda: self._find_or_deploy(spec, version, doing),
                on=is_transient,
                backoff=self._connection.backoff,
                clock=self._connection.clock,
            )
        status = self._look(spec.endpoint_id)
        deployed = _serving(status, version)
        share = traffic.given_to(status.living_traffic, deployed.id, spec.traffic_percent)
        if existing and share != status.traffic:
            status = self.route(spec.endpoint_id, share)
            deployed = _serving(status, version)
        return Deployment(status, deployed, existing)

    def route(self, endpoint_id: str, split: Mapping[str, int]) -> EndpointStatus:
        """Share the requests out.

        Args:
            endpoint_id: The endpoint.
            split: Percents by the ids of deployed models; must sum to 100.

        Raises:
            ConfigurationError: The split does not sum to 100, or names what cannot answer. Nothing was changed.
            ConflictError: Somebody else changed the endpoint meanwhile.
            WifError: Vertex AI refused.
        """
        before = self._look(endpoint_id)
        wanted = traffic.checked(split, deployed={version.id for version in before.alive})
        if wanted == before.traffic:
            return before

        def send() -> None:
            from google.cloud.aiplatform_v1 import Endpoint
            from google.protobuf.field_mask_pb2 import FieldMask

            self._connection.endpoints.update_endpoint(
                endpoint=Endpoint(name=self._name(endpoint_id), traffic_split=wanted, etag=before.etag),
                update_mask=FieldMask(paths=["traffic_split"]),
                retry=None,
                timeout=REQUEST_TIMEOUT,
            )

        try:
            self._connection.call(send, doing=f"sharing out the traffic of the endpoint {endpoint_id}")
        except ConflictError:
            # A repeated request conflicts with its own first attempt whose answer was lost.
            if self._look(endpoint_id).traffic != wanted:
                raise
        return self._look(endpoint_id)

    def rollback(self, endpoint_id: str, *, to: str | None = None) -> EndpointStatus:
        """Take the traffic from the newest version that has any, and give it back to what served before.

        Versions that share the traffic with it take it over in proportion; otherwise the newest older one that is
        alive gets all. The withdrawn version stays deployed, without traffic.

        Args:
            endpoint_id: The endpoint.
            to: Id of the deployed model that gets all instead.

        Raises:
            DeploymentFailedError: Nothing older is there to go back to. The traffic is as it was.
            WifError: As `route`.
        """
        status = self._look(endpoint_id)
        if to is not None:
            return self.route(endpoint_id, {to: 100})
        split = status.rolled_back()
        if not split:
            message = f"The endpoint {endpoint_id} holds no healthy older version to go back to."
            raise DeploymentFailedError(message, remedy="Deploy an older version of the model to it.", job=status.name)
        return self.route(endpoint_id, split)

    def undeploy(self, endpoint_id: str, deployed_id: str) -> EndpointStatus:
        """Stop a deployed model that gets no traffic, or that is the last one. One that is gone already is fine.

        Raises:
            ConfigurationError: It still gets traffic that others could take: `route` first.
            DeploymentFailedError: It could not be stopped.
            WifError: Vertex AI refused.
        """
        settle(self._connection, self._name(endpoint_id), polling=self._polling)
        status = self._look(endpoint_id)
        target = status.with_id(deployed_id)
        if target is None:
            return status
        if target.traffic_percent and len(status.deployed) > 1:
            message = f"The deployed model {deployed_id} still gets {target.traffic_percent} % of the traffic."
            raise ConfigurationError(message, remedy="Route its traffic to another version first.")
        self._undeploy(endpoint_id, deployed_id)
        return self._look(endpoint_id)

    def retire(self, endpoint_id: str, *, keep: Collection[str] = ()) -> EndpointStatus:
        """Undeploy everything without traffic, to stop paying for it.

        Args:
            endpoint_id: The endpoint.
            keep: Ids of deployed models to leave, such as the one to roll back to.

        Raises:
            WifError: As `undeploy`.
        """
        status = self._look(endpoint_id)
        for version in status.deployed:
            if not version.traffic_percent and version.id not in keep:
                status = self.undeploy(endpoint_id, version.id)
        return status

    def _make(self, spec: EndpointSpec) -> EndpointStatus:
        doing = f"making the endpoint {spec.endpoint_id}"

        def send() -> str:
            started = self._connection.endpoints.create_endpoint(
                parent=self._connection.parent,
                endpoint=endpoint_resource(spec),
                endpoint_id=spec.endpoint_id,
                retry=None,
                timeout=REQUEST_TIMEOUT,
            )
            return str(started.operation.name)

        try:
            name = self._connection.call(send, doing=doing)
            wait_for_operation(
                self._connection, name, doing=doing, polling=self._polling, failure=DeploymentFailedError
            )
        except ConflictError:
            # The id is taken: by somebody else meanwhile, or by our own first attempt whose answer was lost.
            settle(self._connection, self._name(spec.endpoint_id), polling=self._polling)
        return self._look(spec.endpoint_id)

    def _find_or_deploy(self, spec: EndpointSpec, version: ModelVersion, doing: str) -> bool:
        """Whether the version was deployed already."""
        settle(self._connection, self._name(spec.endpoint_id), polling=self._polling)
        status = self._look(spec.endpoint_id)
        found = status.find(version)
        if found is not None and not found.is_dead:
            return True
        split = traffic.given_to(status.living_traffic, traffic.NEWCOMER, spec.traffic_percent)
        started = self._connection.endpoints.deploy_model(
            endpoint=self._name(spec.endpoint_id),
            deployed_model=deployed_model(spec, version),
            traffic_split=split,
            retry=None,
            timeout=REQUEST_TIMEOUT,
        )
        name = started.operation.name
        wait_for_operation(self._connection, name, doing=doing, polling=self._polling, failure=DeploymentFailedError)
        return False

    def _undeploy(self, endpoint_id: str, deployed_id: str) -> None:
        doing = f"undeploying {deployed_id} from the endpoint {endpoint_id}"

        def send() -> str:
            started = self._connection.endpoints.undeploy_model(
                endpoint=self._name(endpoint_id),
                deployed_model_id=deployed_id,
                retry=None,
                timeout=REQUEST_TIMEOUT,
            )
            return str(started.operation.name)

        try:
            name = self._connection.call(send, doing=doing)
        except RemoteError:
            # A repeated request is refused when its own first attempt, whose answer was lost, is at work or done.
            settle(self._connection, self._name(endpoint_id), polling=self._polling)
            if self._look(endpoint_id).with_id(deployed_id) is None:
                return
            raise
        wait_for_operation(self._connection, name, doing=doing, polling=self._polling, failure=DeploymentFailedError)

    def _look(self, endpoint_id: str) -> EndpointStatus:
        status = self.get(endpoint_id)
        if status is None:
            message = f"There is no endpoint {endpoint_id} in {self._connection.parent}."
            raise NotFoundError(message, remedy="Check the id and the region, or deploy to it: that makes it.")
        return status

    def _name(self, endpoint_id: str) -> str:
        return f"{self._connection.parent}/endpoints/{endpoint_id}"


def _serving(status: EndpointStatus, version: ModelVersion) -> DeployedVersion:
    deployed = status.find(version)
    if deployed is None or deployed.is_dead:
        said = f": {deployed.message}" if deployed and deployed.message else "."
        message = f"{version.versioned_name} does not serve on {status.name}{said}"
        raise DeploymentFailedError(message, remedy=f"Read the endpoint's logs: {status.logs_url}", job=status.name)
    return deployed
