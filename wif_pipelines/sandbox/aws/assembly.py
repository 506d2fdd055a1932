"""Puts the AWS process together: state, seed, gate and server."""

from pathlib import Path

from moto.core.authorization import ActionAuthenticatorMixin
from moto.iam.access_control import PermissionResult
from moto.moto_server.werkzeug_app import create_backend_app
from moto.s3.models import FakeBucket
from werkzeug.serving import ThreadedWSGIServer

from wif_pipelines.sandbox.aws.callers import Callers
from wif_pipelines.sandbox.aws.gate import Gate
from wif_pipelines.sandbox.aws.http import bind
from wif_pipelines.sandbox.aws.issuer import GOOGLE_ISSUER
from wif_pipelines.sandbox.aws.keeper import StateKeeper
from wif_pipelines.sandbox.aws.seed import seed
from wif_pipelines.sandbox.aws.sessions import Sessions
from wif_pipelines.sandbox.aws.snapshot import Snapshots
from wif_pipelines.sandbox.aws.sts import SecurityTokenService
from wif_pipelines.sandbox.aws.web_identity import WebIdentityVerifier
from wif_pipelines.sandbox.world import World

__all__ = ["assemble"]


def assemble(world: World, directory: Path, google_keys: Path) -> tuple[ThreadedWSGIServer, StateKeeper, Callers]:
    """Load the state, seed what is missing, and bind a server on loopback that is ready to serve.

    Args:
        world: the names to seed.
        directory: where the state lies.
        google_keys: the JSON Web Key Set of `https://accounts.google.com`.

    Raises:
        SnapshotError: when there is a state that cannot be read.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    sessions = Sessions()
    snapshots = Snapshots(directory, world.aws_account, sessions)
    snapshots.load()
    seed(world)
    keeper = StateKeeper(snapshots)
    keeper.touch(["s3", "iam", "sqs"])
    callers = Callers(world.aws_account, sessions, world.instance_user)
    sts = SecurityTokenService(callers, sessions, WebIdentityVerifier({GOOGLE_ISSUER: google_keys}))
    _leave_decisions_to_the_gate()
    moto = {service: create_backend_app(service) for service in ("s3", "iam", "sqs")}
    gate = Gate(moto, account=world.aws_account, region=world.aws_region, callers=callers, sts=sts, keeper=keeper)
    return bind(gate), keeper, callers


def _leave_decisions_to_the_gate() -> None:
    # Moto weighs bucket policies on its own, even with enforcement off, and knows few conditions: the gate has decided.
    FakeBucket.get_permission = lambda *_: PermissionResult.PERMITTED
    ActionAuthenticatorMixin.request_count = 0
