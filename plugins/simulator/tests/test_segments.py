import pytest
from hub_simulator.segments import count, encoding


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("a" * 1600, 11),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("’" * 70, 1),
        ("’" * 71, 2),
        ("’" * 134, 2),
        ("’" * 135, 3),
        ("👍" * 35, 1),
        ("👍" * 36, 2),
        ("👍" * 66, 2),
        ("👍" * 67, 3),
    ],
)
def test_a_text_takes_as_many_segments_as_twilios_own_calculator_says(body: str, expected: int) -> None:
    assert count(body) == expected


@pytest.mark.parametrize("character", ["ç", "ê", "`", "\t", "’"])
def test_look_alikes_of_the_gsm_alphabet_are_not_in_it(character: str) -> None:
    assert encoding(character) == "UCS-2"
