"""Ratings from CSV: the forms that are read, and what is refused with its row."""

import gzip

import numpy as np
import pytest

from services.content.ratings_file import RatingsRefused, read_ratings

ROWS = "ada,Kiln,4.5,100\nbo,Kiln,2,200\nada,Salt,5,150\nada,Kiln,1,300\n"


@pytest.fixture
def written(tmp_path):
    def write(text, name="ratings.csv"):
        path = tmp_path / name
        data = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


def columns(ratings):
    return sorted(
        zip(
            ratings.users.tolist(),
            ratings.items.tolist(),
            ratings.values.tolist(),
            ratings.times.tolist(),
            strict=True,
        )
    )


EXPECTED = [(0, 0, 1, 300), (0, 1, 5, 150), (1, 0, 2, 200)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("user,title,rating,timestamp\n" + ROWS, "r.csv"),
        ("\ufeffuserId,movieId,rating,timestamp\r\n" + ROWS.replace("\n", "\r\n"), "r.csv"),
        ("user_id,item,rating,timestamp\n" + ROWS + "\n", "r.csv.gz"),
        ("User\tTitle\tRating\tTimestamp\n" + ROWS.replace(",", "\t"), "r.tsv"),
    ],
)
def test_forms_that_are_read(written, text, name):
    told = []
    ratings = read_ratings(written(text, name), progress=lambda *at: told.append(at))
    assert columns(ratings) == EXPECTED
    assert (ratings.user_count, ratings.item_count, ratings.best) == (2, 2, 5.0)
    assert ratings.users.dtype == np.int32
    size = told[-1][1]
    assert told[-1] == (size, size)


def test_columns_in_another_order_and_times_in_words(written):
    text = (
        'timestamp,comment,rating,item_id,user\n2026-01-01T00:00:00Z,"so, so",3,a,u\n'
        "2026-01-01 00:00:01,,4,a,u\n"
    )
    assert columns(read_ratings(written(text))) == [(0, 0, 4.0, 1767225601.0)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no column user"),
        ("user,title,rating\na,b,3\n", "there is no column timestamp"),
        ("user,title,rating,timestamp\n", "there are no ratings in it"),
        ("user,title,rating,timestamp\na,b,3,1\na,b,x,1\n", "row 3: not a user"),
        ("user,title,rating,timestamp\na,b,3\n", "row 2: not a user"),
        ("user,title,rating,timestamp\n,b,3,1\n", "row 2: not a user"),
        ("user,title,rating,timestamp\na,b,nan,1\n", "row 2: not a user"),
        ("user,title,rating,timestamp\na,b,3,inf\n", "row 2: not a user"),
        ("user,title,rating,timestamp\na,b,3,yesterday\n", "row 2: not a user"),
        ("user,title,rating,timestamp\na,b,0,1\n", "no rating is above 0"),
        (b"\xff\xfe\x00\x01", "there is no column user"),
    ],
)
def test_what_is_refused(written, text, said):
    with pytest.raises(RatingsRefused, match=said):
        read_ratings(written(text))


def test_a_packed_file_that_is_broken_off_is_refused(tmp_path):
    path = tmp_path / "r.csv.gz"
    rows = "".join(f"{n},{n * 7919},5,{n}\n" for n in range(5000))
    packed = gzip.compress(("user,title,rating,timestamp\n" + rows).encode())
    path.write_bytes(packed[:-500])
    with pytest.raises(RatingsRefused, match="cannot be read on"):
        read_ratings(path)
