"""The sheet of products: what is written reads back, whatever it says, and faults are named."""

import csv
import io
from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from services.auctions.sheet import (
    COLUMNS,
    MAX_BYTES,
    MAX_ROWS,
    Fault,
    SheetRow,
    read_sheet,
    write_sheet,
)

HEADER = ["id", *(column.name for column in COLUMNS)]
awkward = st.text(
    st.one_of(
        st.sampled_from("=+-@\t\r\n'\";,\\ \ufeff\u2028é"),
        st.characters(exclude_categories=("Cs",), exclude_characters="\0"),
    ),
    max_size=30,
)
items = st.lists(awkward.filter(lambda text: text.strip(" ")), max_size=4)
products = st.builds(
    SimpleNamespace,
    id=st.uuids(),
    kind=st.sampled_from(["PHYSICAL", "DIGITAL"]),
    name=awkward,
    category=awkward,
    asset=st.sampled_from(["USD", "JPY", "SPARK"]),
    price_minor=st.none() | st.integers(1, 9_999_999_999),
    inventory_count=st.integers(0, 1_000_000),
    low_stock_threshold=st.integers(0, 1_000_000),
    region=st.none() | st.just("FR"),
    tags=items,
    image_urls=items,
    description=awkward,
    story=awkward,
)


def product(**fields):
    given = {
        "id": UUID(int=7),
        "kind": "PHYSICAL",
        "name": "Bowl",
        "category": "Pottery",
        "asset": "USD",
        "price_minor": 1250,
        "inventory_count": 3,
        "low_stock_threshold": 1,
        "region": None,
        "tags": [],
        "image_urls": [],
        "description": "",
        "story": "",
    }
    return SimpleNamespace(**{**given, **fields})


def sheet_of(*rows, header=("name",)):
    out = io.StringIO()
    csv.writer(out).writerows([header, *rows])
    return out.getvalue().encode()


@given(st.lists(products, max_size=5))
def test_what_is_written_reads_back_as_it_was(listed):
    text, count = write_sheet(listed, max_rows=MAX_ROWS, max_bytes=MAX_BYTES)
    rows, faults = read_sheet(text.encode())
    assert faults == []
    assert count == len(listed) == len(rows)
    for number, (row, wanted) in enumerate(zip(rows, listed, strict=True), start=2):
        price = row.fields["price"]
        assert (row.number, row.product_id) == (number, wanted.id)
        for column in COLUMNS:
            if column.field != "price":
                assert row.fields[column.field] == getattr(wanted, column.field), column.name
        places = {"USD": 2, "JPY": 0, "SPARK": 6}[wanted.asset]
        minor = None if price is None else int(price.replace(".", ""))
        assert minor == wanted.price_minor
        assert price is None or len(price.partition(".")[2]) == places


@given(st.lists(products, min_size=1, max_size=3))
def test_no_cell_begins_as_a_formula_does(listed):
    text, _ = write_sheet(listed, max_rows=MAX_ROWS, max_bytes=MAX_BYTES)
    for line in csv.reader(io.StringIO(text, newline="")):
        assert [cell for cell in line if cell[:1] in ("=", "+", "-", "@", "\t", "\r")] == []


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("-5", "'-5"),
        ("+1", "'+1"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("'=1", "''=1"),
        ("'tis", "'tis"),
        ("a=b", "a=b"),
    ],
)
def test_formulas_get_an_apostrophe_and_lose_it_again(value, cell):
    text, _ = write_sheet([product(name=value)], max_rows=1, max_bytes=MAX_BYTES)
    [_, line] = csv.reader(io.StringIO(text, newline=""))
    assert line[HEADER.index("name")] == cell
    [row], _ = read_sheet(text.encode())
    assert row.fields["name"] == value


def test_lists_stand_between_semicolons():
    rows, faults = read_sheet(sheet_of(["a; b ;c\\;d;\\ e\\ "], header=["tags"]))
    assert faults == []
    assert rows == [SheetRow(2, None, {"tags": ["a", "b", "c;d", " e "]})]


def test_a_byte_order_mark_and_any_line_end_are_taken():
    for mark in ("", "\ufeff"):
        for end in ("\n", "\r\n"):
            rows, faults = read_sheet(f"{mark}name,price{end}Bowl,12.50{end}{end}".encode())
            assert (rows, faults) == ([SheetRow(2, None, {"name": "Bowl", "price": "12.50"})], [])


def test_each_fault_names_its_row_and_column():
    sheet = sheet_of(
        ["usr_1", "Bowl", "free", "many"],
        ["", "Cup", "1.50", "1"],
        ["", "Jug"],
        header=["id", "name", "price", "inventoryCount"],
    )
    rows, faults = read_sheet(sheet)
    assert [row.number for row in rows] == [3]
    assert [(fault.row, fault.column) for fault in faults] == [
        (2, "id"),
        (2, "price"),
        (2, "inventoryCount"),
        (4, None),
    ]


def test_an_unknown_column_and_one_that_stands_twice_are_faults_of_the_header():
    assert read_sheet(b"name,colour,name\r\nBowl,red,Cup\r\n") == (
        [],
        [Fault(1, "colour", "no such column"), Fault(1, "name", "stands twice")],
    )


@pytest.mark.parametrize("broken", [b'name\r\n"Bowl', b'name\r\n"Bo"wl\r\n', b'"name'])
def test_broken_quotes_are_a_fault_where_they_are(broken):
    rows, faults = read_sheet(broken)
    assert rows == []
    assert [(fault.row, fault.column) for fault in faults] == [(1 + (b"\n" in broken), None)]


@pytest.mark.parametrize(
    "content",
    [b"", b"\r\n\r\n", b"name\r\n\xff\xfe", b"\x89PNG\r\n\x1a\n", b"x" * (MAX_BYTES + 1)],
    ids=["empty", "blank", "latin", "png", "large"],
)
def test_what_is_no_sheet_is_refused(content):
    with pytest.raises(InvalidInput) as refused:
        read_sheet(content)
    assert refused.value.field == "file"


def test_rows_are_counted():
    assert len(read_sheet(b"name\r\n" + b"x\r\n" * MAX_ROWS)[0]) == MAX_ROWS
    with pytest.raises(InvalidInput, match="5000 rows"):
        read_sheet(b"name\r\n" + b"x\r\n" * (MAX_ROWS + 1))


def test_a_sheet_ends_where_it_would_be_too_large():
    listed = [product(description="x" * 1_000) for _ in range(10)]
    text, count = write_sheet(listed, max_rows=MAX_ROWS, max_bytes=5_000)
    assert count == 4
    assert len(text.encode()) <= 5_000
    assert write_sheet(listed, max_rows=3, max_bytes=MAX_BYTES)[1] == 3
    assert write_sheet(listed, max_rows=3, max_bytes=10)[1] == 1
