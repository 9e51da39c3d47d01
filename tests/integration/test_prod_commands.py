"""`scripts/prod` asks Docker for the right things in the right order, and goes back where a version is not healthy.

No Docker engine runs here: an executable stands in for `docker`, which writes down what it is asked and refuses some of
it; another one for `sleep`. What containers do with it is not shown here.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "prod"
DOCKER = """#!/usr/bin/env bash
line="$IMAGE_TAG ${*:6}"
echo "$line" >>"$CALLS"
! [[ -n $REFUSED && $line =~ $REFUSED ]]
"""
ROLLED = ["scheduler", "worker", "beat", "web-1", "web-2"]


class Host:
    """A checkout with one commit, on a machine with the stand-in; `refused` are the requests that fail (a pattern)."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.refused = folder / "checkout", ""
        for path, text in {"checkout/scripts/prod": SCRIPT.read_text(), "bin/docker": DOCKER,
                           "bin/sleep": "#!/bin/sh\n"}.items():  # fmt: skip
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
            (folder / path).chmod(0o755)
        self._calls = folder / "calls"
        self._environment = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "CALLS": str(self._calls)}
        self._git("init", "--quiet")
        self.commit()

    def commit(self) -> None:
        """Make another version."""
        identity = ("-c", "user.name=a", "-c", "user.email=a@localhost")
        self._git(*identity, "commit", "--quiet", "--allow-empty", "-m", "a version")

    @property
    def version(self) -> str:
        """Tag of the newest version."""
        return self._git("rev-parse", "--short", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=self.folder, capture_output=True, text=True, check=True).stdout

    def prod(self, *arguments: str, **environment: str) -> tuple[int, list[str]]:
        """Exit status of a command, and what Docker was asked: the tag, then what follows `docker compose …`."""
        self._calls.write_text("")
        done = subprocess.run(
            ["scripts/prod", *arguments], cwd=self.folder, capture_output=True, text=True,
            env={**self._environment, "REFUSED": self.refused, **environment},
        )  # fmt: skip
        return done.returncode, self._calls.read_text().splitlines()

    @property
    def deployed(self) -> list[str]:
        """The tags in use and before."""
        return (self.folder / ".deployed").read_text().split()


def rolled(calls: Sequence[str], tag: str) -> list[str]:
    """The processes that were replaced by those of an image, in order."""
    return [call.split()[-1] for call in calls if call.startswith(f"{tag} up --detach --no-deps --wait")]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A machine on which a first version was deployed."""
    host = Host(tmp_path)
    assert host.prod("deploy")[0] == 0
    return host


def test_deploy_checks_and_migrates_before_it_replaces_one_process_after_the_other(host):
    """The image is built, settings are checked, the schema is migrated; then each process is replaced, nginx last."""
    old = host.version
    host.commit()
    status, calls = host.prod("deploy")
    new = host.version
    assert (status, host.deployed) == (0, [new, old])
    assert calls[:4] == [f"{new} build scheduler", f"{new} up --detach --wait postgres redis",
                         f"{new} run --rm scheduler check-env", f"{new} run --rm scheduler migrate"]  # fmt: skip
    assert rolled(calls[4:], new) == ROLLED
    assert calls[-1].endswith("/health/readiness")


@pytest.mark.parametrize("part", ["no-deps.* web-1$", "no-deps.* scheduler$", "up .*nginx", "health/readiness$"])
def test_deploy_goes_back_where_the_new_version_is_not_healthy(host, part):
    """If any process does not become healthy, all return to the old version, and that is recorded."""
    old = host.version
    host.commit()
    host.refused = f"^{host.version} .*{part}"
    status, calls = host.prod("deploy")
    assert (status, host.deployed) == (1, [old])
    assert rolled(calls, old) == ROLLED
    assert calls[-1].startswith(f"{old} exec")


@pytest.mark.parametrize("part", ["build", "check-env", "migrate"])
def test_deploy_replaces_nothing_before_its_checks_succeed(host, part):
    """A build, a check or a migration that fails ends the deployment, and the old version goes on."""
    old = host.version
    host.commit()
    host.refused = f"^{host.version} .*{part}"
    status, calls = host.prod("deploy")
    assert (status, host.deployed, rolled(calls, host.version)) == (1, [old], [])


def test_first_version_that_is_not_healthy_has_nothing_to_go_back_to(tmp_path):
    """Without an earlier version Docker is asked for no other image."""
    host = Host(tmp_path)
    host.refused = "web-1$"
    status, calls = host.prod("deploy")
    assert (status, {call.split()[0] for call in calls}) == (1, {host.version})
    assert not (host.folder / ".deployed").exists()


def test_rollback_changes_between_two_versions(host):
    """Rollback replaces all processes by those of the previous version, also after a version was deployed twice."""
    old = host.version
    assert host.prod("rollback")[0] == 1
    host.commit()
    host.prod("deploy")
    host.prod("deploy")
    status, calls = host.prod("rollback")
    assert (status, rolled(calls, old), host.deployed) == (0, ROLLED, [old, host.version])


def test_reset_asks_first(host):
    """A reset deletes nothing without CONFIRM=yes."""
    assert host.prod("reset") == (1, [])
    status, calls = host.prod("reset", CONFIRM="yes")
    assert (status, "dropdb" in calls[1]) == (0, True)


def test_restore_stops_all_that_write(host):
    """A backup is named, and brought back while no process of ours runs."""
    assert host.prod("restore", "") == (1, [])
    status, calls = host.prod("restore", "backups/monday")
    done = [
        "stop web-1 web-2 scheduler worker beat",
        "run --rm scheduler restore /backups/monday",
        "up --detach --wait",
    ]
    assert (status, calls) == (0, [f"{host.version} {line}" for line in done])
