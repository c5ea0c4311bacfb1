from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab import settings as city_settings
from citylab.errors import CitylabError, DataError, RangeError, SchemaError, UnknownNameError
from citylab.policy.levers import levers
from citylab.policy.scenario import Change, Phase, Scenario, diff


@st.composite
def scenarios(draw):
    changes = []
    for name in draw(st.lists(st.sampled_from(["building_pv", "transit_fare", "digital_training"]), unique=True)):
        one = levers()[name]
        start = draw(st.dates(dt.date(2026, 1, 1), dt.date(2030, 12, 31)))
        end = draw(st.none() | st.dates(start, dt.date(2040, 1, 1)))
        value = draw(st.floats(one.low, one.high))
        changes.append(Change(name, value, start, end, draw(st.floats(0, 5))))
    text = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12)
    run = draw(st.none() | st.dictionaries(text, st.integers() | st.floats(-1e9, 1e9) | text, max_size=3))
    budget = draw(st.none() | st.floats(0, 1e12))
    phase = Phase("近期", "Near", 2026, 2030, note_zh=draw(text))
    return Scenario(draw(text), draw(text), tuple(changes), budget, run, draw(st.sampled_from([(), (phase,)])))


@settings(max_examples=50, deadline=None)
@given(scenarios())
def test_yaml_and_token_bring_back_an_equal_scenario(plan):
    assert Scenario.from_yaml(plan.to_yaml()) == plan
    token = plan.to_token()
    assert Scenario.from_token(token) == plan
    assert token.replace("-", "").replace("_", "").isalnum()
    assert not diff(plan, Scenario.from_yaml(plan.to_yaml()))


def test_the_order_of_changes_is_no_matter():
    a, b = Change("building_pv", 2, 2026), Change("transit_fare", 0.5, 2028)
    assert Scenario("", "", [a, b]) == Scenario("", "", [b, a])


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda: Change("building_p", 1, 2026), UnknownNameError, "'building_pv'"),
        (lambda: Change("building_pv", 99, 2026), RangeError, r"from 0 to 10 GW"),
        (lambda: Change("building_pv", float("nan"), 2026), SchemaError, "expected a number"),
        (lambda: Change("building_pv", True, 2026), SchemaError, "expected a number"),
        (lambda: Change("building_pv", 1, 2023), RangeError, "cannot begin before 2026-01-01"),
        (lambda: Change("building_pv", 1, "spring"), SchemaError, "2026-01-01, or a year"),
        (lambda: Change("building_pv", 1, 2030, 2027), RangeError, "before it starts"),
        (lambda: Change("building_pv", 1, 2030, ramp_years=-1), RangeError, "0 or more"),
        (
            lambda: Scenario("", "", [Change("building_pv", 1, 2026), Change("building_pv", 2, 2028)]),
            RangeError,
            "first end on 2027-12-31",
        ),
        (lambda: Scenario("", "", budget_cny=-1), RangeError, "0 CNY or more"),
        (lambda: Scenario("", "", run={1: 2}), SchemaError, "plain"),
        (lambda: Scenario.from_yaml("changes: ["), SchemaError, "no YAML"),
        (lambda: Scenario.from_yaml("name_zh: x"), SchemaError, "lacks name_en"),
        (lambda: Scenario.from_yaml("- 1"), SchemaError, "is a mapping"),
        (lambda: Scenario.from_yaml("{name_zh: x, name_en: y, chnges: []}"), SchemaError, "has chnges"),
        (
            lambda: Scenario.from_yaml("{name_zh: x, name_en: y, changes: [{lever: building_pv, start: 2026}]}"),
            SchemaError,
            "Change 1 of the scenario lacks value",
        ),
        (lambda: Scenario.from_token("1abc"), SchemaError, "Copy the whole address"),
        (lambda: Scenario.from_token("9" + Scenario("", "").to_token()[1:]), SchemaError, "version"),
        (lambda: Scenario.from_token(Scenario("", "").to_token()[:-4]), SchemaError, "address"),
        (lambda: Scenario.read("/nowhere/plan.yml"), DataError, "no scenario file"),
        (lambda: Scenario.read(Path(__file__).parent), DataError, "cannot be read as a scenario"),
        (lambda: Scenario.from_token(5), SchemaError, "address"),
        (lambda: Scenario.from_yaml("{name_zh: , name_en: y}"), SchemaError, "name_zh of the scenario is empty"),
        (lambda: Scenario.from_yaml("name_zh: x\nname_en: y\nname_zh: z"), SchemaError, "'name_zh' twice, .* line 3"),
        (
            lambda: Scenario.from_yaml("{name_zh: x, name_en: y, changes: [{lever: building_pv, value: 1, value: 2}]}"),
            SchemaError,
            "'value' twice",
        ),
        (lambda: Scenario.from_yaml("{name_zh: x, name_en: y, changes: &a [*a]}"), SchemaError, "list of mappings"),
        (lambda: Scenario("", "", Change("building_pv", 1, 2026)), SchemaError, "expected a list of Change"),
        (lambda: Scenario("", "", [{"lever": "building_pv"}]), SchemaError, r"Scenario\.from_dict"),
        (lambda: Scenario("", "", phases=["past"]), SchemaError, "holds 'past'; expected Phase"),
        (lambda: Change(None, 1, 2026), SchemaError, "expected the id of a lever"),
        (lambda: Phase("近期", "Near", 2030, 2026), RangeError, "'Near' ends on 2026-12-31, before"),
    ],
)
def test_what_cannot_be_is_told_with_the_remedy(make, error, told):
    with pytest.raises(error, match=told) as caught:
        make()
    assert isinstance(caught.value, CitylabError)


