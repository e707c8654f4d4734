"""Platform: Dagster on ECS Fargate. Webservers, exactly one daemon, one code server, and a task for each run.

With `size: small` the first three are containers of one task, which no load balancer leads to.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from aurora_dwh.lake.athena import GLUE_ACTIONS
from infra import commands
from infra.config import Config
from infra.config_fields import TaskSize
from infra.stacks.alarms import watch_alarms, webserver_alarm
from infra.stacks.common import acknowledge, bucket_finding, finding, lake_access
from infra.stacks.foundation import Foundation
from infra.stacks.source import Source
from infra.stacks.storage import dagster_storage
from infra.stacks.tasks import (
    SHORT_STOP,
    START,
    Tasks,
    code_name,
    container_image,
    dagster_environment,
    log_group,
    product_environment,
)
from infra.stacks.ui import Ui
from infra.stacks.warehouse import LAKE_PREFIX, Warehouse

LOG_PREFIX = "dagster"
"""Of the steps' output in the log bucket, as in infra/dagster.yaml."""


class Platform(cdk.Stack):
    """Dagster, running."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        config: Config,
        foundation: Foundation,
        source: Source,
        warehouse: Warehouse,
        **stack: Any,
    ) -> None:
        super().__init__(scope, name, **stack)
        self._config, self._foundation, self._source, self._warehouse = config, foundation, source, warehouse
        self._is_small = config.platform.size == "small"
        storage = dagster_storage(self, config=config, foundation=foundation)
        self._sessions = log_group(self, config, "sessions")
        self._cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name=config.name,
            vpc=foundation.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
            execute_command_configuration=ecs.ExecuteCommandConfiguration(
                logging=ecs.ExecuteCommandLogging.OVERRIDE,
                log_configuration=ecs.ExecuteCommandLogConfiguration(cloud_watch_log_group=self._sessions),
            ),
            default_cloud_map_namespace=None
            if self._is_small
            else ecs.CloudMapNamespaceOptions(name=f"{config.name}.internal"),
        )
        # A load balancer's scheme cannot be changed, and a target group belongs to one load balancer only: with another
        # name for each scheme both are made anew.
        name = "PublicUi" if config.platform.ui.internet_facing else "Ui"
        self.ui = None if self._is_small else Ui(self, name, config=config, foundation=foundation)
        opened = f"http://localhost:{commands.UI_PORT}"  # by infra.open
        environment = {
            **product_environment(config, foundation, source, warehouse),
            **dagster_environment(config, foundation, storage),
            "DAGSTER_UI_URL": self.ui.url if self.ui else opened,
        }
        self._tasks = Tasks(self, config, container_image(self, config), environment, storage)
        run, self._run_log = self._run()
        code = [self._code_server(), *(self._code_server(name) for name in config.platform.locations)]
        daemon = self._daemon(run)
        webserver = self._webserver(run)
        self._migrate_first(code)
        if self.ui:
            # The daemon comes last: where a small task had one, that task is gone by then.
            webserver.node.add_dependency(*code)
            daemon.node.add_dependency(*code, webserver)
            self._tell_addresses(self.ui)
        else:
            self._wait_for_code(webserver.task_definition)
        cdk.CfnOutput(
            self,
            "OpenCommand",
            value="python -m infra.open",
            description="Opens the Dagster UI on one's own machine, without a VPN: run it in the repository's root",
        )
        cdk.CfnOutput(
            self,
            "RunCommand",
            value=self._run_task("run", *commands.DOCTOR),
            description="Runs a command beside the databases; docs/deployment.md has others to put in place of doctor",
        )
        if source.admin_secret:
            self._seed(source.admin_secret)

    def _tell_addresses(self, ui: Ui) -> None:
        """Print where people open the UI, and what has to be written elsewhere for it."""
        name = self._config.platform.ui.host_name
        cdk.CfnOutput(self, "Url", value=ui.url, description="The Dagster UI, for those who are in the network")
        if name:
            target, what = ui.balancer.load_balancer_dns_name, f"What {name} is to be an alias or a CNAME of"
            cdk.CfnOutput(self, "UiTarget", value=target, description=what)
        if self._config.platform.ui.oidc:
            cdk.CfnOutput(
                self,
                "OidcCallback",
                # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html
                value=f"{ui.url}/oauth2/idpresponse",
                description="The address that the identity provider is to allow as a redirect",
            )

    def _run(self) -> tuple[ecs.FargateTaskDefinition, logs.LogGroup]:
        """A run's task, which alone reads the source, writes the lake and loads Redshift; and where its output goes."""
        config = self._config
        task = self._tasks.definition("run", config.platform.run)
        log = self._tasks.container(task, "run", ["dagster", "--version"])  # the launcher says what to run
        role = task.task_role
        self._read_secrets(role)
        for statement in (
            *lake_access(self._warehouse.lake, LAKE_PREFIX, write=True),
            *lake_access(self._foundation.log_bucket, LOG_PREFIX, write=True),
            iam.PolicyStatement(
                actions=["redshift-serverless:GetCredentials", "redshift-serverless:GetWorkgroup"],
                resources=[self._warehouse.workgroup.attr_workgroup_workgroup_arn],
            ),
        ):
            role.add_to_principal_policy(statement)
        findings = {
            bucket_finding(self, self._warehouse.lake, LAKE_PREFIX): "A run writes any object of the lake.",
            bucket_finding(self, self._foundation.log_bucket, LOG_PREFIX): "A run writes its output.",
        }
        if config.bi:
            datasets = self.format_arn(service="quicksight", resource="dataset", resource_name=f"{config.name}-*")
            role.add_to_principal_policy(
                iam.PolicyStatement(
                    actions=["quicksight:CreateIngestion", "quicksight:DescribeIngestion"],
                    resources=[datasets, f"{datasets}/ingestion/*"],
                )
            )
            for resource in (datasets, f"{datasets}/ingestion/*"):
                findings[f"IAM5[Resource::{finding(self, resource)}]"] = (
                    "The datasets of this deployment, by the beginning of their ids."
                )
        if config.warehouse.glue_database:
            tables = self._glue_table(config.warehouse.glue_database)
            role.add_to_principal_policy(
                iam.PolicyStatement(
                    actions=[f"glue:{action}" for action in GLUE_ACTIONS],
                    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsglue.html
                    resources=[*self._glue_above(config.warehouse.glue_database), tables],
                )
            )
            findings[f"IAM5[Resource::{finding(self, tables)}]"] = "The tables of a database of its own."
        for rule, reason in findings.items():
            acknowledge(role.node.find_child("DefaultPolicy"), rule, reason)
        return task, log

    def _glue_above(self, database: str) -> list[str]:
        """The catalog and the database, which each permission on a table of Glue has to name too."""
        return [
            self.format_arn(service="glue", resource="catalog"),
            self.format_arn(service="glue", resource="database", resource_name=database),
        ]

    def _glue_table(self, database: str) -> str:
        return str(self.format_arn(service="glue", resource="table", resource_name=f"{database}/*"))

    def _code_server(self, location: str | None = None) -> ecs.FargateService:
        """Serves definitions, and evaluates schedules and sensors, which send alerts: of one location."""
        config, name = self._config, code_name(location) if location else "code"
        task = self._task(name, config.platform.code_server)
        secrets = {}
        if config.platform.alert_webhook_secret_arn:
            secrets["ALERT_WEBHOOK_URL"] = ecs.Secret.from_secrets_manager(self._webhook)
        self._tasks.container(
            task,
            name,
            commands.code_server(location=location),
            secrets=secrets,
            health=commands.code_server_health(),
            port=commands.CODE_PORT,
            stop=SHORT_STOP,
        )
        # The sensor `arrivals` lists what was exported by hand; what is in it is read by a run.
        arrived = iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[self._warehouse.lake.bucket_arn],
            conditions={"StringLike": {"s3:prefix": [f"{LAKE_PREFIX}/*/_arrivals/*"]}},
        )
        for statement in (*self._foundation.may_publish(), arrived):
            task.task_role.add_to_principal_policy(statement)
        log = self._foundation.log_bucket
        task.task_role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["s3:PutObject", "s3:AbortMultipartUpload"], resources=[log.arn_for_objects(f"{LOG_PREFIX}/*")]
            )
        )
        acknowledge(
            task.task_role.node.find_child("DefaultPolicy"),
            bucket_finding(self, log, LOG_PREFIX),
            "Each tick of a schedule or sensor has a log of its own.",
        )
        found = ecs.CloudMapOptions(name=name, dns_ttl=cdk.Duration.seconds(10))
        return self._service(name.capitalize(), task, 1, cloud_map_options=found)

    @cached_property
    def _webhook(self) -> secretsmanager.ISecret:
        arn = self._config.platform.alert_webhook_secret_arn
        return secretsmanager.Secret.from_secret_complete_arn(self, "Webhook", arn)

    def _daemon(self, run: ecs.FargateTaskDefinition) -> ecs.FargateService:
        """Two daemons would start every schedule twice: the old one is stopped before the new one starts."""
        task = self._task("daemon", self._config.platform.daemon)
        extra = {**self._launching(run), **commands.DAEMON_ENVIRONMENT}
        self._tasks.container(task, "daemon", commands.daemon(), health=commands.daemon_health(), extra=extra)
        self._may_launch(task.task_role, run)
        # Here, as there is one daemon; it outlives what it watches, but for its task: then it is missed.
        watch = commands.watch(self._config.platform.load_deadline)
        watch_log = self._tasks.container(
            task, "watch", watch, extra=self._launching(run), essential=False, stop=SHORT_STOP
        )
        service = self._service("Daemon", task, 1, min_healthy_percent=0, max_healthy_percent=100)
        watch_alarms(self, name=self._config.name, log=watch_log, service=service, topic=self._foundation.alarms)
        return service

    def _webserver(self, run: ecs.FargateTaskDefinition) -> ecs.FargateService:
        config, platform = self._config, self._config.platform
        task = self._task("webserver", platform.webserver)
        self._tasks.container(
            task, "webserver", commands.webserver(), extra=self._launching(run), port=commands.UI_PORT
        )
        self._may_launch(task.task_role, run)
        for statement in lake_access(self._foundation.log_bucket, LOG_PREFIX, write=False):
            task.task_role.add_to_principal_policy(statement)
        # ECS Exec: `python -m infra.open` forwards a port of one's own machine to it.
        service = self._service(
            "Webserver",
            task,
            2,
            min_healthy_percent=50,
            max_healthy_percent=200,
            enable_execute_command=True,
            health_check_grace_period=cdk.Duration.seconds(START),
        )
        if self.ui:
            self.ui.serve(service)
            scaling = service.auto_scale_task_count(min_capacity=2, max_capacity=platform.webserver_max_tasks)
            scaling.scale_on_cpu_utilization("Busy", target_utilization_percent=60)
            topic = self._foundation.alarms
            webserver_alarm(self, name=config.name, targets=self.ui.targets, service=service, topic=topic)
        streams = f"arn:{self.partition}:logs:{self.region}:{self.account}:log-group:{self._sessions.log_group_name}:*"
        for rule, reason in {
            bucket_finding(self, self._foundation.log_bucket, LOG_PREFIX): "The UI shows the output of every step.",
            f"IAM5[Resource::{finding(self, streams)}]": "Each session has a stream of its own in this group.",
        }.items():
            acknowledge(task.task_role.node.find_child("DefaultPolicy"), rule, reason)
        return service

    def _task(self, name: str, size: TaskSize) -> ecs.FargateTaskDefinition:
        """The task of a part of Dagster; in a small platform all parts have one."""
        return self._one_task if self._is_small else self._tasks.definition(name, size)

    def _service(self, name: str, task: ecs.FargateTaskDefinition, count: int, **options: Any) -> ecs.FargateService:
        """The service of such a task."""
        return self._one_service if self._is_small else self._made_service(name, task, count, **options)

    @cached_property
    def _one_task(self) -> ecs.FargateTaskDefinition:
        return self._tasks.definition("webserver", self._config.platform.webserver)

    @cached_property
    def _one_service(self) -> ecs.FargateService:
        """It has the daemon, so that it ends before the next one begins."""
        options = {"min_healthy_percent": 0, "max_healthy_percent": 100, "enable_execute_command": True}
        service = self._made_service("Webserver", self._one_task, 1, **options)
        # A load balancer that it had is given up by an empty list alone:
        # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
        if isinstance(resource := service.node.default_child, cdk.CfnResource):
            resource.add_property_override("LoadBalancers", [])
        return service

    def _migrate_first(self, code: list[ecs.FargateService]) -> None:
        """Bring Dagster's database to the image's schema before the first code server starts, and so before all else.

        Whatever else has a new image waits for that code server; an image without another Dagster changes nothing.
        """
        first, *others = code
        task = first.task_definition
        self._tasks.container(task, "migrate", commands.migrate(), essential=False, ends=True)
        migrated, success = task.find_container("migrate"), ecs.ContainerDependencyCondition.SUCCESS
        if migrated and (server := task.find_container("code")):
            server.add_container_dependencies(ecs.ContainerDependency(container=migrated, condition=success))
        for other in others:
            other.node.add_dependency(first)

    def _wait_for_code(self, task: ecs.TaskDefinition) -> None:
        """Start the other containers of one task when its code server answers."""
        code = task.find_container("code")
        for name in ("daemon", "watch", "webserver"):
            if code and (container := task.find_container(name)):
                container.add_container_dependencies(
                    ecs.ContainerDependency(container=code, condition=ecs.ContainerDependencyCondition.HEALTHY)
                )

    def _made_service(
        self, name: str, task: ecs.FargateTaskDefinition, count: int, **options: Any
    ) -> ecs.FargateService:
        # A launch type and no capacity provider: the run launcher copies the daemon's and trips over a provider.
        return ecs.FargateService(
            self,
            name,
            service_name=name.lower(),
            cluster=self._cluster,
            task_definition=task,
            desired_count=count,
            vpc_subnets=self._foundation.private,
            security_groups=[self._foundation.tasks],
            assign_public_ip=False,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            **{"min_healthy_percent": 100, "max_healthy_percent": 200, **options},
        )

    def _launching(self, run: ecs.FargateTaskDefinition) -> dict[str, str]:
        return {"DAGSTER_RUN_TASK": run.task_definition_arn}

    def _may_launch(self, role: iam.IRole, run: ecs.FargateTaskDefinition) -> None:
        """The daemon starts runs and the webserver stops them: this one task definition, in this one cluster.

        In each of its revisions: while a new one is deployed, those that run yet start runs of the one before it.
        """
        tasks = self.format_arn(service="ecs", resource="task", resource_name=f"{self._config.name}/*")
        revisions = self.format_arn(service="ecs", resource="task-definition", resource_name=f"{run.family}:*")
        for statement in (
            iam.PolicyStatement(
                actions=["ecs:RunTask"],
                resources=[revisions],
                conditions={"ArnEquals": {"ecs:cluster": self._cluster.cluster_arn}},
            ),
            iam.PolicyStatement(actions=["ecs:StopTask", "ecs:DescribeTasks", "ecs:TagResource"], resources=[tasks]),
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[run.task_role.role_arn, run.obtain_execution_role().role_arn],
                conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
            ),
            # What a run's container said last is shown where its task has ended by itself.
            iam.PolicyStatement(actions=["logs:GetLogEvents"], resources=[self._run_log.log_group_arn]),
            iam.PolicyStatement(
                actions=["ecs:DescribeTaskDefinition", "ec2:DescribeNetworkInterfaces"], resources=["*"]
            ),
        ):
            role.add_to_principal_policy(statement)
        policy = role.node.find_child("DefaultPolicy")
        acknowledge(
            policy, "IAM5[Resource::*]", "They describe, or are ECS Exec's of this task alone; none has resources."
        )
        for resource, reason in {
            tasks: "A task's id is not known before it runs; the cluster is named.",
            revisions: "A revision's number is not known before it is made; the family is named.",
        }.items():
            acknowledge(policy, f"IAM5[Resource::{finding(self, resource)}]", reason)

    def _read_secrets(self, role: iam.IRole) -> None:
        self._source.reader_secret.grant_read(role)
        if mask_key := self._config.source.mask_key_secret_arn:
            secretsmanager.Secret.from_secret_complete_arn(self, "MaskKey", mask_key).grant_read(role)
        existing = self._config.source.existing
        if existing and existing.secret_key_arn:
            role.add_to_principal_policy(
                iam.PolicyStatement(actions=["kms:Decrypt"], resources=[existing.secret_key_arn])
            )

    def _seed(self, admin_secret: secretsmanager.ISecret) -> None:
        """A new source gets its shop and its user by a task that is run once, from inside the network."""
        config = self._config
        task = self._tasks.definition("seed", config.platform.daemon)
        extra = {
            "SEED_HOST": self._source.writer_host,
            "SEED_ADMIN_SECRET": admin_secret.secret_arn,
        }
        self._tasks.container(task, "seed", commands.seed(), extra=extra, storage=False)
        self._source.reader_secret.grant_read(task.task_role)
        admin_secret.grant_read(task.task_role)
        cdk.CfnOutput(
            self,
            "SeedCommand",
            description="Run once: makes the sample shop in the new source, and the user that reads it",
            value=self._run_task("seed"),
        )

    def _run_task(self, name: str, *command: str) -> str:
        """Return the command that starts a task once, from inside the network."""
        subnets = self._foundation.vpc.select_subnets(
            subnets=self._foundation.private.subnets, subnet_type=self._foundation.private.subnet_type
        ).subnet_ids
        group = self._foundation.tasks.security_group_id
        network = f"awsvpcConfiguration={{subnets=[{subnets[0]}],securityGroups=[{group}]}}"
        overrides = json.dumps({"containerOverrides": [{"name": name, "command": command}]})
        return (
            f"aws ecs run-task --region {self._config.region} --cluster {self._config.name} --launch-type FARGATE "
            f"--propagate-tags TASK_DEFINITION --task-definition {self._config.name}-{name} "
            f"--network-configuration '{network}'"
        ) + (f" --overrides '{overrides}'" if command else "")
