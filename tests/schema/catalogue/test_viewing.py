"""What viewers do with titles, through the schema: each act, its refusals, and who sees it."""

import pytest

from core.ids import encode_id, new_id

RATE = """mutation ($id: ID!, $value: Decimal!) {
  rateTitle(input: { titleId: $id, value: $value }) {
  __typename ... on RateTitleSuccess { title { viewerRating ratingStats { count mean histogram } } }
  ... on InvalidInput { field reason } } }"""
UNRATE = """mutation ($id: ID!) { unrateTitle(input: { titleId: $id }) {
  __typename ... on UnrateTitleSuccess { title { viewerRating ratingStats { count mean } } } } }"""
REVIEW = """mutation ($id: ID!, $body: String!) { reviewTitle(input: {
  titleId: $id, body: $body, headline: "So", spoilers: true }) { __typename
  ... on ReviewTitleSuccess { review { id body headline spoilers author { username }
  title { name viewerReview { id } } } } ... on InvalidInput { field } } }"""
ADD = """mutation ($id: ID!, $priority: WatchlistPriority! = NORMAL) {
  addToWatchlist(input: { titleId: $id, priority: $priority }) {
  __typename ... on AddToWatchlistSuccess { title { inWatchlist watchlistItem { priority } } } }
}"""
REMOVE = """mutation ($id: ID!) { removeFromWatchlist(input: { titleId: $id }) {
  ... on RemoveFromWatchlistSuccess { title { inWatchlist } } } }"""
RECORD = """mutation ($id: ID!, $at: DateTime, $progress: Int! = 0, $seconds: Int! = 0,
  $completed: Boolean, $platform: ID) { recordView(input: { titleId: $id, watchedAt: $at,
  progress: $progress, durationSeconds: $seconds, completed: $completed, platformId: $platform }) {
  __typename ... on RecordViewSuccess { view { id watchedAt progress durationSeconds completed
  platform { slug } title { name } } } ... on InvalidInput { field } } }"""
HISTORY = (
    """{ me { viewingHistory { totalCount nodes { id progress completed title { name } } } } }"""
)
FORGET = """mutation ($id: ID!) { removeView(input: { viewId: $id }) { __typename } }"""
CLEAR = """mutation ($sure: Boolean!) { clearHistory(input: { confirm: $sure }) {
  __typename ... on ClearHistorySuccess { removed } } }"""


@pytest.fixture
async def title(add_titles, ttl):
    [key] = await add_titles({"title": "Kiln", "year": 2021})
    return ttl(key)


async def test_ratings_are_kept_and_summed(ask, title, make_user):
    ada, bob = await make_user("ada"), await make_user("bob")
    one = (await ask(RATE, ada, id=title, value="7.3"))["rateTitle"]["title"]
    assert one["viewerRating"] == "7.3"
    await ask(RATE, bob, id=title, value="10")
    await ask(RATE, bob, id=title, value="8.0")
    told = (await ask(RATE, bob, id=title, value="8.0"))["rateTitle"]["title"]
    histogram = [0] * 11
    histogram[7] = histogram[8] = 1
    stats = {"count": 2, "mean": "7.65", "histogram": histogram}
    assert told == {"viewerRating": "8.0", "ratingStats": stats}
    gone = (await ask(UNRATE, ada, id=title))["unrateTitle"]["title"]
    assert gone == {"viewerRating": None, "ratingStats": {"count": 1, "mean": "8.00"}}
    gone = (await ask(UNRATE, bob, id=title))["unrateTitle"]["title"]
    assert gone["ratingStats"] == {"count": 0, "mean": None}


@pytest.mark.parametrize("value", ["-0.1", "10.1", "7.35", "1e9"])
async def test_ratings_out_of_range_write_nothing(ask, title, make_user, sql, value):
    ada = await make_user()
    done = (await ask(RATE, ada, id=title, value=value))["rateTitle"]
    assert (done["__typename"], done["field"]) == ("InvalidInput", "value")
    assert await sql("SELECT 1 FROM rating UNION ALL SELECT 1 FROM rating_stats") == []
    assert await sql("SELECT 1 FROM event WHERE topic LIKE 'user:%'") == []


ACTS = [(RATE, {"value": "5"}), (UNRATE, {}), (REVIEW, {"body": "x"}), (ADD, {}), (RECORD, {})]


