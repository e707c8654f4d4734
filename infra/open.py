"""Opens the Dagster UI on one's own machine, without a VPN: a port is forwarded to a webserver through Session Manager.

Whoever may call `ssm:StartSession` on the cluster's tasks may do so; each session is in CloudTrail.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from infra.commands import UI_PORT
from infra.config_file import ConfigError, read_config

CLIENTS = {
    "aws": "the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    "session-manager-plugin": "its plugin: https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html",
}
"""Programs that open a session -> what they are."""


class OpenError(Exception):
    """There is no way to a webserver; the message says what to do."""


def find_webserver(ecs: Any, cluster: str) -> str:
    """Return a webserver's container as Session Manager names it.

    Args:
        ecs: A client of ECS.
        cluster: The cluster, which has the deployment's name.

    Raises:
        OpenError: None runs that takes sessions.
    """
    tasks = ecs.list_tasks(cluster=cluster, serviceName="webserver", desiredStatus="RUNNING")["taskArns"]
    described = ecs.describe_tasks(cluster=cluster, tasks=tasks)["tasks"] if tasks else []
    for task in described:
        for container in task["containers"]:
            agents = {agent["name"]: agent["lastStatus"] for agent in container.get("managedAgents", ())}
            if container["name"] == "webserver" and agents.get("ExecuteCommandAgent") == "RUNNING":
                return f"ecs:{cluster}_{task['taskArn'].rsplit('/', 1)[-1]}_{container['runtimeId']}"
    raise OpenError(
        f"of {len(described)} webservers in cluster {cluster} none takes sessions yet: wait for the service "
        f"(aws ecs wait services-stable --cluster {cluster} --services webserver)"
    )


def session(region: str, target: str, port: int) -> list[str]:
    """Return the command that forwards a port of this machine to a webserver.

    https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-sessions-start.html
    """
    parameters = json.dumps({"portNumber": [str(UI_PORT)], "localPortNumber": [str(port)]})
    document = ["--document-name", "AWS-StartPortForwardingSession", "--parameters", parameters]
    return ["aws", "ssm", "start-session", "--region", region, "--target", target, *document]


def main() -> None:
    """Find a webserver and forward the port until Ctrl-C."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("infra/config.yaml"))
    parser.add_argument("--port", type=int, default=UI_PORT, help="of this machine")
    arguments = parser.parse_args()
    if missing := [f"{name} ({what})" for name, what in CLIENTS.items() if not shutil.which(name)]:
        sys.exit(f"install {' and '.join(missing)}")
    try:
        config = read_config(arguments.config)
        target = find_webserver(boto3.client("ecs", region_name=config.region), config.name)
    except (ConfigError, OpenError, BotoCoreError, ClientError) as error:
        sys.exit(str(error))
    command = session(config.region, target, arguments.port)
    sys.stdout.write(f"{shlex.join(command)}\nDagster is on http://localhost:{arguments.port} until Ctrl-C\n")
    sys.stdout.flush()
    try:
        sys.exit(subprocess.run(command, check=False).returncode)  # noqa: S603
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
