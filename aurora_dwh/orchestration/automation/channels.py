"""The two ways out for an alert: an SNS topic, and a webhook that takes what Slack's incoming webhooks take.

A channel sends one message or raises `SendError`, whose text never holds the webhook's address. Nothing is tried again
here: the sensor does that at its next tick.
"""

from __future__ import annotations

import html
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from aurora_dwh.settings.aws import sns_client

if TYPE_CHECKING:
    from pydantic import SecretStr

SECONDS = 10
"""How long a webhook may take to answer; Dagster gives a whole tick 60."""

SUBJECT_CHARACTERS = 99
"""SNS takes less than 100."""


class SendError(Exception):
    """A message was not taken."""


@dataclass(frozen=True)
class Message:
    """An alert as it is sent."""

    subject: str  # its first line
    body: str  # the other lines
    severity: str  # `error` where anything failed, `warning` where there are warnings alone


@dataclass(frozen=True)
class SnsTopic:
    """An SNS topic. Subscriptions can filter by the message attribute `severity`."""

    arn: str

    def send(self, message: Message) -> None:
        """Publish a message, in the topic's own Region."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            sns_client(self.arn.split(":")[3]).publish(
                TopicArn=self.arn,
                Subject=message.subject[:SUBJECT_CHARACTERS],
                Message=message.body,
                MessageAttributes={"severity": {"DataType": "String", "StringValue": message.severity}},
            )
        except (BotoCoreError, ClientError) as error:
            raise SendError(f"SNS did not take the alert: {error}") from None


@dataclass(frozen=True)
class Webhook:
    """An address that takes `{"text": ...}`, as Slack, Mattermost and Google Chat have them."""

    url: SecretStr

    def send(self, message: Message) -> None:
        """Post a message."""
        # Else Slack would take parts of it for markup of its own: links, mentions of a whole channel.
        text = html.escape(f"{message.subject}\n{message.body}", quote=False)
        body = json.dumps({"text": text}).encode()
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            request = urllib.request.Request(  # noqa: S310 - AlertSettings lets http and https through, no others
                self.url.get_secret_value().strip(), data=body, headers={"Content-Type": "application/json"}
            )
            with opener.open(request, timeout=SECONDS):
                return
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
        except urllib.error.URLError as error:
            reason = str(error.reason)
        except (OSError, HTTPException, ValueError) as error:
            reason = type(error).__name__  # some of these texts hold the address
        raise SendError(f"the webhook did not take the alert: {reason}")


Channel = SnsTopic | Webhook
"""A way out. What it does not take is a `SendError`."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for a failure: urllib would follow it with a GET, and the alert would be lost in silence."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
