"""The recipes of `docs/operations.md`: the page shows the files, and each is run, or read by what will read it."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from dedupaudit.config import load_settings
from dedupaudit.locking import locked
from tests.cli.reading import valid_report
from tests.conftest import Completed, Run
from tests.docs.operations_page import PAGE, RECIPES, Block, at, blocks, recipe
from tests.docs.recipe_machine import Machine, set_up

UNITS = ("dedupaudit.service", "dedupaudit.timer")
TESTED_ALONE = {"prometheus-rules.test.yml"}
"""A test of a recipe, for who changes it; the page does not show it."""


SENT_AGAIN = """
    INSERT INTO processes SELECT NULL, id, device_id, timestamp, data, created_at
    FROM processes WHERE id LIKE 'process_%' GROUP BY id HAVING COUNT(*) = 1 LIMIT 1
"""


@pytest.fixture
def machine(tmp_path: Path, run: Run) -> Machine:
    return set_up(tmp_path / "machine", run)


def needed(program: str, package: str) -> str:
    found = shutil.which(program)
    assert found, f"install it first: apt-get install {package}"
    return found


def yaml(text: str) -> Any:
    return YAML(typ="safe").load(text)


@pytest.mark.parametrize("name", sorted({path.name for path in RECIPES.iterdir()} - TESTED_ALONE))
def test_the_page_shows_the_file(name: str) -> None:
    assert f"\n{recipe(name)}```\n" in PAGE


# ---- cron


def crontab(machine: Machine) -> tuple[dict[str, str], list[str]]:
    """Return the variables and the commands of the crontab, read as cron reads a file of /etc/cron.d."""
    variables, commands = {}, []
    for line in at(machine.root, recipe("crontab")).splitlines():
        if line.startswith("#"):
            continue
        if assignment := re.fullmatch(r"(\w+)=(\S+)", line):
            variables[assignment[1]] = assignment[2]
            continue
        *when, user, command = line.split(maxsplit=6)
        assert len(when) == 5
        assert all(re.fullmatch(r"\*|\d+", field) for field in when), line
        assert user == "dedupaudit"
        assert "%" not in command, "cron makes a line break of it"
        commands.append(command)
    assert "MAILTO" in variables
    return variables, commands


def night(machine: Machine, command: str = "") -> Completed:
    """Run the crontab's first line, or another one, with the demo's configuration in place of the recipe's."""
    variables, commands = crontab(machine)
    configured = {"DEDUPAUDIT_CONFIG": str(machine.demo / "dedupaudit.toml")}
    return machine.sh(command or commands[0], variables | configured)


def test_cron_prints_what_is_new_once_and_then_is_silent(machine: Machine) -> None:
    first = night(machine)
    assert first.code == 1
    assert first.out.startswith(b"#")
    assert not first.err
    assert valid_report(machine.report.read_bytes())["summary"]["findings"] > 100
    assert machine.page.read_text(encoding="utf-8").startswith("<!")
    second = night(machine)
    assert second == Completed(0, b"", b"")
    with closing(sqlite3.connect(machine.demo / "app.db")) as connection:
        connection.execute(SENT_AGAIN)
        connection.commit()
    third = night(machine)
    assert third.code == 1
    new = valid_report(machine.report.read_bytes())["summary"]["changes"]
    assert (new["new"], new["gone"]) == (1, 0)
    assert [path.name for path in machine.metrics.parent.iterdir()] == ["dedupaudit.prom"]


def test_its_metrics_are_read_and_have_what_the_rules_ask_for(machine: Machine) -> None:
    night(machine)
    families = {family.name for family in text_string_to_metric_families(machine.metrics.read_text())}
    rules = yaml(recipe("prometheus-rules.yml"))["groups"][0]["rules"]
    asked = {name for rule in rules for name in re.findall(r"dedupaudit_\w+", rule["expr"])}
    # Of a repair there is nothing to tell yet.
    assert asked - families == {"dedupaudit_repair_runs_broken"}


def test_the_job_prints_why_there_is_no_report_and_leaves_the_old_page(machine: Machine) -> None:
    night(machine)
    before = machine.page.read_bytes()
    (machine.demo / "dedupaudit.toml").write_text("[database]\nurl = 7\n")
    broken = night(machine)
    assert broken.code == 2
    assert broken.err
    assert machine.page.read_bytes() == before


