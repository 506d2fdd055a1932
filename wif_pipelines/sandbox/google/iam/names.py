"""Resource names of identities, in the one spelling under which each is kept."""

import re

from wif_pipelines.sandbox.world import World

ACCOUNT_NAME = re.compile(r"projects/([^/]+)/serviceAccounts/([^/]+)")


def project_id(world: World, project: str) -> str:
    """A project's id, given id or number."""
    return world.project if project == world.project_number else project


def by_number(world: World, name: str) -> str:
    """A resource name with the project's number in place of its id, as pools are kept and audiences spell them."""
    head, _, tail = name.removeprefix("projects/").partition("/")
    return f"projects/{world.project_number if head == world.project else head}/{tail}"


def project_of(world: World, name: str) -> str:
    """The project (`projects/ID`) that a resource name starts with."""
    return f"projects/{project_id(world, name.split('/')[1])}"


def account_name(project: str, email: str) -> str:
    """A service account's resource name."""
    return f"projects/{project}/serviceAccounts/{email}"
