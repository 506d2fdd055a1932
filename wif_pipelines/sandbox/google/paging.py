"""Page tokens of the lists that are read in order of a key."""

import base64
import binascii

from wif_pipelines.sandbox.google.errors import bad_request


def token_behind(key: str) -> str:
    """A page token that continues behind `key`."""
    return base64.urlsafe_b64encode(key.encode()).decode()


def key_of(token: str) -> str:
    """The key behind which a page starts; empty for the first page.

    Raises:
        ApiError: 400, when the token is not one of ours.
    """
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise bad_request("Invalid page token.", ("page_token", "Invalid page token.")) from None
