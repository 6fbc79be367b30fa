from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.routing.conditions import ConditionError, Conditions, _judge, find_condition_problems
from services.routing.facts import FACTS, FactType, FactValue

SAMPLES: dict[FactType, FactValue] = {
    FactType.BOOL: True,
    FactType.INT: 3,
    FactType.STRING: "imminent",
    FactType.STRINGS: ["SexualExploitation"],
}
EVERYTHING: dict[str, FactValue] = {name: SAMPLES[fact.type] for name, fact in FACTS.items()}


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "minor",
        "!minor || presumed_minor",
        'minor && "SexualExploitation" in exploitation.types',
        'safety.risk in ["high", "imminent"]',
        "size(exploitation.types) > 0 && exploitation.types.size() <= 3",
        'county.startsWith("06") && !county.endsWith(\'9\') && r"a\\d".contains("a")',
        "minor ? flags.unaccompanied : flags.indian_child",
        "details.workers_affected >= 10",
        'exploitation.types == ["ForcedLabour"]',
        "minor // a remark",
        'minor\n  && county == """06029"""',
        '"a division / and an index[0] in a text" == county',
    ],
)
def test_a_total_condition_over_known_facts_is_sound(text: str) -> None:
    assert find_condition_problems(text) == []


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ('minr && "x" in exploitation.types', 1, "unknown fact `minr`; did you mean `minor`?"),
        ('minor && "x" in exploitation.type', 17, "did you mean `exploitation.types`?"),
        ('minor && exploitation.types[0] == "x"', 28, "indexing can fail"),
        ('["a"][0] == county', 6, "indexing can fail"),
        ('(exploitation.types)[0] == "a"', 21, "indexing can fail"),
        ("details.party_size / 2 == 1", 20, "arithmetic can fail"),
        ("details.party_size % 2 == 1", 20, "arithmetic can fail"),
        ("details.party_size + 1 == 1", 20, "arithmetic can fail"),
        ("details.party_size * 2 == 1", 20, "arithmetic can fail"),
        ("-details.party_size == 1", 1, "arithmetic can fail"),
        ("int(county) == 1", 1, "the function `int` may not be used"),
        ('timestamp(county) == timestamp("x")', 1, "the function `timestamp` may not be used"),
        ("has(exploitation.types)", 1, "compare it with its reading when absent"),
        ('county.matches("(a+)+")', 1, "regular expressions may not be used"),
        ('exploitation.types.exists(t, t == "x")', 1, "loops have a budget"),
        ('exploitation.types.all(t, t == "x")', 1, "loops have a budget"),
        ("exploitation.types.map(t, t) == []", 1, "the function `map` may not be used"),
        ('{"a": 1} == {"a": 1}', 1, "maps or messages"),
        ("type(minor) == bool", 1, "the function `type` may not be used"),
        ("dyn(minor)", 1, "the function `dyn` may not be used"),
        ("minor == null", 10, "unknown fact `null`"),
        ("details.party_size == 1.5", 23, "means nothing here"),
        ("details.party_size == 0x1F", 23, "means nothing here"),
        ('county == "06029', 11, "means nothing here"),
        ("minor; minor", 6, "means nothing here"),
        ("`minor`", 1, "means nothing here"),
        ("exploitation", 1, "unknown fact `exploitation`"),
        ('"a".b == county', 5, "unknown fact `b`"),
        (".minor", 2, "unknown fact"),
    ],
)
def test_what_could_fail_or_is_unknown_is_refused_at_its_column(text: str, column: int, words: str) -> None:
    problem = find_condition_problems(text)[0]
    assert (problem.line, problem.column) == (1, column)
    assert words in problem.message


NESTED: dict[str, Callable[[int], str]] = {
    "brackets": lambda n: "(" * n + "minor" + ")" * n,
    "denials": lambda n: "!(" * n + "minor" + ")" * n,
    "comparisons": lambda n: "minor" + " == minor" * n,
    "choices": lambda n: "minor ? minor : " * n + "minor",
    "both": lambda n: "minor && (presumed_minor || " * n + "minor" + ")" * n,
    "lists": lambda n: "minor in [" * n + "minor" + "]" * n,
}


@pytest.mark.parametrize(
    ("sound", "faulty"),
    [
        ('county == "06029"', r'county == "\q"'),
        ("details.party_size == 1", "details.party_size == 99999999999999999999"),
        ('county == "06029"', 'county == 06029 + "x"'),
        ('county == "06029"', "county == 6029"),
    ],
)
def test_a_fault_is_found_in_what_looks_like_a_sound_condition(sound: str, faulty: str) -> None:
    assert find_condition_problems(sound) == []
    assert find_condition_problems(faulty) != []


