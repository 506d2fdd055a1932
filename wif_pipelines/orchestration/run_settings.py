"""Values of a pipeline's YAML that name an environment variable, read when a run needs them and not before.

A YAML value `env:NAME` stands for the variable NAME of the process that runs the step, so that the same code location
serves every environment, and definitions load where no variable is set.
"""

import dagster as dg

from wif_pipelines.errors import ConfigurationError

_PREFIX = "env:"


def resolved(value: str, *, field: str) -> str:
    """The value itself, or what the variable that it names holds.

    Args:
        value: As the YAML has it.
        field: The YAML's field, for the message.

    Raises:
        ConfigurationError: The variable is not set.
    """
    if not value.startswith(_PREFIX):
        return value
    name = value.removeprefix(_PREFIX)
    found = dg.EnvVar(name).get_value()
    if not found:
        raise ConfigurationError(
            f"{field} is taken from the environment variable {name}, which is not set here.",
            remedy=f"Set {name} for the process that runs Dagster's steps, or write the value in the pipeline's YAML.",
        )
    return found
