"""What people are told of: failed runs, a silent daemon, no code server, days that are late, no webserver.

A deploy replaces each task once, in less time than an alarm waits. What nobody could ask for longer is an alarm too;
that of failed runs has no state until they are counted again.
"""

from __future__ import annotations

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

SILENCE = 300
"""Seconds without a heartbeat of some part of the daemon; each part beats at least every 60."""


@dataclass(frozen=True)
class Limit:
    """When a measure of `infra.watch` is an alarm.

    Attributes:
        least: The value that is one.
        minutes: A period, in which the measure is taken at least once.
        periods: So many of them after each other.
        description: What people are told.
        missing: What a period without the measure counts as.
    """

    least: int
    minutes: int
    periods: int
    description: str
    missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.BREACHING


LIMITS = {
    "failed_runs": Limit(
        1,
        5,
        1,
        "runs have failed in the last 15 minutes; the Dagster UI shows them under Runs",
        cloudwatch.TreatMissingData.MISSING,
    ),
    "daemon_silence_seconds": Limit(
        SILENCE, 5, 3, "a part of the Dagster daemon is silent, or nobody could ask: nothing is scheduled"
    ),
    "location_error": Limit(
        1, 5, 3, "the code server does not answer, or could not load the catalog: nothing is scheduled"
    ),
    "days_late": Limit(
        1, 15, 2, "tables lack the day that was due by their deadline, or nobody could ask; the UI's assets show which"
    ),
}
"""Measure of `infra.watch` -> its limit."""


def watch_alarms(
    scope: Construct, *, name: str, log: logs.LogGroup, service: ecs.FargateService, topic: sns.ITopic
) -> None:
    """Turn the lines of `infra.watch` into metrics, and metrics into alarms, once the service that writes them runs."""
    for measure, limit in LIMITS.items():
        logs.MetricFilter(
            scope,
            f"Metric-{measure}",
            log_group=log,
            metric_namespace=name,
            metric_name=measure,
            filter_pattern=logs.FilterPattern.exists(f"$.{measure}"),
            metric_value=f"$.{measure}",
        )
        metric = cloudwatch.Metric(
            namespace=name, metric_name=measure, statistic="Maximum", period=cdk.Duration.minutes(limit.minutes)
        )
        alarm = metric.create_alarm(
            scope,
            f"Alarm-{measure}",
            alarm_name=f"{name}-{measure.replace('_', '-')}",
            alarm_description=f"{name}: {limit.description}",
            threshold=limit.least,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=limit.periods,
            treat_missing_data=limit.missing,
        )
        alarm.add_alarm_action(actions.SnsAction(topic))
        alarm.node.add_dependency(service)


def webserver_alarm(
    scope: Construct, *, name: str, targets: elb.ApplicationTargetGroup, service: ecs.FargateService, topic: sns.ITopic
) -> None:
    """Tell when the load balancer finds no webserver in any zone."""
    alarm = targets.metrics.healthy_host_count(statistic="Maximum", period=cdk.Duration.minutes(5)).create_alarm(
        scope,
        "Alarm-no-webserver",
        alarm_name=f"{name}-no-webserver",
        alarm_description=f"{name}: no webserver is healthy",
        threshold=1,
        comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        evaluation_periods=2,
        treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
    )
    alarm.add_alarm_action(actions.SnsAction(topic))
    alarm.node.add_dependency(service)
