"""The bulk route: Google's Storage Transfer Service fetches the objects from S3; not one byte passes through us.

One reusable job a pipeline, under a name that we choose: each batch patches the job to its manifest (the exact names)
and runs it. Creating a job a run would meet the limit of 5,000 a day, and deleted jobs linger. A job has at most one
run at a time, so a worker that comes back finds its run again by the manifest's address.

Storage Transfer reads S3 with a role that trusts Google's transfer account; it is never given a key. It cannot name an
encryption key either, so the sink bucket's default key must be the right one (`bulk_job.preflight_policies`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wif_pipelines.errors import ConflictError, NotFoundError, RemoteError, TransferError, UnavailableError, WifError
from wif_pipelines.ingestion.bulk_job import BulkRoute, TransferAgent, transfer_job
from wif_pipelines.ingestion.bulk_status import TransferStatus, read_operation, remedy_for
from wif_pipelines.ingestion.manifest import transfer_csv, write_once
from wif_pipelines.ingestion.plan import Decision, bulk_obstacle
from wif_pipelines.wire.clock import SYSTEM, Clock
from wif_pipelines.wire.google_errors import translated
from wif_pipelines.wire.retry import retrying

if TYPE_CHECKING:
    from google.cloud.storage_transfer_v1 import StorageTransferServiceClient

_ACTIVE = ("QUEUED", "IN_PROGRESS", "PAUSED", "SUSPENDING")


def write_transfer_manifest(
    storage: Any, folder: str, decisions: Iterable[Decision], route: BulkRoute, *, kms_key: str | None = None
) -> str:
    """Write the list of names that a run copies, and return its address, which names its content.

    Args:
        storage: A `google.cloud.storage.Client`.
        folder: `gs://bucket/prefix/` to write under; the transfer account needs `storage.objects.get` there.
        decisions: What goes by this route.
        route: Whose source the names are relative to.
        kms_key: The key that encrypts the file; `None` for the bucket's default.

    Raises:
        TransferError: These locations cannot be mapped onto each other by folders.
        WifError: Cloud Storage refused.
    """
    if problem := bulk_obstacle(route.source, route.sink):
        raise TransferError(f"{problem}.", remedy="End both prefixes with '/', or use the proxy route.")
    names = ((each.source.key, each.source.version_id) for each in decisions)
    content = transfer_csv(names, root=route.source.prefix)
    uri = f"{folder.rstrip('/')}/{hashlib.sha256(content).hexdigest()}.csv"
    write_once(storage, uri, content, kms_key=kms_key)
    return uri


def launch(client: StorageTransferServiceClient, route: BulkRoute, manifest: str) -> str:
    """Run the pipeline's job on a manifest and return the run's name, or find the run that is already on it.

    Args:
        client: Of Storage Transfer Service, over REST.
        route: The pipeline's settings; the job is created or patched to them.
        manifest: Address of the list of names, from `write_transfer_manifest`.

    Raises:
        ConflictError: Another batch of this pipeline is being transferred.
        WifError: The service refused.
    """
    if (running := find_running(client, route)) is not None:
        return _same_batch(running, manifest)
    ensure_job(client, route, manifest)
    try:
        with _told(f"running {route.job_name}"):
            request = {"job_name": route.job_name, "project_id": route.project}
            name: str = client.run_transfer_job(request).operation.name
    except (ConflictError, RemoteError) as error:
        # The answer was lost, or another worker was first: the run is there all the same.
        if (running := find_running(client, route)) is None:
            raise error from error.__cause__
        return _same_batch(running, manifest)
    return name


def ensure_job(client: StorageTransferServiceClient, route: BulkRoute, manifest: str) -> None:
    """Create the pipeline's job, or patch it to these settings and this manifest.

    Raises:
        ConflictError: The job was deleted; its name is free again after 30 days.
        WifError: The service refused.
    """
    wanted = transfer_job(route, manifest)
    try:
        with _told(f"reading {route.job_name}"):
            present = client.get_transfer_job({"job_name": route.job_name, "project_id": route.project})
    except NotFoundError:
        with _told(f"creating {route.job_name}"):
            client.create_transfer_job({"transfer_job": wanted})
        return
    if present.status.name == "DELETED":
        raise ConflictError(
            f"{route.job_name} was deleted, and its name stays taken for 30 days.",
            remedy="Give the pipeline another name, or wait.",
            status=409,
        )
    mask = {"paths": ["description", "transfer_spec", "logging_config", "status"]}
    request = {
        "job_name": route.job_name,
        "project_id": route.project,
        "transfer_job": wanted,
        "update_transfer_job_field_mask": mask,
    }
    with _told(f"patching {route.job_name}"):
        client.update_transfer_job(request)


def find_running(client: StorageTransferServiceClient, route: BulkRoute) -> TransferStatus | None:
    """The run of the pipeline's job that has not ended, or `None`.

    Raises:
        WifError: The service did not tell.
    """
    wanted = {"projectId": route.project, "jobNames": [route.job_name], "transferStatuses": list(_ACTIVE)}

    def look() -> list[TransferStatus]:
        with _told(f"looking for runs of {route.job_name}"):
            found = client.list_operations({"name": "transferOperations", "filter": json.dumps(wanted)})
            return [read_operation(each) for each in found.operations]

    active = [each for each in retrying(look, on=UnavailableError) if not each.state.ended]
    return active[0] if active else None


def status(client: StorageTransferServiceClient, operation: str) -> TransferStatus:
    """Look at a run.

    Raises:
        NotFoundError: There is no such run.
        WifError: The service did not tell.
    """

    def look() -> TransferStatus:
        with _told(f"reading {operation}"):
            return read_operation(client.get_operation({"name": operation}))

    return retrying(look, on=UnavailableError)


def watch(
    client: StorageTransferServiceClient,
    operation: str,
    *,
    every: float = 10.0,
    deadline: float = 7 * 86_400.0,
    on_look: Callable[[TransferStatus], None] | None = None,
    clock: Clock = SYSTEM,
) -> TransferStatus:
    """Look at a run until it ends, and return the last look. The run goes on if the watcher dies.

    Args:
        client: Of Storage Transfer Service.
        operation: The run's name.
        every: Seconds between two looks; the first ones come sooner.
        deadline: Seconds to watch at most.
        on_look: Told of each look.
        clock: Whose time to wait in.

    Raises:
        UnavailableError: It has not ended by the deadline; it is still running.
        WifError: The service did not tell.
    """
    started, wait = clock.monotonic(), min(0.25, every)
    while True:
        look = status(client, operation)
        if on_look is not None:
            on_look(look)
        if look.state.ended:
            return look
        if clock.monotonic() - started > deadline:
            raise UnavailableError(f"{operation} still runs after {deadline:.0f} s.", remedy="Watch it again later.")
        clock.sleep(wait)
        wait = min(every, wait * 1.5)


def cancel(client: StorageTransferServiceClient, operation: str) -> None:
    """Ask a run to end; what has arrived stays. It ends as `ABORTED` a little later.

    Raises:
        WifError: The service refused.
    """
    with _told(f"cancelling {operation}"):
        client.cancel_operation({"name": operation})


def pause(client: StorageTransferServiceClient, operation: str) -> None:
    """Hold a run until `resume`.

    Raises:
        WifError: The service refused.
    """
    with _told(f"pausing {operation}"):
        client.pause_transfer_operation({"name": operation})


def resume(client: StorageTransferServiceClient, operation: str) -> None:
    """Let a paused run go on.

    Raises:
        WifError: The service refused.
    """
    with _told(f"resuming {operation}"):
        client.resume_transfer_operation({"name": operation})


def transfer_agent(client: StorageTransferServiceClient, project: str) -> TransferAgent:
    """The account with which Storage Transfer works for a project; asking creates it.

    Raises:
        WifError: The service refused.
    """

    def ask() -> TransferAgent:
        with _told(f"reading the transfer account of {project}"):
            found = client.get_google_service_account({"project_id": project})
        return TransferAgent(found.account_email, found.subject_id)

    return retrying(ask, on=UnavailableError)


def _same_batch(running: TransferStatus, manifest: str) -> str:
    if running.manifest == manifest:
        return running.operation
    raise ConflictError(
        f"{running.job} is transferring another batch ({running.manifest}, {running.operation}).",
        remedy="Wait until it ends, or cancel it; give pipelines that run at the same time names of their own.",
        status=409,
    )


@contextmanager
def _told(doing: str) -> Iterator[None]:
    """Turn what the client raises into our errors, with the remedies that are known for this service."""
    try:
        with translated(doing):
            yield
    except WifError as error:
        advice = remedy_for(error.message)
        if advice != remedy_for(""):
            error.remedy = advice
        raise
