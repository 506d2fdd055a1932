"""How the token exchange says no: OAuth's error shape, not google.rpc.Status.

The texts were collected from real answers; those that nobody has published are worded in the same manner, and say so.
https://datatracker.ietf.org/doc/html/rfc6749#section-5.2
"""

from typing import Any


class ExchangeRefusedError(Exception):
    """A credential, or a request for a token, that is not accepted.

    Attributes:
        error: OAuth's error code, such as `invalid_grant`.
        description: The service's own text; it holds no secret.
        status: Of the HTTP answer.
    """

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status

    def as_json(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": self.error, "error_description": self.description}


def invalid_audience() -> ExchangeRefusedError:
    """The audience does not have the form of a provider's name."""
    text = (
        'Invalid value for "audience". This value should be the full resource name of the Identity Provider. '
        "See https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for the list of possible formats."
    )
    return ExchangeRefusedError("invalid_request", text)


def invalid_target() -> ExchangeRefusedError:
    """The provider, or its pool, is disabled, deleted, or never was; also when a project is named by its id."""
    text = (
        'The target service indicated by the "audience" parameters is invalid. This might either be because the pool '
        "or provider is disabled or deleted or because it doesn't exist."
    )
    return ExchangeRefusedError("invalid_target", text)


def rejected_by_condition() -> ExchangeRefusedError:
    """The provider's attribute condition is false for this credential."""
    return ExchangeRefusedError(
        "unauthorized_client", "The given credential is rejected by the attribute condition.", status=401
    )


def invalid_grant(description: str) -> ExchangeRefusedError:
    """The credential itself is bad."""
    return ExchangeRefusedError("invalid_grant", description)


def invalid_request(description: str) -> ExchangeRefusedError:
    """The request is bad, whatever the credential."""
    return ExchangeRefusedError("invalid_request", description)
