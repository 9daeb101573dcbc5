"""AWS's control plane in this process: moto, with what it lacks of ECR."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from unittest import mock

from tests.support.tools import missing


@contextmanager
def control_plane(templates: list[Mapping[str, object]] | None = None) -> Iterator[None]:
    """moto instead of AWS while the block runs; `templates` are the account's repository creation templates."""
    try:
        from moto import mock_aws
        from moto.core.responses import ActionResult
        from moto.ecr.responses import ECRResponse
    except ImportError:
        missing("moto is not installed; scripts/setup installs it")

    def described(_: object) -> object:
        return ActionResult({"repositoryCreationTemplates": templates or []})

    name = "describe_repository_creation_templates"
    # Under another account than the tests' own ECR names one would see nothing.
    account = mock.patch.dict(os.environ, {"MOTO_ACCOUNT_ID": "123456789012"})
    with account, mock.patch.object(ECRResponse, name, described, create=True), mock_aws():
        yield
