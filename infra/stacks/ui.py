"""How people reach the Dagster UI: a load balancer inside the network, or one that signs people in first."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from infra.commands import UI_PORT, WEBSERVER_HEALTH_PATH
from infra.config import Config, Oidc
from infra.stacks.foundation import Foundation


class Ui(Construct):
    """The load balancer.

    Attributes:
        url: Where people open the UI, and where links in alerts lead.
        targets: The webservers, once `serve` has been called.
    """

    def __init__(self, scope: Construct, name: str, *, config: Config, foundation: Foundation) -> None:
        super().__init__(scope, name)
        self._config, self._vpc, ui = config, foundation.vpc, config.platform.ui
        self.balancer = elb.ApplicationLoadBalancer(
            self,
            "Alb",
            vpc=foundation.vpc,
            vpc_subnets=foundation.public if ui.internet_facing else foundation.private,
            internet_facing=ui.internet_facing,
            security_group=foundation.balancer,
            drop_invalid_header_fields=True,
            idle_timeout=cdk.Duration.minutes(10),  # the UI keeps a socket open
        )
        self.balancer.log_access_logs(foundation.log_bucket, "alb")
        host = ui.host_name or self.balancer.load_balancer_dns_name
        self.url = f"{'https' if ui.certificate_arn else 'http'}://{host}"

    def serve(self, service: ecs.FargateService) -> None:
        """Send what people ask for to the webservers."""
        ui = self._config.platform.ui
        self.targets = elb.ApplicationTargetGroup(
            self,
            "Webservers",
            vpc=self._vpc,
            port=UI_PORT,
            protocol=elb.ApplicationProtocol.HTTP,
            target_type=elb.TargetType.IP,
            targets=[service.load_balancer_target(container_name="webserver", container_port=UI_PORT)],
            health_check=elb.HealthCheck(path=WEBSERVER_HEALTH_PATH, healthy_threshold_count=2),
            deregistration_delay=cdk.Duration.seconds(30),
        )
        forward = elb.ListenerAction.forward([self.targets])
        self.balancer.add_listener(
            "Listener",
            port=443 if ui.certificate_arn else 80,
            protocol=elb.ApplicationProtocol.HTTPS if ui.certificate_arn else elb.ApplicationProtocol.HTTP,
            certificates=[elb.ListenerCertificate.from_arn(ui.certificate_arn)] if ui.certificate_arn else None,
            ssl_policy=elb.SslPolicy.RECOMMENDED_TLS if ui.certificate_arn else None,
            open=False,
            default_action=_sign_in(ui.oidc, forward) if ui.oidc else forward,
        )


def _sign_in(oidc: Oidc, then: elb.ListenerAction) -> elb.ListenerAction:
    return elb.ListenerAction.authenticate_oidc(
        issuer=oidc.issuer,
        authorization_endpoint=oidc.authorization_endpoint,
        token_endpoint=oidc.token_endpoint,
        user_info_endpoint=oidc.user_info_endpoint,
        client_id=oidc.client_id,
        client_secret=cdk.SecretValue.secrets_manager(oidc.client_secret_arn, json_field="client_secret"),
        session_timeout=cdk.Duration.hours(12),
        next=then,
    )
