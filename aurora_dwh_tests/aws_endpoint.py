"""A local endpoint that speaks an AWS service's protocol by botocore's own model of it.

Requests and answers are held against the model: names, required members, types, lengths, patterns, enumerations. What
the service would do is the test's business: a function for each operation. `AWS_ENDPOINT_URL_<SERVICE>` leads here.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

import botocore.session
from botocore.model import OperationModel, Shape
from botocore.validate import ParamValidator

COMMON_ERRORS = {
    "Throttling",
    "ThrottlingException",
    "AccessDenied",
    "AccessDeniedException",
    "ServiceUnavailable",
    "InternalFailure",
}
_JAVA_BEYOND_BMP = r"\uD800\uDC00-\uDBFF\uDFFF"
"""How a model's pattern, which is Java's, has the characters of two surrogates."""

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class AwsError(Exception):
    """An error that the service answers with."""

    def __init__(self, code: str, message: str = "as the test wants it", *, status: int | None = None) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class AwsEndpoint:
    """An HTTP server for one service.

    Attributes:
        url: Its address.
        calls: The operations that were called, with their parameters, in order.
        wrong: What broke the model; each such request was answered with status 400.
        answers: Operation -> what it answers; may raise `AwsError`.
    """

    def __init__(self, service: str, answers: Mapping[str, Answer]) -> None:
        self.model = botocore.session.get_session().get_service_model(service)
        self.answers = dict(answers)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.regions: list[str] = []
        self.wrong: list[str] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, text = endpoint._handle(self.command, self.path, self.headers, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the base class's names

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def called(self, operation: str) -> list[dict[str, Any]]:
        """Return the parameters of each call of an operation."""
        return [parameters for name, parameters in self.calls if name == operation]

    def _handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        try:
            signed = re.match(
                rf"AWS4-HMAC-SHA256 Credential=[^/]+/\d+/([^/]+)/{self.model.signing_name}/", headers["Authorization"]
            )
            assert signed, "the request is not signed for this service"
            self.regions.append(signed[1])
            operation, parameters = self._read(method, path, headers, body)
            _hold(operation.input_shape, parameters)
        except (AssertionError, KeyError, ValueError) as error:
            self.wrong.append(f"{method} {path}: {error!r}")
            return self._failed("ValidationException", str(error), 400)
        self.calls.append((operation.name, parameters))
        try:
            answer = dict(self.answers[operation.name](parameters))
        except AwsError as error:
            return self._failed(error.code, str(error), error.status or _status(operation, error.code))
        _hold(operation.output_shape, answer)
        return self._write(operation, answer)

    def _read(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[OperationModel, dict[str, Any]]:
        if self.model.metadata["protocol"] == "json":
            prefix, _, name = headers["X-Amz-Target"].partition(".")
            assert prefix == self.model.metadata["targetPrefix"]
            return self.model.operation_model(name), json.loads(body)
        if self.model.metadata["protocol"] == "query":
            fields = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
            assert fields.pop("Version") == self.model.api_version
            operation = self.model.operation_model(fields.pop("Action"))
            return operation, _nested(operation.input_shape, fields)
        for name in self.model.operation_names:
            operation = self.model.operation_model(name)
            template = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(operation.http["requestUri"]))
            if operation.http["method"] == method and (match := re.fullmatch(template, urlsplit(path).path)):
                return operation, {k: unquote(v) for k, v in match.groupdict().items()} | json.loads(body or b"{}")
        raise ValueError("no operation has this address")

    def _write(self, operation: OperationModel, answer: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        if self.model.metadata["protocol"] == "query":
            inner = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in answer.items())
            wrapper = operation.output_shape.serialization["resultWrapper"]
            text = f"<{operation.name}Response><{wrapper}>{inner}</{wrapper}></{operation.name}Response>"
            return 200, {"Content-Type": "text/xml"}, text.encode()
        status = int(answer.pop("Status", 200))
        return status, {"Content-Type": "application/json"}, json.dumps(answer, default=_epoch).encode()

    def _failed(self, code: str, message: str, status: int) -> tuple[int, dict[str, str], bytes]:
        if self.model.metadata["protocol"] == "query":
            error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
            return status, {"Content-Type": "text/xml"}, f"<ErrorResponse>{error}</ErrorResponse>".encode()
        return status, {"x-amzn-errortype": code}, json.dumps({"__type": code, "Message": message}).encode()


def _status(operation: OperationModel, code: str) -> int:
    """Return the HTTP status of one of the operation's errors."""
    told = {shape.name: shape.metadata.get("error", {}) for shape in operation.error_shapes}
    errors = {error.get("code", name): error for name, error in told.items()}
    assert code in COMMON_ERRORS | errors.keys(), code
    return int(errors.get(code, {}).get("httpStatusCode", 400))


def _epoch(value: object) -> float:
    assert isinstance(value, datetime)
    return value.timestamp()


def _nested(shape: Shape, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the query protocol's flat fields as the shape nests them; a field that it does not know is an error."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        head, _, rest = name.partition(".")
        member = shape.members[head]
        if member.type_name == "map":
            entry, number, part, *deeper = rest.split(".")
            assert entry == "entry", name
            slot = found.setdefault(head, {}).setdefault(number, {})
            if part == "Name":
                slot["name"] = value
            else:
                slot.setdefault("value", {})[deeper[0]] = value
        else:
            assert not rest, name
            found[head] = value
    return {
        name: {slot["name"]: slot["value"] for slot in value.values()} if isinstance(value, dict) else value
        for name, value in found.items()
    }


def _hold(shape: Shape, value: Any) -> None:
    """Hold a value against its shape: botocore's own validation, then what botocore leaves to the service."""
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), report.generate_report()
    _hold_texts(shape, value)


def _hold_texts(shape: Shape, value: Any) -> None:
    if shape.type_name == "structure":
        for name, member in value.items():
            _hold_texts(shape.members[name], member)
    elif shape.type_name == "string":
        pattern = shape.metadata.get("pattern", ".*").replace(_JAVA_BEYOND_BMP, r"\U00010000-\U0010FFFF")
        assert re.fullmatch(pattern, value, re.DOTALL), f"{shape.name}: {value!r}"
        assert value in shape.metadata.get("enum", [value]), f"{shape.name}: {value!r}"
        assert len(value) <= shape.metadata.get("max", len(value)), f"{shape.name}: {value!r}"