@pytest.mark.parametrize("nested", NESTED.values(), ids=NESTED)
def test_a_sound_condition_is_never_too_deep_for_a_list_of_them(nested: Callable[[int], str]) -> None:
    sound = [text for text in map(nested, range(1, 40)) if not find_condition_problems(text)]
    assert 5 < len(sound) < 39
    for text in sound:
        Conditions([text])


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("county", 1, 1, "must be true or false, and this is STRING"),
        ("minor && county", 1, 7, "no matching overload"),
        ("minor ==\n  county", 1, 7, "no matching overload"),
        ("minor &&", 1, 9, "Syntax error"),
        ("minor, minor", 1, 6, "Syntax error"),
        ("minor) || (minor", 1, 6, "Syntax error"),
        ("minor &&\n  minr", 2, 3, "did you mean `minor`?"),
        ("county > 3", 1, 8, "no matching overload"),
        ("(" * 31 + "minor" + ")" * 31, 1, 1, "nested too deeply"),
        ("", 1, 1, "Syntax error"),
    ],
)
def test_what_is_no_truth_value_is_refused_at_its_place(
    text: str, line: int, column: int, words: str
) -> None:
    (problem,) = find_condition_problems(text)
    assert (problem.line, problem.column) == (line, column)
    assert words in problem.message


def test_every_problem_of_a_condition_is_told_at_once() -> None:
    problems = find_condition_problems('minr && exploitation.types[0] == "x" && 1 / 0 == 1')
    assert [problem.column for problem in problems] == sorted(problem.column for problem in problems)
    assert len(problems) == 3


def test_conditions_are_judged_together_in_order() -> None:
    conditions = Conditions(["minor", "!minor", "true", 'safety.risk == "imminent"', "minor"])
    assert conditions.evaluate(EVERYTHING) == (True, False, True, True, True)
    assert conditions.facts == {"minor", "safety.risk"}


def test_a_remark_at_the_end_of_a_condition_hides_nothing_of_the_next() -> None:
    assert Conditions(["minor // x", "!minor // ]"]).evaluate(EVERYTHING) == (True, False)


def test_more_conditions_than_one_list_can_hold_are_judged_all_the_same() -> None:
    texts = [f'county == "{number:05}" || "{"x" * 100}" == county' for number in range(2000)]
    answers = Conditions(texts).evaluate({"county": "00777"})
    assert [number for number, answer in enumerate(answers) if answer] == [777]


def test_no_condition_at_all_is_no_error() -> None:
    assert Conditions([]).evaluate({}) == ()


def test_facts_that_were_judged_before_are_judged_alike_and_others_are_not() -> None:
    conditions = Conditions(["minor", '"shelter" in needs'])
    for _ in range(2):
        assert conditions.evaluate({"minor": True, "needs": ["shelter"]}) == (True, True)
        assert conditions.evaluate({"minor": True, "needs": []}) == (True, False)
        assert conditions.evaluate({"minor": False, "needs": ["shelter"]}) == (False, True)


def test_a_missing_fact_is_an_error_and_never_a_match() -> None:
    with pytest.raises(ConditionError):
        Conditions(["minor", 'county == "06029"']).evaluate({"minor": True})


def test_a_fact_of_the_wrong_type_is_an_error_and_never_a_match() -> None:
    with pytest.raises(ConditionError):
        Conditions(["minor"]).evaluate({"minor": "yes"})


@given(st.lists(st.sampled_from(["minor", "!minor", "true", "minor && minor", "!(minor)"]), max_size=30))
@settings(deadline=None)
def test_each_place_of_the_answer_belongs_to_its_condition(texts: list[str]) -> None:
    expected = [not text.startswith("!") for text in texts]
    assert Conditions(texts).evaluate({"minor": True}) == tuple(expected)


class OddProgram:
    """An engine that answers what ours must never take for a match."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def eval(self, *, data: object) -> "OddProgram":
        return self

    def plain_value(self) -> object:
        return self.answer


@pytest.mark.parametrize(
    "answer", ["UNKNOWN: no value with that name", [True], [True, True, True], [True, 1], [True, None], None]
)
def test_an_answer_that_is_no_list_of_bools_of_the_right_length_is_an_error(answer: object) -> None:
    program: Any = OddProgram(answer)
    with pytest.raises(ConditionError):
        _judge(program, 2, {})


def test_an_answer_of_bools_is_taken_as_it_is() -> None:
    program: Any = OddProgram([True, False])
    assert _judge(program, 2, {}) == [True, False]
