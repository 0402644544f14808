"""Values of facets as they are shown: codes by their English names, all others by their own."""

import pytest

from services.search.facet_values import FacetValues


@pytest.mark.parametrize(
    ("facet", "value", "shown"),
    [
        ("REGION", "FR", "France"),
        ("REGION", "CI", "C\xf4te d\u2019Ivoire"),
        ("REGION", "QQ", "its label"),
        ("LANGUAGE", "fr", "French"),
        ("LANGUAGE", "zh-Hant", "Traditional Chinese"),
        ("LANGUAGE", "xx", "its label"),
        ("PLATFORM", "fr", "its label"),
        ("TAG", "FR", "its label"),
    ],
)
def test_codes_are_shown_by_their_names(facet, value, shown):
    values = FacetValues()
    values.add([(7, facet, value, "its label")])
    assert values.by_number[7] == (facet, value, shown)
    assert values.numbers == {(facet, value): 7}
