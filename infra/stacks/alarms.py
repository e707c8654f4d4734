"""What people are told of: failed runs, a silent daemon, days that are late, no webserver."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

SILENCE = 300
"""Seconds without a heartbeat of some part of the daemon; each part beats at least every 60."""

LIMITS = {  # measures of infra.watch
    "failed_runs": (1, "runs have failed in the last 15 minutes; the Dagster UI shows them under Runs"),
    "daemon_silence_seconds": (
        SILENCE,
        "a part of the Dagster daemon is silent, or nobody could ask: nothing is scheduled",
    ),
    "days_late": (1, "tables lack yesterday after the deadline; the UI's assets show which"),
    "webserver_unreachable": (1, "a webserver does not answer"),
}


def platform_alarms(
    scope: Construct,
    *,
    name: str,
    watch_log: logs.LogGroup,
    targets: elb.ApplicationTargetGroup | None,
    topic: sns.ITopic,
) -> None:
    """Turn the lines of `infra.watch` into metrics, and metrics into alarms."""
    tell = actions.SnsAction(topic)
    for measure, (limit, description) in LIMITS.items():
        logs.MetricFilter(
            scope,
            f"Metric-{measure}",
            log_group=watch_log,
            metric_namespace=name,
            metric_name=measure,
            filter_pattern=logs.FilterPattern.exists(f"$.{measure}"),
            metric_value=f"$.{measure}",
        )
        metric = cloudwatch.Metric(
            namespace=name, metric_name=measure, statistic="Maximum", period=cdk.Duration.minutes(5)
        )
        silent = measure == "daemon_silence_seconds"
        metric.create_alarm(
            scope,
            f"Alarm-{measure}",
            alarm_name=f"{name}-{measure.replace('_', '-')}",
            alarm_description=f"{name}: {description}",
            threshold=limit,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=2 if silent else 1,
            # Where nobody reports, nobody watches: that is an alarm too.
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING
            if silent
            else cloudwatch.TreatMissingData.NOT_BREACHING,
        ).add_alarm_action(tell)
    if targets is None:
        return
    targets.metrics.healthy_host_count(statistic="Minimum", period=cdk.Duration.minutes(5)).create_alarm(
        scope,
        "Alarm-no-webserver",
        alarm_name=f"{name}-no-webserver",
        alarm_description=f"{name}: no webserver is healthy",
        threshold=1,
        comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        evaluation_periods=2,
        treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
    ).add_alarm_action(tell)