def test_a_number_that_yaml_reads_as_text_is_a_number():
    plan = Scenario.from_yaml("{name_zh: x, name_en: y, budget_cny: 5e9, changes: []}")
    assert plan.budget_cny == 5e9


def test_a_ramp_goes_in_a_straight_line_and_a_year_holds_its_mean():
    # 4 GW over 4 years of 365.25 days from 2026-01-01: the mean of year k is near k + 1/2
    plan = Scenario("", "", [Change("building_pv", 4, 2026, 2031, ramp_years=4)])
    values = plan.values("building_pv", range(2025, 2034))
    assert values[0] == 0.0 and values[-2:] == (0.0, 0.0)
    assert values[1:5] == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.005)
    assert values[6] == 4.0


def test_a_phase_that_follows_at_once_ramps_from_what_held_before():
    plan = Scenario("", "", [Change("building_pv", 2, 2026, 2030), Change("building_pv", 6, 2031, ramp_years=4)])
    assert plan.values("building_pv", [2030, 2031, 2036]) == pytest.approx((2.0, 2.5, 6.0), abs=0.005)
    apart = Scenario("", "", [Change("building_pv", 2, 2026, 2029), Change("building_pv", 6, 2031, ramp_years=4)])
    assert apart.values("building_pv", [2030, 2031]) == pytest.approx((0.0, 0.75), abs=0.005)


def test_a_ramp_that_ends_early_hands_on_the_value_that_it_reached():
    # Two of four years of the ramp to 4 GW: 2 GW handed on
    plan = Scenario(
        "", "", [Change("building_pv", 4, 2026, 2027, ramp_years=4), Change("building_pv", 2, 2028, ramp_years=3)]
    )
    assert plan.values("building_pv", [2028, 2030]) == pytest.approx((2.0, 2.0), abs=0.005)


def test_a_difference_reads_as_a_sentence_in_both_languages():
    a = Scenario("甲", "A", [Change("building_pv", 2, 2026)], budget_cny=5e9)
    b = Scenario("乙", "B", [Change("building_pv", 3, 2026), Change("transit_fare", 0.5, 2027)])
    assert diff(a, b, "zh") == [
        "建筑光伏：2026-01-01 起为 3 GW（甲：2026-01-01 起为 2 GW）。",
        "乙新增：公交地铁票价：2027-01-01 起为 0.5。",
        "公共资金：未定（甲：50 亿元）。",
    ]
    price = Change("carbon_price", 100, 2026)
    assert price.sentence("zh") == "碳价传导：2026-01-01 起为 100 元/吨"
    assert Change("driving_restriction", 2, 2026).sentence("zh").endswith("2 天/周")
    assert Change("driving_restriction", 2, 2026).sentence().endswith(": 2 days/week from 2026-01-01")
    assert diff(b, a)[1] == "Not in A: Transit fares: 0.5 from 2027-01-01."
    assert diff(a, b)[-1] == "Public money: none named (A: 5,000,000,000 CNY)."


def test_a_file_is_written_whole_and_read_back(tmp_path):
    plan = Scenario("甲", "A", [Change("building_pv", 2, 2026)], run={"hours": [1, 2]})
    assert Scenario.read(plan.write(tmp_path / "plan.yml")) == plan
    assert [p.name for p in tmp_path.iterdir()] == ["plan.yml"]


def test_every_example_file_is_a_scenario_in_both_languages():
    files = sorted((city_settings.datasets_dir() / "scenarios").glob("*.yml"))
    assert len(files) >= 4
    for path in files:
        plan = Scenario.read(path)
        assert plan.name_zh and plan.name_en
        assert Scenario.from_yaml(plan.to_yaml()) == plan


def test_a_limit_is_no_mean_of_itself_and_of_none():
    # A cap of 8 Mt from the middle of 2026 on, reached at once; 50 stands for no cap.
    half = Scenario("", "", [Change("ets_cap", 8, "2026-07-02", 2027)]).means("ets_cap", [2025, 2026, 2027, 2028])
    assert [m.value for m in half] == [50.0, 8.0, 8.0, 50.0]
    assert [m.days_share for m in half] == pytest.approx([0.0, 183 / 365, 1.0, 0.0])
    assert [m.way_share for m in half] == [0.0, 1.0, 1.0, 0.0]
    # Reached over two years: a quarter of the way on the mean of the first, three quarters of the second
    ramp = Scenario("", "", [Change("ets_cap", 8, 2026, ramp_years=2)]).means("ets_cap", [2026, 2027, 2028])
    assert [m.value for m in ramp] == pytest.approx([8.0, 8.0, 8.0], rel=1e-12)
    assert [m.way_share for m in ramp] == pytest.approx([0.25, 0.75, 1.0], abs=0.002)
    # Half-way to 8 when 6 takes over: the way goes on from there
    plan = [Change("ets_cap", 8, 2026, 2026, ramp_years=2), Change("ets_cap", 6, 2027, ramp_years=1)]
    later = Scenario("", "", plan).means("ets_cap", [2027, 2029])
    assert [m.way_share for m in later] == pytest.approx([0.75, 1.0], abs=0.002)
    assert 6 < later[0].value < 8 and later[1].value == 6.0


def test_levers_that_are_no_limit_hold_the_whole_year_at_their_mean():
    (mean,) = Scenario("", "", [Change("building_pv", 2, "2028-07-02")]).means("building_pv", [2028])
    assert (mean.value, mean.days_share, mean.way_share) == (1.0, 1.0, 1.0)
