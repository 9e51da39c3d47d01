"""The compose files are what Docker Compose takes, and hold together; so is the example for Kubernetes' autoscaler."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

DEPLOY = Path(__file__).parents[2] / "deploy"
INTERPOLATION = re.compile(r"\$\{\w+(?::?([-?])([^}]*))?\}")
PROD = "compose.prod.yaml"


def read(text: str) -> dict[str, Any]:
    """A compose file with the defaults of its variables; raises ValueError for what the specification does not know."""
    filled = INTERPOLATION.sub(lambda match: match[2] if match[1] == "-" else "a-value", text)
    file: dict[str, Any] = yaml.safe_load(filled)
    PyCompose.from_yaml(yaml.safe_dump(file))
    return file


@pytest.mark.parametrize("name", ["compose.yaml", PROD])
def test_compose_files_are_sound(name):
    """Every key and value is one of the specification's, and what services wait for and mount is there."""
    file = read((DEPLOY / name).read_text())
    services = file["services"].values()
    assert {other for service in services for other in service.get("depends_on", ())} <= file["services"].keys()
    mounted = {volume.partition(":")[0] for service in services for volume in service.get("volumes", ())}
    assert {source for source in mounted if not source.startswith(".")} == file["volumes"].keys()
    assert all((DEPLOY / source).exists() for source in mounted if source.startswith("./"))


@pytest.mark.parametrize("name", ["compose.yaml", PROD])
def test_settings_for_a_start_without_docker_do_not_reach_containers(name):
    """PORT and DATA_DIR of `.env` would take the page from its port and batches from their volume."""
    ours = [service for service in read((DEPLOY / name).read_text())["services"].values() if "env_file" in service]
    assert ours
    for service in ours:
        assert {"HOST": "0.0.0.0", "PORT": "7860", "DATA_DIR": "/data"}.items() <= service["environment"].items()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("mem_limit: 2g", "mem_limits: 2g"), ("restart: unless-stopped", "restart: sometimes"),
     ("interval: 5s", "interval: soon"), ("condition: service_healthy", "condition: healthy")],
)  # fmt: skip
def test_mistakes_in_a_compose_file_are_found(right, wrong):
    """A misspelled key or value is refused, so that the test above can fail."""
    text = (DEPLOY / PROD).read_text()
    assert right in text
    with pytest.raises(ValueError, match="services"):
        read(text.replace(right, wrong))


def test_autoscaler_uses_a_metric_of_the_adapter():
    """The depth of the queue has one name in the autoscaler and in the values of the Prometheus adapter."""
    documents = yaml.safe_load_all((DEPLOY / "kubernetes" / "image2model.yaml").read_text())
    scaler = next(document for document in documents if document["kind"] == "HorizontalPodAutoscaler")
    asked = {
        metric["external"]["metric"]["name"] for metric in scaler["spec"]["metrics"] if metric["type"] == "External"
    }
    adapter = yaml.safe_load((DEPLOY / "kubernetes" / "prometheus-adapter.yaml").read_text())
    assert asked == {rule["seriesQuery"] for rule in adapter["rules"]["external"]}


def test_prometheus_asks_each_process_that_counts():
    """Web replicas and schedulers of the cluster are asked at the ports on which they listen, whatever starts them."""
    services = read((DEPLOY / PROD).read_text())["services"]
    (scrape,) = yaml.safe_load((DEPLOY / "prometheus.prod.yml").read_text())["scrape_configs"]
    webs = [f"{name}:{service['environment']['PORT']}" for name, service in services.items() if name.startswith("web-")]
    assert scrape["static_configs"][0]["targets"] == webs
    port = int(services["scheduler"]["environment"]["METRICS_PORT"])
    assert scrape["dns_sd_configs"] == [{"names": ["scheduler"], "type": "A", "port": port}]
    documents = yaml.safe_load_all((DEPLOY / "kubernetes" / "image2model.yaml").read_text())
    pods = [document["spec"]["template"] for document in documents if document["kind"] == "Deployment"]
    asked = [pod for pod in pods if pod["metadata"].get("annotations")]
    assert [pod["metadata"]["labels"]["part"] for pod in asked] == ["web", "scheduler"]
    for pod in asked:
        (listens,) = pod["spec"]["containers"][0]["ports"]
        assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(listens["containerPort"])
