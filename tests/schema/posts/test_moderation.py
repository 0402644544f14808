"""Reports, and what moderators do: who may, what it changes, what is written down, who is told."""

import pytest

from core.ids import decode_id, encode_id
from services.content.posts_access import REPORTS_A_MINUTE

REPORT = """
mutation ($id: ID!, $reason: ReportReason! = SPAM, $details: String! = "") {
  reportContent(input: {nodeId: $id, reason: $reason, details: $details}) { __typename
    ... on Error { message } ... on InvalidInput { field }
    ... on ReportContentSuccess { report { id status subject { id } reporter { username } } } } }
"""
MODERATE = """
mutation ($id: ID!, $action: ModerationKind!, $reason: String! = "House rules") {
  moderateContent(input: {nodeId: $id, action: $action, reason: $reason}) { __typename
    ... on Error { message } ... on InvalidInput { field }
    ... on ModerateContentSuccess { action { id action reason user { username } subject { id } } } }
}
"""
DISMISS = """
mutation ($id: ID!) { dismissReport(input: {reportId: $id}) { __typename
  ... on DismissReportSuccess { report { status resolvedAt action { id } } } } }
"""
QUEUE = """
query ($f: ReportFilterInput) { reports(filter: $f) { totalCount nodes {
  id reason details status reporter { username } action { action }
  subject { id ... on Post { title status } ... on Comment { text author { username } } } } } }
"""
POST = "query ($id: ID!) { post(id: $id) { status commentCount comments { nodes { text } } } }"


@pytest.fixture
async def cast(make_user):
    """Ada who writes, Bob who reports, and a moderator."""
    return (
        await make_user("ada"),
        await make_user("bob"),
        await make_user("mod", roles=("MODERATOR",)),
    )


@pytest.fixture
def moderate(ask):
    """`await moderate(person, id, "REMOVE")`: what the mutation answers."""

    async def run(person, node_id, action, **given):
        return (await ask(MODERATE, person, id=node_id, action=action, **given))["moderateContent"]

    return run


@pytest.fixture
def audited(sql):
    """`await audited()`: kinds and details of the audit log about moderation."""

    async def read():
        rows = await sql(
            "SELECT kind, user_id, actor_id, details FROM security_event"
            " WHERE kind IN ('CONTENT_MODERATED', 'REPORT_DISMISSED', 'STATUS_CHANGED')"
            " ORDER BY id"
        )
        return [tuple(row) for row in rows]

    return read


async def test_reports_come_into_the_queue_once(
    ask, execute, shapes, cast, write_post, comment, make_user
):
    ada, bob, moderator = cast
    post = await write_post(ada, title="Cheap watches")
    words = await comment(ada, post, "Buy now")
    first = (await ask(REPORT, bob, id=post, details="<b>look</b>"))["reportContent"]
    assert first["report"]["subject"] == {"id": post}
    again = (await ask(REPORT, bob, id=post, reason="FRAUD"))["reportContent"]
    assert again["report"]["id"] == first["report"]["id"]
    eve = await make_user("eve")
    for subject in (words, ada.public_id):
        assert "report" in (await ask(REPORT, eve, id=subject, reason="OTHER"))["reportContent"]
    queue = (await ask(QUEUE, moderator))["reports"]
    assert queue["totalCount"] == 3
    assert [(r["reason"], r["reporter"]["username"]) for r in queue["nodes"]] == [
        ("SPAM", "bob"),
        ("OTHER", "eve"),
        ("OTHER", "eve"),
    ]
    assert queue["nodes"][0]["details"] == "<b>look</b>"
    assert [r["subject"] for r in queue["nodes"]] == [
        {"id": post, "title": "Cheap watches", "status": "PUBLISHED"},
        {"id": words, "text": "Buy now", "author": {"username": "ada"}},
        {"id": ada.public_id},
    ]
    for given, number in (({"reason": "SPAM"}, 1), ({"subject": words}, 1), ({"status": []}, 0)):
        assert (await ask(QUEUE, moderator, f=given))["reports"]["totalCount"] == number
    assert shapes.codes(await execute(QUEUE, bob)) == ["FORBIDDEN"]
    assert shapes.codes(await execute(QUEUE)) == ["UNAUTHENTICATED"]


async def test_the_queue_takes_a_statement_for_each_kind_of_thing(
    ask, cast, make_user, write_post, comment, statements
):
    ada, bob, moderator = cast
    for _ in range(3):
        post = await write_post(ada)
        for subject in (post, await comment(ada, post), (await make_user()).public_id):
            await ask(REPORT, bob, id=subject)
    statements.clear()
    nodes = (await ask(QUEUE, moderator))["reports"]["nodes"]
    assert len(nodes) == 9
    # The page and its count; reporters; posts, comments and people; the comments' authors.
    assert len(statements) <= 7, statements