def test_the_job_prints_what_was_not_looked_at(machine: Machine) -> None:
    night(machine)
    (machine.demo / "app.db").write_bytes(b"no database at all, and long enough to be looked at as one" * 100)
    blind = night(machine)
    assert blind.code == 3
    assert blind.out
    assert b"failed" in blind.err
    metrics = machine.metrics.read_text()
    assert re.search(r"^dedupaudit_complete\{.*\} 0$", metrics, re.MULTILINE)
    assert "dedupaudit_last_complete_timestamp_seconds{" in metrics


def test_a_second_job_beside_the_first_is_silent(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(machine.root / "var/lib"))
    file = machine.demo / "dedupaudit.toml"
    settings = load_settings(file, cwd=machine.demo, environ={}, overrides={"lock": True})
    with locked(settings, "audit"):
        second = night(machine)
    assert (second.code, second.out) == (0, b"")
    assert b"audit" in second.err
    assert not machine.page.exists()


def test_sunday_s_line_forgets_old_runs(machine: Machine) -> None:
    night(machine)
    _variables, commands = crontab(machine)
    done = night(machine, commands[1])
    assert done.code in (0, 4), done.err
    assert not done.out


def test_secrets_come_from_a_file_and_are_on_no_command_line(machine: Machine) -> None:
    (shown,) = [block for block in blocks("Every night") if "DEDUPAUDIT_NOTIFY" in block.text and "'" in block.text]
    (machine.root / "etc/dedupaudit/environment").write_text(shown.text)
    program = machine.root / "usr/local/bin/dedupaudit"
    program.write_text('#!/bin/sh\necho "$@" "[$DEDUPAUDIT_NOTIFY]" >&2\nexit 4\n')
    done = night(machine)
    assert done.code == 4
    words, _, secret = done.err.decode().partition(" [")
    assert secret.startswith("slack://")
    assert "slack" not in words


def test_the_configuration_is_one(machine: Machine) -> None:
    file = machine.root / "etc/dedupaudit/dedupaudit.toml"
    file.write_text(at(machine.root, recipe("dedupaudit.toml")))
    (machine.root / "etc/dedupaudit/password").write_text("secret\n")
    settings = load_settings(file, cwd=machine.root, environ={})
    assert settings.objects is not None
    assert settings.objects.credentials == "ecs:dedupaudit-audit"
    assert settings.tables["activities"].thresholds


# ---- systemd


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """Return the units, which start a program that is there."""
    paths = []
    for name in UNITS:
        path = tmp_path / name
        path.write_text(recipe(name).replace("=/usr/local/bin/dedupaudit-nightly", "=/bin/true"))
        paths.append(path)
    return paths


def test_systemd_verifies_the_units(units: list[Path]) -> None:
    done = subprocess.run(
        [needed("systemd-analyze", "systemd"), "verify", *units], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_finds_the_service_well_fenced(units: list[Path]) -> None:
    command = [needed("systemd-analyze", "systemd"), "security", "--offline=true", "--threshold=20", str(units[0])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_timer_s_time_is_one() -> None:
    calendar = unit("dedupaudit.timer")["Timer"]["OnCalendar"]
    command = [needed("systemd-analyze", "systemd"), "calendar", calendar]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(recipe(name))
    return parser


def test_the_service_may_write_what_the_job_writes_and_fails_only_where_it_could_not_look() -> None:
    service = unit("dedupaudit.service")["Service"]
    written = re.findall(r"^(?:page|metrics)=(/.*)/[^/]+$", recipe("dedupaudit-nightly"), re.MULTILINE)
    assert len(written) == 2
    assert service["ReadWritePaths"].split() == [f"-{folder}" for folder in written]
    assert re.search(rf"^state=/var/lib/{service['StateDirectory']}$", recipe("dedupaudit-nightly"), re.MULTILINE)
    assert service["SuccessExitStatus"] == "1"
    assert {"LoadCredential", "TimeoutStartSec", "User"} <= set(service)


# ---- GitHub Actions


def workflow() -> Any:
    return yaml(recipe("github-actions.yml"))


def test_the_workflow_is_valid_by_github_s_schema() -> None:
    text = (files("check_jsonschema") / "builtin_schemas/vendor/github-workflows.json").read_text(encoding="utf-8")
    errors = list(Draft7Validator(json.loads(text)).iter_errors(workflow()))
    assert not errors


def test_every_action_is_pinned_to_a_commit_and_the_token_may_hardly_anything() -> None:
    used = re.findall(r"uses: (.*)", recipe("github-actions.yml"))
    assert len(used) == 5
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) for action in used)
    assert workflow()["permissions"] == {}
    assert workflow()["jobs"]["audit"]["permissions"] == {"contents": "read", "security-events": "write"}


