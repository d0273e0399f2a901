"""What the documents tell to type is there and works; what they link to is there."""

import dataclasses
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

import mttjax
from mttjax.cli.launch import COMMANDS, main

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *sorted(f"docs/{page.name}" for page in ROOT.glob("docs/*.md")),
]


def blocks(document, language):
    """The blocks of a language in a document."""
    text = (ROOT / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def lines_to_type():
    for document in DOCUMENTS:
        for block in blocks(document, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                if words := shlex.split(line.replace("$SLURM_ARRAY_TASK_ID", "0"), comments=True):
                    yield words


def manifests():
    """The YAML of the documents."""
    for document in DOCUMENTS:
        yield from map(yaml.safe_load, blocks(document, "yaml"))


def within(words):
    """Commands that another is told to run: by ssh, or by sh in a manifest."""
    for word in words:
        if match := re.search(r"\bmttjax (.*)", word, flags=re.DOTALL):
            yield shlex.split(match[1].replace("\\\n", " "))


def commands():
    for manifest in manifests():
        yield from within(shlex.split(manifest["spec"]["entrypoint"]))
    for words in lines_to_type():
        yield from within(words)
        first, *rest = words
        if first == "srun" and rest[0] == "mttjax":
            yield rest[1:]
        if first.startswith("bin/"):
            yield [first.removeprefix("bin/"), *rest]
        if first == "mttjax":
            yield rest


COMMAND_LINES = list(commands())


@pytest.mark.parametrize("words", COMMAND_LINES, ids=" ".join)
def test_a_command_of_the_documents_has_the_options_it_is_given(words, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("mttjax.cli.launch.keep_compiled_programs", lambda: None)
    assert words[0] in COMMANDS
    if "--config" in words and words[words.index("--config") + 1].endswith(".json"):
        words = words[: words.index("--config")]
    words = [word for word in words if word != "--print"]
    # The options that choose what help there is are given; the others are looked for in it.
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code in (0, None)
    shown = capsys.readouterr().out
    given = {word for word in words if word.startswith("--")}
    assert not {option for option in given if not re.search(rf"{option}\b", shown)}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_is_for_a_shell_is_understood_by_one(document):
    for block in blocks(document, "sh"):
        subprocess.run(["bash", "-n"], input=block, text=True, check=True)


def test_a_manifest_has_what_kuberay_needs():
    (job,) = manifests()
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    (cards,) = cluster["workerGroupSpecs"]
    assert f"--workers {cards['replicas']} " in job["spec"]["entrypoint"]
    for group in (cluster["headGroupSpec"], cards):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_every_command_is_in_the_readme():
    named = {words[0] for words in COMMAND_LINES}
    assert set(COMMANDS) - {"demo"} <= named  # which is `make demo` there


def test_what_make_is_told_is_in_the_makefile():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    told = {word for words in lines_to_type() if words[0] == "make" for word in words[1:]}
    assert {word for word in told if "=" not in word} <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files(document):
    links = re.findall(r"\]\(([^)#\s]+)\)", (ROOT / document).read_text())
    local = [link for link in links if "://" not in link]
    assert not [link for link in local if not ((ROOT / document).parent / link).exists()]


def shortened(name):
    """A preset with fewer steps and epochs."""
    preset = mttjax.config.presets.load_preset(name)

    def get_config(ipc):
        settings = preset.get_config(ipc)
        few = mttjax.Protocol(networks=1, epochs=3)
        distill = dataclasses.replace(settings.distill, steps=3, max_start=2, validation=few)
        experts = dataclasses.replace(settings.experts, count=1)
        return dataclasses.replace(settings, distill=distill, experts=experts, evaluate=few)

    return preset._replace(get_config=get_config)


def test_the_library_examples_run_as_they_stand(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    whole, with_a_preset = blocks("README.md", "python")
    names = {}
    exec(compile(whole, "README.md", "exec"), names)
    start = names["store"].preprocessing(names["dataset"].train.images[names["chosen"]])
    first = dataclasses.replace(names["distilled"], images=start, lr=0.05)
    before = mttjax.evaluate(first, names["dataset"], mttjax.Protocol(networks=2, epochs=100))
    assert names["evaluation"].mean > before.mean
    assert mttjax.load_distilled("digits.npz").ipc == 1

    monkeypatch.setattr(mttjax, "load_preset", shortened)
    exec(compile(with_a_preset, "README.md", "exec"), names)
    assert names["run"].load("last").settings["step"] == 3
    assert "1 for each of 10 classes" in capsys.readouterr().out
