"""Where alerts go, as the environment says: nowhere where nothing is set.

The webhook's address is a secret, for whoever knows it can write to the channel.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aurora_dwh.orchestration.automation.channels import Channel, SnsTopic, Webhook
from aurora_dwh.settings.environment import ConfigError, Environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

TOPIC = "ALERT_SNS_TOPIC_ARN"
WEBHOOK = "ALERT_WEBHOOK_URL"
UI = "DAGSTER_UI_URL"

_TOPIC_ARN = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}"


@dataclass(frozen=True, kw_only=True)
class AlertSettings:
    """Where alerts go."""

    topic_arn: str | None = None  # the SNS topic; None for none
    webhook_url: SecretStr | None = None  # the address that takes Slack's `{"text": ...}`; None for none
    ui_url: str | None = None  # where people open the Dagster UI, without a slash at its end; None leaves links out

    @staticmethod
    def from_env(environ: Mapping[str, str] | None = None) -> AlertSettings:
        """Read the ALERT_* variables and DAGSTER_UI_URL; raises a ConfigError that repeats no value."""
        env = Environment(os.environ if environ is None else environ)
        topic = env.text(TOPIC) and env.matching(TOPIC, _TOPIC_ARN, "the ARN of an SNS topic (no FIFO topic)", "")
        webhook = env.secret(WEBHOOK)
        if webhook and not _is_address(webhook.get_secret_value().strip()):
            env.problems.append(f"{WEBHOOK} is not an address that begins with https:// or http://")
        ui = env.text(UI)
        if ui and not _is_address(ui):
            env.problems.append(f"{UI} is not an address that begins with https:// or http://")
        if env.problems:
            raise ConfigError(env.problems)
        return AlertSettings(topic_arn=topic, webhook_url=webhook, ui_url=ui and ui.rstrip("/"))

    def channels(self) -> dict[str, Channel]:
        """Return the ways out, by the variable that configures each."""
        ways: dict[str, Channel | None] = {
            TOPIC: SnsTopic(self.topic_arn) if self.topic_arn else None,
            WEBHOOK: Webhook(self.webhook_url) if self.webhook_url else None,
        }
        return {name: way for name, way in ways.items() if way}


def configured(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the variables of channels that are set, whatever they hold."""
    env = Environment(os.environ if environ is None else environ)
    return [name for name in (TOPIC, WEBHOOK) if env.text(name)]


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
