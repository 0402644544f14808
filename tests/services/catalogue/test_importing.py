"""Importing titles: what is taken, what is one and what two, what is refused and why, how fast."""

import orjson
import pytest

from services.content import records as reading
from services.content.importing import import_titles
from services.content.records import ImportFailed, open_source, records
from tests.data import DATA

FILMS = DATA / "titles" / "wikipedia-movies.jsonl.gz"

LENA = {
    "title": "Lena's Kiln",
    "year": 2021,
    "cast": ["Ada Quist", {"name": "Bo Lind", "character": "The potter"}],
    "director": "Ada Quist",
    "genres": ["Drama", "Science Fiction"],
    "extract": "A kiln is lit once more.",
    "language": "sv",
    "country": "SE",
    "runtime": 94,
    "content_rating": "PG-13",
    "imdb_id": "tt0000001",
    "release_date": "2021-03-04",
}


async def test_a_title_comes_whole(load, sql):
    report = await load([LENA])
    assert (report.read, report.added, report.rejected) == (1, 1, 0)
    assert (report.people, report.credits, report.genres) == (2, 3, 2)
    [row] = await sql("SELECT * FROM title")
    assert (row.kind, row.name, row.sort_name) == ("MOVIE", "Lena's Kiln", "lena's kiln")
    assert (row.year, str(row.released_on), row.release_key) == (2021, "2021-03-04", 20210304)
    assert (row.description, row.runtime_minutes) == ("A kiln is lit once more.", 94)
    assert (row.languages, row.countries) == (["sv"], ["SE"])
    assert (row.maturity, row.imdb_id) == (2, "tt0000001")
    credits = await sql(
        "SELECT role, position, character, name FROM credit JOIN person ON person.id = person_id"
        " ORDER BY position"
    )
    assert [tuple(credit) for credit in credits] == [
        ("DIRECTOR", 0, None, "Ada Quist"),
        ("ACTOR", 1, None, "Ada Quist"),
        ("ACTOR", 2, "The potter", "Bo Lind"),
    ]
    genres = await sql("SELECT slug, name FROM genre ORDER BY slug")
    assert [tuple(genre) for genre in genres] == [
        ("drama", "Drama"),
        ("science-fiction", "Science Fiction"),
    ]


@pytest.mark.parametrize("form", ["json", "jsonl", "gz"])
async def test_the_same_file_again_writes_no_row(load, snapshot, write_file, form):
    path = write_file([LENA, {"title": "Other", "year": 1999, "cast": ["Bo Lind"]}], form)
    assert (await load(path)).added == 2
    before = await snapshot()
    again = await load(path)
    assert (again.added, again.completed, again.unchanged, again.written) == (0, 0, 2, 0)
    assert (again.people, again.credits, again.genres) == (0, 0, 0)
    assert await snapshot() == before  # xmin too: nothing was even rewritten


async def test_a_table_says_the_same_as_json(load, snapshot, write_file):
    await load([{"title": "Tea", "year": 1950, "cast": ["A B", "C D"], "genres": ["Drama"]}])
    before = await snapshot()
    table = ["title,year,cast,genres", "Tea,1950,A B|C D,Drama"]
    report = await load(table, "csv")
    assert (report.unchanged, report.rejected) == (1, 0)
    assert await snapshot() == before


async def test_one_person_across_files_whatever_the_spelling(load, sql):
    await load([{"title": "One", "year": 1990, "cast": ["Zoë  Ray"]}])
    await load([{"title": "Two", "year": 1991, "cast": ["zoe\u0308 ray", "Z. Ray"]}])
    people = await sql(
        "SELECT name, count(*) AS credits FROM person JOIN credit ON person_id = person.id"
        " GROUP BY name ORDER BY name"
    )
    assert [tuple(row) for row in people] == [("Z. Ray", 1), ("Zoë  Ray", 2)]


