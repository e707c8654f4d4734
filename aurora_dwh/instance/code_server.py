"""A code server, asked whether it serves what it was started for."""

from __future__ import annotations

from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import ListRepositoriesResponse
from dagster._serdes import deserialize_value
from dagster_shared.error import SerializableErrorInfo


def location_error(host: str, port: int) -> str:
    """Return why a code server does not answer, or could not load its definitions; empty where it serves them."""
    try:
        answer = DagsterGrpcClient(host=host, port=port).list_repositories()
    except DagsterUserCodeUnreachableError as error:
        return str(error)
    loaded = deserialize_value(answer, (ListRepositoriesResponse, SerializableErrorInfo))
    return loaded.message if isinstance(loaded, SerializableErrorInfo) else ""
