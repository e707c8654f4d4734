"""Deployments that the options allow: each kind of source with each UI, with QuickSight or not, kept or not.

Of each kind of source there is a plain one and one far from plain, and of the two kinds that differ most one for each
other value of an option; all that there can be are made by `make infra` and `make soak`. Options that go with one kind
of source only, or that change one property, are set with one of the sources: there they meet all the others.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from hypothesis import settings

ACCOUNT = "123456789012"
REGION = "ap-northeast-1"
SUBNETS = [
    {"id": f"subnet-0000000{n}", "availability_zone": f"{REGION}{zone}", "route_table": f"rtb-0000000{n}"}
    for n, zone in enumerate("acd")
]
PUBLIC = [{**subnet, "id": subnet["id"].replace("-0", "-1")} for subnet in SUBNETS[:2]]
NEW_NETWORK: dict[str, Any] = {"new": {}}
EXISTING_NETWORK = {
    "existing": {"vpc_id": "vpc-01234567", "cidr": "10.1.0.0/16", "subnets": SUBNETS, "public_subnets": PUBLIC}
}
EXISTING_SOURCE = {
    "id": "production",
    "host": "production.cluster-ro-abc.ap-northeast-1.rds.amazonaws.com",
    "secret_arn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:production/reader-AbCdEf",
    "security_group": "sg-01234567",
}
HOST_NAME = "dagster.example.com"
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/11112222-3333-4444-5555-666677778888"
OIDC = {
    "issuer": "https://id.example.com",
    "authorization_endpoint": "https://id.example.com/authorize",
    "token_endpoint": "https://id.example.com/token",
    "user_info_endpoint": "https://id.example.com/userinfo",
    "client_id": "dagster",
    "client_secret_arn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:oidc-AbCdEf",
}

MASK_KEY = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:mask-key-AbCdEf"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11112222-3333-4444-5555-666677778888"
SOURCES: dict[str, dict[str, Any]] = {
    "new": {"network": NEW_NETWORK, "source": {"new": {}}},
    "newInVpc": {"network": EXISTING_NETWORK, "source": {"new": {}}},
    "aurora": {
        "network": EXISTING_NETWORK,
        "source": {"name": "production shop", "database": "Shop-2_eu", "existing": EXISTING_SOURCE},
        "warehouse": {"glue_database": "shop_lake"},
    },
    "instance": {
        "network": {"existing": {**EXISTING_NETWORK["existing"], "s3_endpoint": False}},
        "source": {
            "mask_key_secret_arn": MASK_KEY,
            "existing": {**EXISTING_SOURCE, "kind": "instance", "secret_key_arn": KEY},
        },
        "warehouse": {"over_limit": "deactivate"},
    },
}
WEBHOOK = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:webhook-AbCdEf"

BUILD = {"base": f"python@sha256:{'0a' * 32}", "certificates_sha256": "1b" * 32, "rebuild": "2026-11"}
PLATFORMS: dict[str, dict[str, Any]] = {
    "new": {},
    "newInVpc": {"architecture": "arm64", "build": BUILD, "alert_webhook_secret_arn": WEBHOOK},
    "aurora": {},
    "instance": {
        "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/aurora-dwh:1.0",
        "storage": {"instance": "db.t4g.micro"},
    },
}
UIS: dict[str, dict[str, Any]] = {
    "http": {},
    "https": {"host_name": HOST_NAME, "certificate_arn": CERTIFICATE},
    "oidc": {"host_name": HOST_NAME, "certificate_arn": CERTIFICATE, "oidc": OIDC},
    "internet": {
        "host_name": HOST_NAME,
        "certificate_arn": CERTIFICATE,
        "oidc": OIDC,
        "internet_facing": True,
        "allowed_cidrs": ["0.0.0.0/0"],
    },
    "small": {},  # no load balancer
}
MARTS = {"instance": str(Path(__file__).with_name("marts"))}
"""Source -> a folder of marts that is not beside the catalog."""

BIS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "quicksight": {"owners": [f"arn:aws:quicksight:{REGION}:{ACCOUNT}:user/default/analyst"]},
}
FATES = {"kept": False, "destroyable": True}


def _written(source: str, ui: str, bi: str, fate: str) -> dict[str, Any]:
    return {
        "account": ACCOUNT,
        "name": "dwh",
        **SOURCES[source],
        "platform": {
            "size": "small" if ui == "small" else "standard",
            "ui": UIS[ui],
            "alarm_emails": ["data@example.com"],
            **PLATFORMS[source],
        },
        "bi": BIS[bi]
        and {
            **BIS[bi],
            "import_mode": "DIRECT_QUERY" if source == "instance" else "SPICE",
            "marts": MARTS.get(source),
        },
        "destroyable": FATES[fate],
    }


IS_WHOLE = settings.get_current_profile_name() == "soak"
"""Whether all deployments are made."""

VARIED = tuple(SOURCES) if IS_WHOLE else ("new", "instance")
"""Sources with which each value of each option is met."""

PLAIN, FAR = ("http", "none", "kept"), ("internet", "quicksight", "destroyable")


def _is_made(source: str, *options: str) -> bool:
    if source not in ("new", "instance") and "small" in options:
        return False
    return IS_WHOLE or options == FAR or sum(a != b for a, b in zip(options, PLAIN, strict=True)) <= (source in VARIED)


DEPLOYMENTS = {
    "-".join(options): _written(*options)
    for options in itertools.product(SOURCES, UIS, BIS, FATES)
    if _is_made(*options)
}
"""Name of a deployment -> its configuration."""

FIRST = "new-http-quicksight-kept"
"""The deployment that is made as a first one, too."""