def test_no_expression_is_pasted_into_a_script() -> None:
    steps = workflow()["jobs"]["audit"]["steps"]
    assert not [step for step in steps if "${{" in step.get("run", "")]


@pytest.mark.parametrize("broken", [False, True], ids=["findings", "no report"])
def test_the_workflow_s_scripts_run_and_end_as_the_audit_did(machine: Machine, broken: bool) -> None:
    steps = {step.get("id") or step.get("name", ""): step for step in workflow()["jobs"]["audit"]["steps"]}
    env = {
        "PATH": f"{machine.root}/usr/local/bin:/usr/bin:/bin",
        "DEDUPAUDIT_HISTORY": "history.db",
        "GITHUB_OUTPUT": str(machine.root / "output"),
        "GITHUB_STEP_SUMMARY": str(machine.root / "summary.md"),
    }
    if broken:
        (machine.demo / "dedupaudit.toml").write_text("[database]\nurl = 7\n")
    done = machine.sh("set -eo pipefail\n" + steps["audit"]["run"], env, interpreter="/bin/bash")
    assert done.code == (2 if broken else 0), done.err
    assert (machine.root / "output").read_text() == ("code=2\n" if broken else "code=1\n")
    if broken:
        return
    assert json.loads((machine.demo / "report.sarif").read_bytes())["version"] == "2.1.0"
    assert (machine.root / "summary.md").read_text().startswith("#")
    uploaded = next(step for step in steps.values() if "upload-artifact" in step.get("uses", ""))["with"]["path"]
    assert all((machine.demo / name).stat().st_size for name in uploaded.split())
    verdict = steps["Fail where something is new, or was not looked at"]["run"]
    assert machine.sh(verdict, {"CODE": "1"}, interpreter="/bin/bash").code == 1


# ---- Prometheus


def test_promtool_accepts_the_rules_and_each_fires_when_it_must() -> None:
    promtool = needed("promtool", "prometheus")
    for words in (["check", "rules", "prometheus-rules.yml"], ["test", "rules", "prometheus-rules.test.yml"]):
        done = subprocess.run([promtool, *words], cwd=RECIPES, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_and_leads_to_a_place_of_the_page() -> None:
    rules = yaml(recipe("prometheus-rules.yml"))["groups"][0]["rules"]
    fired = {
        one["alertname"]
        for test in yaml(recipe("prometheus-rules.test.yml"))["tests"]
        for one in test["alert_rule_test"]
        if one["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in rules}
    for rule in rules:
        file, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert file == "docs/operations.md"
        assert anchor in anchors()


def anchors() -> set[str]:
    """Return the page's headings as GitHub links to them."""
    headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_of_the_page_leads_somewhere() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        file, _, anchor = link.partition("#")
        if file:
            assert (RECIPES.parent / file).exists(), link
        else:
            assert anchor in anchors(), link


# ---- the object store's policy


def test_the_policy_only_reads() -> None:
    statements = json.loads(recipe("ram-policy-audit.json"))["Statement"]
    allowed = {action for statement in statements for action in statement["Action"]}
    assert allowed == {"oss:ListObjects", "oss:ListMultipartUploads", "oss:GetObject", "oss:ListParts"}
    assert {statement["Effect"] for statement in statements} == {"Allow"}


def test_the_shell_of_the_page_parses() -> None:
    for block in (*blocks("Every night"), Block("sh", recipe("dedupaudit-nightly"))):
        if block.language == "sh":
            done = subprocess.run(["/bin/sh", "-n"], input=block.text, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")