@pytest.mark.parametrize(
    ("other", "are", "credited"),
    [
        ({"year": 1916}, 2, 4),
        ({"cast": ["Theda Bara"]}, 2, 3),
        ({"extract": "Another Carmen."}, 2, 4),
        ({"title": "CARMEN "}, 1, 2),
        ({"cast": ["Wallace Reid", "geraldine farrar"]}, 1, 2),
        ({"genres": ["Drama", "Silent"]}, 1, 2),
        ({}, 1, 2),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_what_is_one_title_and_what_are_two(load, sql, other, are, credited, at_once):
    carmen = {
        "title": "Carmen",
        "year": 1915,
        "cast": ["Geraldine Farrar", "Wallace Reid"],
        "extract": "After Mérimée.",
    }
    both = [carmen, carmen | other]
    for file in [both] if at_once else [[one] for one in both]:
        assert (await load(file)).rejected == 0
    [[count]] = await sql("SELECT count(*) FROM title")
    assert count == are
    [[credits]] = await sql("SELECT count(*) FROM credit")
    assert credits == credited


async def test_a_number_of_another_catalogue_names_a_title_whatever_its_words(load, sql):
    await load([{"title": "Old name", "year": 1999, "imdb_id": "tt1234567"}])
    report = await load([{"title": "New name", "imdb_id": "tt1234567", "runtime": 80}])
    assert (report.added, report.completed) == (0, 1)
    [row] = await sql("SELECT name, year, runtime_minutes FROM title")
    assert tuple(row) == ("Old name", 1999, 80)  # added to, not overwritten


async def test_what_is_missing_is_completed_and_what_is_there_stays(load, sql):
    bare = {"title": "Bare", "year": 2000}
    await load([bare])
    report = await load([bare | {"runtime": 70, "genres": ["Drama"], "language": "fr"}])
    assert (report.added, report.completed, report.unchanged) == (0, 1, 0)
    report = await load([bare | {"runtime": 99, "genres": ["Comedy"], "language": "de"}])
    assert (report.added, report.completed) == (0, 1)  # a genre was added
    [row] = await sql("SELECT runtime_minutes, languages FROM title")
    assert tuple(row) == (70, ["fr"])
    genres = await sql("SELECT slug FROM genre JOIN title_genre ON genre_id = id ORDER BY slug")
    assert [slug for (slug,) in genres] == ["comedy", "drama"]


HOSTILE = [
    (5, "not an object"),
    ("text", "not an object"),
    ({}, "title: missing"),
    ({"title": None}, "title: missing"),
    ({"title": ["Film"]}, "title: not text"),
    ({"title": "  "}, "title: must not be blank"),
    ({"title": "a\0b"}, "title: contains a NUL character"),
    ({"title": "a\nb"}, "title: must be a single line"),
    ({"title": "x" * 501}, "title: 500 characters at most"),
    ({"title": "F", "year": "soon"}, "year: not a whole number"),
    ({"title": "F", "year": True}, "year: not a whole number"),
    ({"title": "F", "year": 19.5}, "year: not a whole number"),
    ({"title": "F", "year": 10**18}, "year: not from 1870 to 2200"),
    ({"title": "F", "release_date": "yesterday"}, "release_date: not a date as in 2026-01-31"),
    ({"title": "F", "year": 1, "release_date": "x"}, "year: not from 1870 to 2200"),
    ({"title": "F", "year": 1999, "release_date": "2000-01-01"}, "release_date: of another year"),
    ({"title": "F", "cast": {"a": 1}}, "cast: not a list"),
    ({"title": "F", "cast": [7]}, "cast: neither names nor objects with a name"),
    ({"title": "F", "cast": ["x" * 201]}, "credits: 200 characters at most"),
    ({"title": "F", "cast": ["x"] * 1_001}, "cast: more than 1000"),
    ({"title": "F", "genres": ["***"]}, "genres: without a letter or digit"),
    ({"title": "F", "genres": [None]}, "genres: not all text"),
    ({"title": "F", "language": "Klingon"}, "languages: not codes as in en (ISO 639)"),
    ({"title": "F", "countries": ["ZZ"]}, "countries: not codes as in FR (ISO 3166-1)"),
    ({"title": "F", "kind": "OPERA"}, "kind: not one of MOVIE, SERIES, DOCUMENTARY, SHORT"),
    ({"title": "F", "content_rating": "??"}, "content_rating: unknown; as in PG-13 or TV-14"),
    ({"title": "F", "imdb_id": "tt1; DROP"}, "imdb_id: not of its form"),
]


async def test_each_bad_row_is_rejected_with_its_number_and_why_and_others_are_taken(load, sql):
    good = {"title": "Good", "year": 2000}
    report = await load([*(bad for bad, _ in HOSTILE), good])
    assert [tuple(one) for one in report.named] == [
        (row, reason) for row, (_, reason) in enumerate(HOSTILE, start=1)
    ]
    assert (report.read, report.added, report.rejected) == (len(HOSTILE) + 1, 1, len(HOSTILE))
    assert await sql("SELECT name FROM title") == [("Good",)]


async def test_naughty_strings_come_out_as_they_went_in(load, sql):
    names = [
        "Robert'); DROP TABLE title;--",
        "<script>alert(1)</script>",
        "\ufdfd",
        "\U0001f469\u200d\U0001f469\u200d\U0001f467",
        "\ufb01nd",
        "%s {0}",
    ]
    assert (await load([{"title": name, "year": 2000} for name in names])).added == len(names)
    found = await sql("SELECT name FROM title")
    assert sorted(name for (name,) in found) == sorted(names)


def raw(tmp_path, content):
    path = tmp_path / "raw"
    path.write_bytes(content)
    return path


async def test_lines_that_are_too_long_or_no_json_are_passed_over(load, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_RECORD", 100)
    lines = [
        b'{"title": "First", "year": 2000}',
        b'{"title": "' + b"x" * 500 + b'"}',
        b'{"title": ',
        b'{"title": "\xff"}',
        b"",
        b'{"title": "Last", "year": 2000}',
    ]
    report = await load(raw(tmp_path, b"\n".join(lines)))
    assert report.added == 2
    assert [row for row, _ in report.named] == [2, 3, 4]
    assert report.named[0].reason.startswith("longer than")


@pytest.mark.parametrize(
    ("content", "taken"),
    [
        (b'[{"title": "A"}, {"title": "B"}, {"title": ', 2),
        (b'[{"title": "A"} {"title": "B"}]', 1),
        (b'[{"title": "A"}, nonsense]', 1),
        (b'[{"title": "A"}, ' + b"[" * 100_000, 1),
        (b'[{"title": "A"}, {"year": NaN}]', 1),
        (b'[{"title": "A"}, {"year": ' + b"9" * 10_000 + b"}]", 1),
        (b'[{"title": "A\xff"}]', 0),
    ],
)
async def test_a_broken_array_is_read_as_far_as_it_goes(load, tmp_path, content, taken):
    report = await load(raw(tmp_path, content))
    assert report.added == taken
    assert report.failure is not None


async def test_a_damaged_archive_is_read_as_far_as_it_goes(load, write_file):
    path = write_file([{"title": f"Film {n}", "year": 2000} for n in range(5_000)], "gz")
    path.write_bytes(path.read_bytes()[:-2_000])
    report = await load(path)
    assert report.failure is not None
    assert report.failure.startswith("the file is damaged")
    assert report.rejected <= 1


async def test_arrays_are_read_in_pieces_of_any_size(tmp_path, monkeypatch):
    given = [{"title": f"Film, ] [ {n}", "year": 2000, "cast": ["é" * n]} for n in range(120)]
    path = raw(tmp_path, b" \n" + orjson.dumps(given, option=orjson.OPT_INDENT_2) + b"\n")
    for size in (1, 2, 3, 7, 64, 10_000):
        monkeypatch.setattr(reading, "_CHUNK", size)
        source = open_source(path)
        assert [record.value for record in records(source)] == given
        source.raw.close()


async def test_tables_with_bad_rows(load, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_RECORD", 200)
    lines = [
        b"\xef\xbb\xbftitle,year,genres",
        b'"Tea, and more",1950,Drama;Silent',
        b"too,few",
        b'"an open "quote",1950,',
        b"x" * 1_000 + b",1950,Drama",
        b"caf\xe9,1950,Drama",
        b"Last,1951,",
    ]
    report = await load(raw(tmp_path, b"\r\n".join(lines)))
    assert report.added == 2
    assert [row for row, _ in report.named] == [2, 3, 4, 5]
    assert report.named[0].reason == "2 cells where the header has 3"


async def test_a_file_that_is_not_there_is_refused(database_url, tmp_path):
    with pytest.raises(ImportFailed, match="No such file"):
        await import_titles(database_url, tmp_path / "none.json")


async def test_an_empty_file_is_no_titles(load, tmp_path):
    assert (await load(raw(tmp_path, b""))).read == 0
    assert (await load(raw(tmp_path, b"[]"))).read == 0


@pytest.mark.slow
async def test_thirty_six_thousand_films(load, sql, snapshot):
    if not FILMS.exists():
        pytest.skip("the recorded films are not beside this repository")
    told = []
    report = await load(FILMS, progress=lambda *step: told.append(step))
    assert (report.read, report.rejected, report.failure) == (36_273, 0, None)
    assert (report.added, report.unchanged) == (36_264, 9)  # nine stand in the file twice
    assert (report.people, report.genres) == (28_600, 41)
    assert told[-1][0] == 36_273
    assert told[-1][1] == told[-1][2]
    carmen = await sql("SELECT id FROM title WHERE name = 'Carmen' AND year = 1915")
    assert len(carmen) == 2
    before = await snapshot()
    assert (await load(FILMS)).written == 0
    assert await snapshot() == before
