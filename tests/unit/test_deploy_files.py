"""The files in deploy/ name what there is: domains, settings, ports, volumes, files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.settings import Settings
from schema.build import DOMAINS
from schema.committed import routing_urls

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
GATEWAYS = ("hive", "apollo", "cosmo")
SETTINGS = {f"MELA_{name.upper()}" for name in Settings.model_fields}
OF_GATEWAYS = {"MELA_SUBSCRIPTIONS", "MELA_TRUST_FORWARDED_FOR"}


def documents(path: Path) -> list[Any]:
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def compose() -> Any:
    (found,) = documents(DEPLOY / "compose" / "docker-compose.yml")
    return found


def manifests() -> Iterator[Any]:
    for path in sorted(KUBERNETES.glob("*/*.yaml")):
        if path.name != "kustomization.yaml":
            yield from documents(path)


def pods() -> Iterator[tuple[str, Any]]:
    for one in manifests():
        if one["kind"] in ("Deployment", "Job"):
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]


def test_compose_serves_each_domain_by_settings_that_there_are() -> None:
    services = compose()["services"]
    served = {name: services[name]["environment"]["MELA_DOMAINS"] for name in DOMAINS}
    assert served == {name: name for name in DOMAINS}
    for name in (*DOMAINS, "worker", "migrate"):
        assert set(services[name]["environment"]) <= SETTINGS, name
    Settings(
        **{k.removeprefix("MELA_").lower(): v for k, v in services["users"]["environment"].items()}
    )


def test_compose_names_only_its_own_services_volumes_and_folders() -> None:
    found = compose()
    for name, service in found["services"].items():
        assert set(service.get("depends_on", {})) <= set(found["services"]), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            known = source in found["volumes"] or (DEPLOY / "compose" / source).is_dir()
            assert known, volume
    gateways = {name for name in GATEWAYS if found["services"][name]["profiles"] == [name]}
    assert gateways == set(GATEWAYS)
    for name in GATEWAYS:
        assert set(DOMAINS) <= set(found["services"][name]["depends_on"])


def test_a_pods_mounts_probes_and_variables_are_its_own() -> None:
    for name, pod in pods():
        volumes = {one["name"] for one in pod["volumes"]}
        for container in pod["containers"]:
            assert {one["name"] for one in container["volumeMounts"]} <= volumes, name
            ports = {one["name"] for one in container.get("ports", ())}
            for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
                if probe in container:
                    assert container[probe]["httpGet"]["port"] in ports, (name, probe)
            mela = {e["name"] for e in container.get("env", ()) if e["name"].startswith("MELA_")}
            assert mela <= (OF_GATEWAYS if name == "gateway" else SETTINGS), name


def test_each_domain_has_a_deployment_and_a_service_that_finds_it() -> None:
    found = documents(KUBERNETES / "base" / "subgraphs.yaml")
    deployed = {one["metadata"]["name"]: one for one in found if one["kind"] == "Deployment"}
    services = {one["metadata"]["name"]: one for one in found if one["kind"] == "Service"}
    assert list(deployed) == list(services) == list(DOMAINS)
    for domain, deployment in deployed.items():
        template = deployment["spec"]["template"]
        chosen = services[domain]["spec"]["selector"].items()
        assert chosen <= template["metadata"]["labels"].items()
        assert deployment["spec"]["selector"]["matchLabels"].items() == chosen
        (container,) = template["spec"]["containers"]
        assert container["env"] == [{"name": "MELA_DOMAINS", "value": domain}]
        assert container["ports"] == [{"name": "http", "containerPort": 8000}]
        assert services[domain]["spec"]["ports"][0]["port"] == 8000


def test_the_settings_of_kubernetes_are_enough_for_prod() -> None:
    (base,) = documents(KUBERNETES / "base" / "kustomization.yaml")
    given = dict(one.split("=", 1) for one in base["configMapGenerator"][0]["literals"])
    assert set(given) <= SETTINGS
    secret = {"database_url": "postgresql://db/mela", "redis_url": "redis://bus"}
    chosen = {name.removeprefix("MELA_").lower(): value for name, value in given.items()}
    assert Settings(**chosen, **secret).profile == "prod"


@pytest.mark.parametrize("name", ["base", *GATEWAYS])
def test_a_kustomization_names_files_that_there_are(name: str) -> None:
    (found,) = documents(KUBERNETES / name / "kustomization.yaml")
    files = [*found["resources"]]
    for generated in found["configMapGenerator"]:
        files += generated.get("files", [])
    made = {"../../gateways/execution.json"}  # by wgc, as its comment says
    for file in set(files) - made:
        assert (KUBERNETES / name / file).exists(), file


def test_gateways_are_told_the_same_addresses() -> None:
    (cosmo,) = documents(DEPLOY / "gateways" / "cosmo-graph.yaml")
    assert {one["name"]: one["routing_url"] for one in cosmo["subgraphs"]} == routing_urls()
    (rover,) = documents(DEPLOY.parent / "supergraph" / "supergraph.yaml")
    assert {n: one["routing_url"] for n, one in rover["subgraphs"].items()} == routing_urls()
    composed = (DEPLOY.parent / "supergraph" / "supergraph.graphql").read_text()
    joined = dict(re.findall(r'@join__graph\(name: "(\w+)", url: "([^"]+)"\)', composed))
    assert joined == routing_urls()


def test_gateways_pass_on_who_asks() -> None:
    for file in ("router.yaml", "cosmo.yaml"):
        (found,) = documents(DEPLOY / "gateways" / file)
        rules = found["headers"]["all"]["request"]
        text = str(rules)
        assert "'authorization'" in text
        assert "'graphql-preflight'" in text
