"""How AWS says no: one exception that knows its code, text and status, rendered in each service's own shape.

S3 answers with a bare `<Error>`, the query protocol wraps it in `<ErrorResponse>`, SQS answers JSON to JSON.
"""

import json
import uuid
from xml.sax.saxutils import escape

__all__ = ["AwsError", "render_error"]

_NAMESPACES = {
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
    "sqs": "http://queue.amazonaws.com/doc/2012-11-05/",
}


class AwsError(Exception):
    """A request that AWS would not carry out.

    Attributes:
        status: of the HTTP answer.
        code: AWS's error code, such as `AccessDenied`.
        message: AWS's text; it holds no secret.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


def render_error(refusal: AwsError, service: str, *, as_json: bool, resource: str = "") -> tuple[str, bytes]:
    """Write the refusal as the service would.

    Args:
        refusal: what to say.
        service: such as `s3`; decides the shape.
        as_json: whether the request was of the JSON protocol.
        resource: the path asked for, which S3 repeats.

    Returns:
        The content type and the body.
    """
    if as_json:
        body = json.dumps({"__type": f"com.amazon.coral.service#{refusal.code}", "message": refusal.message})
        return "application/x-amz-json-1.0", body.encode()
    fields = f"<Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message>"
    request_id = uuid.uuid4()
    if service == "s3":
        where = f"<Resource>{escape(resource)}</Resource><RequestId>{request_id.hex[:16].upper()}</RequestId>"
        return "application/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{fields}{where}</Error>'.encode()
    namespace = _NAMESPACES.get(service, "http://webservices.amazon.com/AWSFault/2005-15-09")
    return "text/xml", (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>Sender</Type>{fields}</Error>'
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()
