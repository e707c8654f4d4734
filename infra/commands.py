"""The containers' command lines, health checks and ports: one place for the task definitions and for the tests.

They are run in the folder that holds `dagster.yaml` and `workspace.yaml`, which is DAGSTER_HOME.
"""

HOME = "/opt/dagster"
"""DAGSTER_HOME in the image, and where commands are run."""

CODE_PORT = 4000
UI_PORT = 3000
LOCATION = "aurora_dwh.definitions"
LOCATIONS = "aurora_dwh.locations"


def code_server(port: int = CODE_PORT, location: str | None = None) -> list[str]:
    """Serve the assets, schedules and sensors over gRPC: those of the default location, or of one that is named."""
    served = ["-m", LOCATIONS, "-a", location] if location else ["-m", LOCATION]
    return ["dagster", "api", "grpc", "-h", "0.0.0.0", "-p", str(port), *served]  # noqa: S104 - the VPC's own


def code_server_health(port: int = CODE_PORT) -> list[str]:
    """Whether the code server answers."""
    return ["dagster", "api", "grpc-health-check", "-p", str(port)]


def migrate() -> list[str]:
    """Bring Dagster's database to the schema of the image's Dagster; it ends, and is first wherever it is."""
    return ["python", "-m", "infra.migrate"]


_WITH_LOCATIONS = ("python", "-m", "infra.workspace")
"""Before what asks code servers: it tells them of the locations beside the default one."""


def daemon() -> list[str]:
    """Run schedules and sensors, and start queued runs. There must be exactly one."""
    return [*_WITH_LOCATIONS, "dagster-daemon", "run", "-w", "workspace.yaml"]


DAEMON_ENVIRONMENT = {"DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR": "1"}
"""What the daemon has besides: backfills of assets wait while their code server is away.

Without it Dagster takes the assets for removed, cancels the backfill's runs and fails it:
https://github.com/dagster-io/dagster/issues/18640
"""


def daemon_health() -> list[str]:
    """Whether each of the daemon's parts has given a sign of life."""
    return ["dagster-daemon", "liveness-check"]


def webserver(port: int = UI_PORT) -> list[str]:
    """Serve the UI and GraphQL."""
    return [*_WITH_LOCATIONS, "dagster-webserver", "-h", "0.0.0.0", "-p", str(port), "-w", "workspace.yaml"]  # noqa: S104


WEBSERVER_HEALTH_PATH = "/server_info"


def watch(deadline: str) -> list[str]:
    """Print measures of the platform, which alarms are made of."""
    return ["python", "-m", "infra.watch", "--deadline", deadline]


DOCTOR = ("aurora-dwh", "doctor")
"""What the printed command runs as a task of its own, with the role of runs."""


def seed() -> list[str]:
    """Make the sample shop and the user that reads it, in a new source."""
    return ["python", "-m", "infra.seed"]