async def test_what_is_ones_own_hidden_or_unknown_is_not_reported(ask, cast, write_post, sql):
    ada, bob, _ = cast
    post, draft = await write_post(ada), await write_post(ada, publish=False)
    for person, subject, expected in (
        (ada, post, "InvalidInput"),
        (ada, ada.public_id, "InvalidInput"),
        (bob, draft, "NotFound"),
        (bob, "pst_1", "NotFound"),
        (bob, "auc_" + "0" * 32, "NotFound"),
        (bob, "usr_" + "0" * 32, "NotFound"),
        (bob, "cmt_" + "0" * 32, "NotFound"),
    ):
        answer = (await ask(REPORT, person, id=subject))["reportContent"]
        assert answer["__typename"] == expected, subject
    answer = (await ask(REPORT, bob, id=post, details="x" * 2_001))["reportContent"]
    assert answer["field"] == "details"
    assert (await sql("SELECT count(*) AS n FROM report"))[0].n == 0


async def test_ten_reports_a_minute(execute, shapes, ask, cast, make_user):
    bob = cast[1]
    for _ in range(REPORTS_A_MINUTE):
        answer = (await ask(REPORT, bob, id=(await make_user()).public_id))["reportContent"]
        assert answer["__typename"] == "ReportContentSuccess"
    result = await execute(REPORT, bob, id=(await make_user()).public_id)
    assert shapes.codes(result) == ["RATE_LIMITED"]


async def test_a_removed_post_is_the_moderators_alone_until_it_is_restored(
    ask, cast, write_post, moderate, told, audited
):
    ada, bob, moderator = cast
    post = await write_post(ada, tags=["t"])
    await ask(REPORT, bob, id=post)
    done = (await moderate(moderator, post, "REMOVE", reason="Spam, alas"))["action"]
    assert (done["action"], done["reason"]) == ("REMOVE", "Spam, alas")
    assert (done["user"], done["subject"]) == ({"username": "ada"}, {"id": post})
    shown = [await ask(POST, person, id=post) for person in (ada, bob, None)]
    assert shown == [{"post": None}] * 3
    assert (await ask(POST, moderator, id=post))["post"]["status"] == "REMOVED"
    lists = "query { posts { nodes { id } } tags { nodes { name } } }"
    assert await ask(lists, moderator) == {"posts": {"nodes": []}, "tags": {"nodes": []}}
    [report] = (await ask(QUEUE, moderator))["reports"]["nodes"]
    assert (report["status"], report["action"]) == ("RESOLVED", {"action": "REMOVE"})
    assert await told(ada) == [("MODERATION", done["id"])]
    assert (await moderate(moderator, post, "REMOVE"))["__typename"] == "Forbidden"
    back = (await moderate(moderator, post, "RESTORE"))["action"]
    assert (await ask(POST, bob, id=post))["post"]["status"] == "PUBLISHED"
    assert await ask(lists) == {
        "posts": {"nodes": [{"id": post}]},
        "tags": {"nodes": [{"name": "t"}]},
    }
    assert (await moderate(moderator, post, "RESTORE"))["__typename"] == "Forbidden"
    assert await told(ada) == [("MODERATION", done["id"]), ("MODERATION", back["id"])]
    assert await audited() == [
        (
            "CONTENT_MODERATED",
            ada.id,
            moderator.id,
            {"id": act["id"], "action": act["action"], "subject": post},
        )
        for act in (done, back)
    ]


async def test_a_removed_comment_keeps_its_place_and_can_be_restored(
    ask, cast, write_post, comment, moderate
):
    ada, bob, moderator = cast
    post = await write_post(ada)
    words = await comment(bob, post, "Rude words")
    await moderate(moderator, words, "REMOVE")
    for person, text in ((ada, None), (bob, None), (moderator, "Rude words")):
        found = (await ask(POST, person, id=post))["post"]
        assert (found["commentCount"], found["comments"]["nodes"]) == (0, [{"text": text}])
    delete = "mutation ($id: ID!) { deleteComment(input: {commentId: $id}) { __typename } }"
    assert (await ask(delete, bob, id=words))["deleteComment"] == {"__typename": "NotFound"}
    await moderate(moderator, words, "RESTORE")
    found = (await ask(POST, ada, id=post))["post"]
    assert (found["commentCount"], found["comments"]["nodes"]) == (1, [{"text": "Rude words"}])
    await ask(delete, bob, id=words)
    assert (await moderate(moderator, words, "REMOVE"))["__typename"] == "NotFound"


async def test_a_warning_is_read_by_the_person_alone(ask, cast, write_post, moderate, told):
    ada, bob, moderator = cast
    post = await write_post(ada)
    done = (await moderate(moderator, post, "WARN", reason="Be kind"))["action"]
    assert await told(ada) == [("MODERATION", done["id"])]
    assert (await ask(POST, bob, id=post))["post"]["status"] == "PUBLISHED"
    node = "query ($id: ID!) { node(id: $id) { ... on ModerationAction { reason } } }"
    assert (await ask(node, ada, id=done["id"]))["node"] == {"reason": "Be kind"}
    assert (await ask(node, bob, id=done["id"]))["node"] is None
    own = 'query { user(username: "ada") { moderationActions { nodes { action reason } } } }'
    mine = {"nodes": [{"action": "WARN", "reason": "Be kind"}]}
    for person, expected in ((ada, mine), (moderator, mine), (bob, None), (None, None)):
        assert (await ask(own, person))["user"]["moderationActions"] == expected


