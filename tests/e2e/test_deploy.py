"""The queries, paths and settings in `deploy/` exist in the app."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import promql_parser as promql
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.browser import ROOT, App

ALERTS = [
    rule
    for group in yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]  # fmt: skip
DASHBOARD = json.loads((ROOT / "deploy" / "grafana.json").read_text())
ADAPTER_RULES = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "prometheus-adapter.yaml").read_text())["rules"]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SCRAPED = {"job", "instance"}
"""Labels that Prometheus itself adds."""
EXPRESSIONS = [
    *((rule["alert"], rule["expr"], str(rule["annotations"])) for rule in ALERTS),
    *((panel["title"], target["expr"], target["legendFormat"]) for panel in PANELS for target in panel["targets"]),
    *((rule["seriesQuery"], rule["metricsQuery"], "") for rule in ADAPTER_RULES["external"]),
]
LABEL_IN_TEXT = re.compile(r"{{\s*(?:\$labels\.)?(\w+)\s*}}")

MetricLabels = dict[str, dict[str, set[str]]]


@pytest.fixture(scope="module")
def metric_labels(app: App) -> MetricLabels:
    """Labels, and their values, of each metric in a scrape."""
    httpx.get(app.url).raise_for_status()
    text = httpx.get(f"{app.url}/health/metrics").raise_for_status().text
    labels: MetricLabels = {"up": {}}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values = labels.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                values.setdefault(label, set()).add(value)
    return labels


def nodes(expression: str) -> Iterator[Any]:
    """Every part of a PromQL expression, its selectors and aggregations among them."""
    parts: list[promql.Expr] = []
    promql.walk(promql.parse(expression.replace("$__rate_interval", "5m")), parts.append)
    return iter(parts)


@pytest.mark.parametrize(("name", "expression", "words"), EXPRESSIONS, ids=[name for name, _, _ in EXPRESSIONS])
def test_dashboard_expressions_use_exported_metrics(metric_labels, name, expression, words):
    """Each expression is valid PromQL over exported metrics and their labels, and its legend uses no other label."""
    known, kept = set(SCRAPED), set()
    for node in nodes(expression):
        if isinstance(node, promql.VectorSelector):
            labels = metric_labels[node.name]
            known |= labels.keys()
            assert {matcher.name for matcher in node.matchers.matchers} <= labels.keys() | SCRAPED
        if isinstance(node, promql.AggregateExpr) and node.modifier:
            kept |= set(node.modifier.labels)
    assert kept <= known
    assert set(LABEL_IN_TEXT.findall(words)) - {"value"} <= (kept or known)


def test_states_periods_and_codes_are_real(metric_labels):
    """The label values that alerts and panels filter by are among those that the app exports."""
    asked = [
        (node.name, matcher)
        for _, expression, _ in EXPRESSIONS
        for node in nodes(expression)
        if isinstance(node, promql.VectorSelector) and not node.name.endswith(("_total", "_bucket"))
        for matcher in node.matchers.matchers
        if matcher.name not in SCRAPED
    ]
    assert {name for name, _ in asked} >= {"image2model_attention", "image2model_jobs", "image2model_spent_dollars"}
    for name, matcher in asked:
        assert set(matcher.value.split("|")) <= metric_labels[name][matcher.name]


def test_every_alert_has_severity_summary_and_next_step():
    """Each has a severity, a summary and a next step, and its own name."""
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)
    assert all(rule["labels"]["severity"] in ("page", "ticket") for rule in ALERTS)
    assert all(rule["annotations"].keys() == {"summary", "description"} for rule in ALERTS)


def test_the_dashboard_can_be_imported():
    """The dashboard's panels have unique ids, a selectable data source, and places that do not overlap."""
    assert DASHBOARD["schemaVersion"] >= 39
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {"datasource", *SCRAPED}
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert [target["refId"] for target in panel["targets"]] == list("ABC"[: len(panel["targets"])])
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert not any(overlap(first, other) for first, other in itertools.combinations(places, 2))


def overlap(first: dict[str, int], other: dict[str, int]) -> bool:
    """True if two places in the dashboard's grid have a cell in common."""
    across = first["x"] < other["x"] + other["w"] and other["x"] < first["x"] + first["w"]
    return across and first["y"] < other["y"] + other["h"] and other["y"] < first["y"] + first["h"]