@pytest.mark.parametrize(("act", "given"), ACTS, ids=lambda each: str(each)[9:25])
async def test_nobody_signed_in_and_no_title_are_refused(
    ask, execute, title, make_user, shapes, act, given
):
    assert shapes.codes(await execute(act, id=title, **given)) == ["UNAUTHENTICATED"]
    ada = await make_user()
    for nowhere in (encode_id("ttl", new_id()), "usr_nonsense"):
        data = await ask(
            act.replace("{ __typename", "{ __typename __typename"), ada, id=nowhere, **given
        )
        [answer] = data.values()
        assert answer.get("__typename", "NotFound") == "NotFound"


async def test_a_review_is_one_a_title_and_written_anew(ask, title, make_user, sql):
    ada = await make_user("ada")
    first = (await ask(REVIEW, ada, id=title, body="Good.\n<b>Really</b>"))["reviewTitle"]["review"]
    assert first["body"] == "Good.\n<b>Really</b>"
    assert first["author"] == {"username": "ada"}
    assert first["title"] == {"name": "Kiln", "viewerReview": {"id": first["id"]}}
    again = (await ask(REVIEW, ada, id=title, body="Better."))["reviewTitle"]["review"]
    assert again["id"] == first["id"]
    events = await sql("SELECT type FROM event WHERE topic = :t", t=f"user:{ada.id.hex}")
    assert [row.type for row in events] == ["TitleReviewed"]
    refused = (await ask(REVIEW, ada, id=title, body=" "))["reviewTitle"]
    assert refused == {"__typename": "InvalidInput", "field": "body"}


async def test_reviews_are_deleted_by_their_writer_alone(ask, title, make_user, sql):
    ada, bob = await make_user(), await make_user()
    review = (await ask(REVIEW, ada, id=title, body="Mine."))["reviewTitle"]["review"]["id"]
    delete = "mutation ($id: ID!) { deleteReview(input: { reviewId: $id }) { __typename } }"
    assert await ask(delete, bob, id=review) == {"deleteReview": {"__typename": "NotFound"}}
    assert len(await sql("SELECT 1 FROM review")) == 1
    done = await ask(delete, ada, id=review)
    assert done == {"deleteReview": {"__typename": "DeleteReviewSuccess"}}
    assert await sql("SELECT 1 FROM review") == []


async def test_who_is_blocked_is_not_read(ask, title, make_user, sql):
    ada, bob = await make_user(), await make_user()
    await ask(REVIEW, ada, id=title, body="Mine.")
    counted = "query ($id: ID!) { title(id: $id) { reviews { totalCount nodes { body } } } }"
    assert (await ask(counted, bob, id=title))["title"]["reviews"]["totalCount"] == 1
    await sql("INSERT INTO block (blocker_id, blocked_id) VALUES (:a, :b)", a=ada.id, b=bob.id)
    assert (await ask(counted, bob, id=title))["title"]["reviews"] == {"totalCount": 0, "nodes": []}


async def test_a_watchlist_is_ordered_by_priority_and_its_owners_alone(
    ask, add_titles, ttl, make_user
):
    keys = await add_titles(*({"title": f"T{n}", "year": 2000} for n in range(3)))
    ada, bob = await make_user("ada"), await make_user()
    for key in keys:
        added = (await ask(ADD, ada, id=ttl(key)))["addToWatchlist"]["title"]
        assert added == {"inWatchlist": True, "watchlistItem": {"priority": "NORMAL"}}
    await ask(ADD, ada, id=ttl(keys[0]), priority="HIGH")
    await ask(ADD, ada, id=ttl(keys[2]), priority="LOW")
    asked = "{ me { watchlist { totalCount nodes { priority title { name } } } } }"
    listed = (await ask(asked, ada))["me"]["watchlist"]
    assert [(one["priority"], one["title"]["name"]) for one in listed["nodes"]] == [
        ("HIGH", "T0"),
        ("NORMAL", "T1"),
        ("LOW", "T2"),
    ]
    others = "query ($name: String!) { user(username: $name) { watchlist { totalCount }"
    others += " viewingHistory { totalCount } preferences { region } } }"
    told = await ask(others, bob, name="ada")
    assert told["user"] == {"watchlist": None, "viewingHistory": None, "preferences": None}
    gone = await ask(REMOVE, ada, id=ttl(keys[1]))
    assert gone["removeFromWatchlist"]["title"] == {"inWatchlist": False}
    await ask(REMOVE, ada, id=ttl(keys[1]))
    assert (await ask(asked, ada))["me"]["watchlist"]["totalCount"] == 2


