"""Counters of energy: added up, come round, unreadable, and none."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from munmaek.core import energy
from munmaek.core.energy import Energy


class Machine:
    """A powercap folder whose counters a test moves, in microjoules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.zones: dict[str, Path] = {}

    def add(self, zone: str, name: str, value: int, most: int = 1_000_000_000) -> None:
        place = self.folder / zone
        place.mkdir()
        self.zones[zone] = place
        for file, text in (("name", name), ("energy_uj", value), ("max_energy_range_uj", most)):
            (place / file).write_text(f"{text}\n")

    def set(self, zone: str, value: int) -> None:
        (self.zones[zone] / "energy_uj").write_text(f"{value}\n")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    return Machine(tmp_path)


def test_packages_and_memory_are_added_and_their_parts_are_not(machine: Machine) -> None:
    for zone, name in (("0", "package-0"), ("0:0", "core"), ("0:1", "dram"), ("1", "package-1"), ("2", "psys")):
        machine.add(f"intel-rapl:{zone}", name, 5_000_000)
    with Energy() as found:
        for number, zone in enumerate(machine.zones):
            machine.set(zone, 5_000_000 + 1_000_000 * 10**number)
    assert found.joules == pytest.approx(1 + 100 + 1000)


def test_a_counter_may_come_round_once_between_two_looks(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.add("intel-rapl:0", "package-0", 90_000_000, most=100_000_000)
    with Energy() as found:
        for value in (40_000_000, 95_000_000, 10_000_000):  # 50 J, 55 J and 15 J on
            machine.set("intel-rapl:0", value)
            found._add()
    assert found.joules == pytest.approx(120)


def test_it_looks_by_itself(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = energy.Event()
    add = Energy._add
    monkeypatch.setattr(energy, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(Energy, "_add", lambda self: (add(self), looked.set())[0])
    machine.add("intel-rapl:0", "package-0", 0)
    with Energy():
        assert looked.wait(30)


def test_where_nothing_is_counted_or_readable_nothing_is_known(machine: Machine) -> None:
    with Energy() as found:
        pass
    assert found.joules is None
    machine.add("intel-rapl:0", "package-0", 0)
    (machine.zones["intel-rapl:0"] / "energy_uj").write_text("")
    with Energy() as found:
        pass
    assert found.joules is None


def test_a_failure_inside_is_the_callers(machine: Machine) -> None:
    machine.add("intel-rapl:0", "package-0", 0)
    found = Energy()

    def failing() -> None:
        with found:
            machine.set("intel-rapl:0", 2_000_000)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert found.joules == pytest.approx(2)


@pytest.mark.parametrize(("visible", "joules"), [(None, 3.0), ("1", 2.0), ("1,5", 2.0), ("", None)])
def test_gpus_by_nvml(machine: Machine, monkeypatch: pytest.MonkeyPatch, visible: str | None, joules: float) -> None:
    nvml, readings = ModuleType("pynvml"), [7_000.0, 9_000.0]
    nvml.nvmlInit = lambda: None  # type: ignore[attr-defined]
    nvml.nvmlDeviceGetCount = lambda: len(readings)  # type: ignore[attr-defined]
    nvml.nvmlDeviceGetHandleByIndex = lambda number: number  # type: ignore[attr-defined]
    nvml.nvmlDeviceGetTotalEnergyConsumption = readings.__getitem__  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with Energy() as found:
        readings[:] = [8_000.0, 11_000.0]
    assert found.joules == joules
