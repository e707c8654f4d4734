"""The alert sensors: failed runs and failed checks are told to an SNS topic, to a webhook, to both, or to nobody.

Each channel has a sensor of its own with its own cursor, which moves when the channel has taken the message: what one
channel refuses is told to that one at the next tick, and to no other a second time. A tick sends one message at most.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import dagster as dg

from aurora_dwh.orchestration.automation.alert_settings import TOPIC, WEBHOOK, AlertSettings, configured
from aurora_dwh.orchestration.automation.channels import Message, SendError
from aurora_dwh.orchestration.automation.failure_events import Incident, Place, incidents_after

INCIDENTS_SHOWN = 10
"""How many incidents of a message have lines of their own; the others are counted."""

INTERVAL_SECONDS = 30

_MARKS = {"error": "FAILED", "warning": "WARNING"}
_COUNTED = {"error": "failure", "warning": "warning"}
_CHANNELS = {TOPIC: ("alerts_sns", "the SNS topic"), WEBHOOK: ("alerts_webhook", "the webhook")}


def build_alert_sensors(environ: Mapping[str, str] | None = None) -> list[dg.SensorDefinition]:
    """Return a sensor for each channel that is configured.

    What a variable holds is looked at when a tick needs it: a mistake there fails the tick, where the UI shows it, and
    not the whole code location.
    """
    return [_sensor(variable, *_CHANNELS[variable]) for variable in configured(environ)]


def compose(incidents: Sequence[Incident], ui_url: str | None) -> Message:
    """Return the one message that tells of incidents, failures before warnings."""
    ordered = sorted(incidents, key=lambda incident: list(_MARKS).index(incident.severity))
    counts = {word: sum(i.severity == severity for i in ordered) for severity, word in _COUNTED.items()}
    shown = ordered[:INCIDENTS_SHOWN]
    lines = [line for incident in shown for line in _lines(incident, ui_url)]
    if len(ordered) > len(shown):
        lines.append(f"and {len(ordered) - len(shown)} more{f': {ui_url}/runs' if ui_url else ''}")
    subject = " and ".join(f"{n} {word}{'' if n == 1 else 's'}" for word, n in counts.items() if n)
    return Message(f"aurora-dwh: {subject}", "\n".join(lines), ordered[0].severity)


def _sensor(variable: str, name: str, where: str) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Tells {where} of runs that fail and checks that do not pass; one message a tick at most.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if context.cursor is None:
            start = Place.end(context.instance)
            return dg.SensorResult(skip_reason="what fails from now on is told", cursor=json.dumps(vars(start)))
        origin = context.code_location_origin
        found, place = incidents_after(
            context.instance, Place(**json.loads(context.cursor)), location=origin.location_name if origin else None
        )
        if not found:
            return dg.SensorResult(skip_reason="nothing failed", cursor=json.dumps(vars(place)))
        settings = AlertSettings.from_env()
        message = compose(found, settings.ui_url)
        try:
            settings.channels()[variable].send(message)
        except SendError as error:  # a tick that fails leaves the cursor where it was
            raise SendError(f"{error}; tried again at the next tick: {message.subject}") from None
        return dg.SensorResult(skip_reason=f"told {where} of {message.subject}", cursor=json.dumps(vars(place)))

    return alerts


def _lines(incident: Incident, ui_url: str | None) -> list[str]:
    link = [f"{ui_url}{incident.path}" if ui_url else incident.path]
    return [f"{_MARKS[incident.severity]} {incident.what}", *(f"  {line}" for line in [*incident.reasons, *link])]