async def test_a_viewing_goes_on_and_is_one(ask, title, make_user, add_platform, plt):
    ada, moon = await make_user(), await add_platform("moon")
    at = "2026-01-02T20:00:00Z"
    first = await ask(RECORD, ada, id=title, at=at, progress=40, seconds=600, platform=plt(moon))
    first = first["recordView"]["view"]
    assert (first["watchedAt"], first["completed"]) == (at, False)
    assert first["platform"] == {"slug": "moon"}
    again = await ask(RECORD, ada, id=title, at=at, progress=96, seconds=900)
    again = again["recordView"]["view"]
    assert again == first | {"progress": 96, "durationSeconds": 900, "completed": True}
    assert (await ask(HISTORY, ada))["me"]["viewingHistory"]["totalCount"] == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"at": "2999-01-01T00:00:00Z"}, "watchedAt"),
        ({"at": "1899-01-01T00:00:00Z"}, "watchedAt"),
        ({"progress": 101}, "progress"),
        ({"seconds": -1}, "durationSeconds"),
        ({"seconds": 604_801}, "durationSeconds"),
    ],
)
async def test_viewings_that_cannot_be(ask, title, make_user, sql, given, field):
    done = (await ask(RECORD, await make_user(), id=title, **given))["recordView"]
    assert done == {"__typename": "InvalidInput", "field": field}
    assert await sql("SELECT 1 FROM view_record") == []


async def test_history_is_forgotten_one_by_one_or_whole_by_its_owner_alone(
    ask, title, make_user, sql
):
    ada, bob = await make_user(), await make_user()
    views = []
    for day in (1, 2, 3):
        done = await ask(RECORD, ada, id=title, at=f"2026-01-0{day}T20:00:00Z")
        views.append(done["recordView"]["view"]["id"])
    await ask(RECORD, bob, id=title)
    assert await ask(FORGET, bob, id=views[0]) == {"removeView": {"__typename": "NotFound"}}
    node = "query ($id: ID!) { node(id: $id) { id } }"
    assert await ask(node, bob, id=views[0]) == {"node": None}
    done = await ask(FORGET, ada, id=views[1])
    assert done == {"removeView": {"__typename": "RemoveViewSuccess"}}
    listed = (await ask(HISTORY, ada))["me"]["viewingHistory"]["nodes"]
    assert [one["id"] for one in listed] == [views[2], views[0]]
    refused = await ask(CLEAR, ada, sure=False)
    assert refused == {"clearHistory": {"__typename": "InvalidInput"}}
    assert (await ask(CLEAR, ada, sure=True))["clearHistory"]["removed"] == 2
    assert (await ask(CLEAR, ada, sure=True))["clearHistory"]["removed"] == 0
    assert len(await sql("SELECT 1 FROM view_record")) == 1  # bob's
    assert await sql("SELECT 1 FROM event WHERE type LIKE '%View%'") == []  # and no trace


PREFER = """mutation ($input: UpdatePreferencesInput!) { updatePreferences(input: $input) {
  __typename ... on UpdatePreferencesSuccess { preferences { genres languages contentRatingLimit
  region platforms { slug } memberships { slug } } } ... on InvalidInput { field } } }"""


async def test_preferences_change_field_by_field(ask, add_titles, add_platform, plt, make_user):
    await add_titles({"title": "K", "genres": ["Drama", "Noir"]})
    moon, ada = await add_platform("moon"), await make_user()
    asked = "{ me { preferences { genres contentRatingLimit platforms { slug } } } }"
    empty = await ask(asked, ada)
    nothing = {"genres": [], "contentRatingLimit": None, "platforms": []}
    assert empty["me"]["preferences"] == nothing
    given = {"genres": ["noir", "noir"], "languages": ["fr"], "memberships": [plt(moon)]}
    done = (await ask(PREFER, ada, input=given | {"region": "FR"}))["updatePreferences"]
    wanted = {
        "genres": ["noir"],
        "languages": ["fr"],
        "contentRatingLimit": None,
        "region": "FR",
        "platforms": [],
        "memberships": [{"slug": "moon"}],
    }
    assert done["preferences"] == wanted
    done = (await ask(PREFER, ada, input={"region": None}))["updatePreferences"]
    assert done["preferences"] == wanted | {"region": None}
    for bad, field in (
        ({"genres": ["none"]}, "genres"),
        ({"languages": ["klingon"]}, "languages"),
        ({"platforms": [encode_id("plt", new_id())]}, "platforms"),
        ({"region": "XX"}, "region"),
    ):
        done = await ask(PREFER, ada, input={**bad, "genres": bad.get("genres", [])})
        assert done["updatePreferences"] == {"__typename": "InvalidInput", "field": field}
    kept = await ask("{ me { preferences { genres } } }", ada)
    assert kept["me"]["preferences"]["genres"] == ["noir"]
