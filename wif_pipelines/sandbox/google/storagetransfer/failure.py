"""Why an object, or a whole run, could not be transferred."""


class TransferFailure(Exception):  # noqa: N818 - what an object met, counted rather than thrown at callers
    """A failure with the google.rpc.Code name under which error breakdowns count it.

    Args:
        code: For example `PERMISSION_DENIED`.
        message: What happened, in the words of whoever refused.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    @property
    def passing(self) -> bool:
        """Whether trying again may help."""
        return self.code in {"UNAVAILABLE", "DATA_LOSS", "RESOURCE_EXHAUSTED"}


class RunInterruptedError(Exception):
    """The run was cancelled, or the sandbox is going down: what is under way stops where it is."""
