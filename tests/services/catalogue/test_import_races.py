"""Imports that run at once, and beside readers: nothing twice, nothing half."""

import asyncio


async def test_two_imports_of_one_file_make_one_catalogue(load, write_file, sql):
    films = [
        {"title": f"Film {n}", "year": 2000, "cast": [f"P {n % 50}", f"Q {n}"], "genres": ["Drama"]}
        for n in range(600)
    ]
    path = write_file(films, "jsonl")
    reports = await asyncio.gather(load(path), load(path), load(path))
    assert sum(report.added for report in reports) == 600
    assert sum(report.people for report in reports) == 650
    [[titles, people, credits, genres, classed]] = await sql(
        "SELECT (SELECT count(*) FROM title), (SELECT count(*) FROM person),"
        " (SELECT count(*) FROM credit), (SELECT count(*) FROM genre),"
        " (SELECT count(*) FROM title_genre)"
    )
    assert (titles, people, credits, genres, classed) == (600, 650, 1_200, 1, 600)


async def test_an_import_tells_the_log_how_much_came(load, write_file, sql):
    path = write_file([{"title": "One"}, {"title": "Two"}, {"title": "Two"}], "jsonl")
    report = await load(path)
    assert (report.added, report.unchanged) == (2, 1)
    await load(path)
    events = await sql("SELECT type, payload FROM event WHERE topic = 'catalogue'")
    assert [tuple(row) for row in events] == [("TitlesImported", {"titles": 2})]
