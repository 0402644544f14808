"""Amounts: exact, in range, with the asset's places; a hostile number is refused, never rounded."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.money import ASSETS, INT64_MAX, to_decimal, to_minor
from schema.scalars import SCALARS, BigInt

assets = st.sampled_from(sorted(ASSETS))
parse_decimal = SCALARS[Decimal].parse_value
parse_big_int = SCALARS[BigInt].parse_value


@given(st.integers(0, INT64_MAX), assets)
def test_amounts_survive(minor: int, asset: str) -> None:
    amount = to_decimal(minor, asset)
    assert to_minor(amount, asset) == minor
    assert to_minor(str(amount), asset) == minor
    assert -amount.as_tuple().exponent == ASSETS[asset].scale


@pytest.mark.parametrize(
    ("amount", "asset", "minor"),
    [
        ("12.50", "USD", 1_250),
        ("12.5", "USD", 1_250),
        ("12", "USD", 1_200),
        ("1E+2", "USD", 10_000),
        ("12.500000000", "USD", 1_250),  # zeros are no places
        ("0", "USD", 0),
        ("-0", "USD", 0),
        ("1250", "JPY", 1_250),
        ("0.000001", "SPARK", 1),
        ("92233720368547758.07", "USD", INT64_MAX),
    ],
)
def test_whole_units_become_minor_ones(amount: str, asset: str, minor: int) -> None:
    assert to_minor(Decimal(amount), asset) == minor


@pytest.mark.parametrize(
    ("amount", "asset"),
    [
        ("0.001", "USD"),
        ("0.5", "JPY"),
        ("0.0000001", "SPARK"),
        ("1.0000000000000000000000000000000001", "USD"),
        ("1." + "0" * 30 + "1", "SPARK"),
        ("1E-30", "USD"),
        ("1E-999999", "USD"),
        ("1E-999999999999999999", "USD"),
    ],
)
def test_more_places_than_the_asset_has_are_refused_and_not_rounded(
    amount: str, asset: str
) -> None:
    with pytest.raises(InvalidInput, match="decimal places at most") as raised:
        to_minor(amount, asset, field="price")
    assert raised.value.field == "price"


@pytest.mark.parametrize(
    "amount",
    [
        "-0.01",
        "-1",
        "92233720368547758.08",
        "1E+30",
        "1E+999999",
        "9E+999999999999999999",
        "-1E+99",
    ],
)
def test_what_does_not_fit_is_refused(amount: str) -> None:
    with pytest.raises(InvalidInput, match="out of range"):
        to_minor(amount, "USD")


@pytest.mark.parametrize(
    "amount", ["", "abc", "NaN", "sNaN", "Infinity", "-Infinity", "1,5", "1 000"]
)
def test_what_is_no_number_is_refused(amount: str) -> None:
    with pytest.raises(InvalidInput, match="not a decimal number"):
        to_minor(amount, "USD")


@given(st.decimals() | st.text(max_size=40), assets)
def test_no_amount_does_anything_but_convert_exactly_or_be_refused(
    amount: Decimal | str, asset: str
) -> None:
    try:
        minor = to_minor(amount, asset)
    except InvalidInput:
        return
    assert 0 <= minor <= INT64_MAX
    with localcontext() as context:
        context.prec = 100
        assert Decimal(amount) == to_decimal(minor, asset)


def test_the_threads_own_precision_does_not_matter() -> None:
    with localcontext() as context:
        context.prec = 3
        assert to_minor("123456.78", "USD") == 12_345_678


@pytest.mark.parametrize("text", ["12.50", "-3", "+7", "1e5", "0.1", ".5", "5."])
def test_decimal_scalar_takes_numbers(text: str) -> None:
    assert parse_decimal(text) == Decimal(text)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " 1",
        "1 ",
        "1_000",
        "\uff11\uff12",  # digits, and not ours
        "\u0663",
        "NaN",
        "Infinity",
        "0x10",
        "1\n",
        "9" * 41,
        12,
        1.5,
        None,
    ],
)
def test_decimal_scalar_refuses_everything_else(value: object) -> None:
    with pytest.raises(ValueError, match="Decimal must be"):
        parse_decimal(value)


@pytest.mark.parametrize("number", [0, -1, INT64_MAX, -INT64_MAX - 1])
def test_big_int_scalar_takes_64_bits(number: int) -> None:
    assert parse_big_int(str(number)) == number


@pytest.mark.parametrize(
    "value",
    [
        str(INT64_MAX + 1),
        str(-INT64_MAX - 2),
        "9" * 5_000,
        "",
        "-",
        "--1",
        "1.0",
        "\u0663",
        "1_0",
        5,
        None,
    ],
)
def test_big_int_scalar_refuses_everything_else(value: object) -> None:
    with pytest.raises(ValueError, match="BigInt must"):
        parse_big_int(value)