async def test_an_author_is_suspended_and_readmitted(
    ask, cast, write_post, moderate, audited, sql, told
):
    ada, _, moderator = cast
    post = await write_post(ada)

    async def status():
        return (await sql("SELECT status FROM user_account WHERE id = :id", id=ada.id))[0].status

    done = (await moderate(moderator, post, "SUSPEND"))["action"]
    assert await status() == "SUSPENDED"
    assert await told(ada) == [("MODERATION", done["id"])]
    assert (await moderate(moderator, ada.public_id, "SUSPEND"))["__typename"] == "Forbidden"
    assert "action" in await moderate(moderator, ada.public_id, "RESTORE")
    assert await status() == "ACTIVE"
    assert (await moderate(moderator, ada.public_id, "RESTORE"))["__typename"] == "Forbidden"
    assert [kind for kind, *_ in await audited()] == ["STATUS_CHANGED", "CONTENT_MODERATED"] * 2


async def test_whose_author_is_suspended_is_signed_out_at_once(
    ask, server, cast, write_post, moderate, sql
):
    ada, _, moderator = cast
    post = await write_post(ada)
    await sql(
        "INSERT INTO user_session (id, user_id, expires_at) VALUES (:id, :user, 'infinity')",
        id=ada.viewer.session_id,
        user=ada.id,
    )
    assert not server.revocations.is_revoked(ada.viewer)
    await moderate(moderator, post, "SUSPEND")
    # Made known by the mutation itself, and not by the next look at the table.
    assert server.revocations.is_revoked(ada.viewer)
    assert not server.revocations.is_revoked(moderator.viewer)


async def test_who_may_not_moderate_changes_nothing(
    ask, execute, shapes, cast, make_user, write_post, comment, moderate, snapshot, audited
):
    ada, bob, moderator = cast
    warner = await make_user("warner", scopes={"user:warn"})
    other = await make_user("mod2", roles=("MODERATOR",))
    post = await write_post(ada)
    own = await write_post(moderator)
    draft = await write_post(ada, publish=False)
    words = await comment(bob, post)
    before = await snapshot()
    assert shapes.codes(await execute(MODERATE, bob, id=post, action="WARN")) == ["FORBIDDEN"]
    for person, subject, action, expected in (
        (warner, post, "REMOVE", "Forbidden"),
        (warner, words, "REMOVE", "Forbidden"),
        (warner, ada.public_id, "SUSPEND", "Forbidden"),
        (moderator, own, "REMOVE", "Forbidden"),
        (moderator, draft, "REMOVE", "NotFound"),
        (moderator, other.public_id, "SUSPEND", "Forbidden"),
        (moderator, ada.public_id, "REMOVE", "InvalidInput"),
        (moderator, "pst_1", "REMOVE", "NotFound"),
        (moderator, "auc_" + "0" * 32, "REMOVE", "NotFound"),
        (moderator, "usr_" + "0" * 32, "WARN", "NotFound"),
    ):
        answer = await moderate(person, subject, action)
        assert answer["__typename"] == expected, (subject, action)
    answer = await moderate(moderator, post, "REMOVE", reason=" ")
    assert (answer["__typename"], answer["field"]) == ("InvalidInput", "reason")
    assert await snapshot() == before
    assert await audited() == []


async def test_a_report_is_dismissed_once(ask, execute, shapes, cast, write_post, audited):
    ada, bob, moderator = cast
    post = await write_post(ada)
    report = (await ask(REPORT, bob, id=post))["reportContent"]["report"]["id"]
    assert shapes.codes(await execute(DISMISS, bob, id=report)) == ["FORBIDDEN"]
    closed = (await ask(DISMISS, moderator, id=report))["dismissReport"]["report"]
    assert (closed["status"], closed["action"]) == ("DISMISSED", None)
    assert closed["resolvedAt"] is not None
    assert (await ask(DISMISS, moderator, id=report))["dismissReport"]["__typename"] == "Forbidden"
    assert (await ask(DISMISS, moderator, id="rpt_1"))["dismissReport"]["__typename"] == "NotFound"
    assert [kind for kind, *_ in await audited()] == ["REPORT_DISMISSED"]
    node = "query ($id: ID!) { node(id: $id) { ... on Report { status } } }"
    assert (await ask(node, bob, id=report))["node"] == {"status": "DISMISSED"}
    assert (await ask(node, ada, id=report))["node"] is None
    # Closed, it leaves room for another.
    again = (await ask(REPORT, bob, id=post))["reportContent"]["report"]["id"]
    assert again != report
    assert encode_id("rpt", decode_id(again, "rpt")) == again
