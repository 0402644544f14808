"""Evidence over HTTP: handed in with files, judged by who was asked, shown to no one else."""

import io
from datetime import timedelta

import httpx
import orjson
import pytest
from PIL import Image

from core.clock import utc_now
from core.ids import encode_id
from tests.services.quests.evidence_world import HERE, EvidenceWorld, photo

SUBMIT = """
    mutation ($input: SubmitEvidenceInput!) {
      submitEvidence(input: $input) {
        __typename
        ... on SubmitEvidenceSuccess {
          assignment {
            status authenticity
            evidence { kind url cameraWords latitude accuracyMetres note }
            checks { name flag score words }
            reviews { vote } dispute { status }
          }
        }
        ... on EvidenceIncomplete { message missing { kind count } }
        ... on EvidenceRejected { message checks { name flag words } }
        ... on Error { code }
      }
    }
"""
REQUESTS = """
    { me { reviewRequests {
        nodes { status case { assignmentId status authenticity quest { title }
                evidence { kind url cameraWords } checks { name flag } } } } } }
"""
REVIEW = """
    mutation ($input: ReviewEvidenceInput!) {
      reviewEvidence(input: $input) {
        __typename
        ... on ConflictOfInterest { relation code message }
        ... on Error { code }
      }
    }
"""
DISPUTE = """
    mutation ($input: OpenDisputeInput!) {
      openDispute(input: $input) {
        __typename
        ... on OpenDisputeSuccess { assignment { status dispute { status reason } reviews {
            vote comment byModerator weight } } }
        ... on Error { code }
      }
    }
"""
RESOLVE = """
    mutation ($input: ResolveDisputeInput!) {
      resolveDispute(input: $input) {
        __typename
        ... on ResolveDisputeSuccess { dispute { status resolution } }
        ... on Error { code }
      }
    }
"""
TO_DECIDE = "{ evidenceToDecide { totalCount nodes { assignmentId status } } }"


@pytest.fixture
def world(server):
    return EvidenceWorld(server.db, server.storage)


@pytest.fixture
def hand_in(client):
    """`await hand_in(person, assignment, contents, **input)`: the answer of submitEvidence."""

    async def send(person, assignment, contents, *, accuracy=6.0, **more):
        at = utc_now() - timedelta(minutes=10)
        places = [
            {"latitude": HERE[0], "longitude": HERE[1], "at": at - timedelta(minutes=1)},
            {"latitude": HERE[0] + 0.0002, "longitude": HERE[1], "at": at},
        ]
        given = {
            "assignmentId": encode_id("asg", assignment),
            "idempotencyKey": "once",
            "photos": [{"file": None, "capturedAt": at} for _ in contents],
            "locations": [{**place, "accuracyMetres": accuracy} for place in places],
            "deviceTime": utc_now(),
            **more,
        }
        operations = {"query": SUBMIT, "variables": {"input": given}}
        paths = {str(n): [f"variables.input.photos.{n}.file"] for n in range(len(contents))}
        files = {str(n): (f"{n}.jpg", content) for n, content in enumerate(contents)}
        response = await client.post(
            "/graphql",
            data={"operations": orjson.dumps(operations), "map": orjson.dumps(paths)},
            files=files,
            headers={
                "GraphQL-Preflight": "1",
                "Authorization": f"Bearer {person.token}",
            },
        )
        assert response.status_code == 200, response.text
        answer = response.json()
        assert "errors" not in answer, answer
        return answer["data"]["submitEvidence"]

    return send


def shot(seed=1):
    return photo(seed, at=utc_now() - timedelta(minutes=10))


def path_of(url):
    return httpx.URL(url).path


async def test_evidence_is_handed_in_with_files_and_shown_as_pixels_alone(
    world, hand_in, make_user, client
):
    player = await make_user("ada")
    assignment = await world.assignment(player.id, photos=2)
    answer = await hand_in(player, assignment, [shot(1), shot(2)])
    assert answer["__typename"] == "SubmitEvidenceSuccess"
    shown = answer["assignment"]
    assert shown["status"] == "REWARDED"
    assert shown["authenticity"] >= 85
    assert {check["flag"] for check in shown["checks"]} == {"PASSED"}
    assert [each["kind"] for each in shown["evidence"]] == [
        "PHOTO",
        "PHOTO",
        "LOCATION",
        "LOCATION",
    ]
    assert shown["evidence"][0]["cameraWords"]["make"] == "Fairphone"
    assert shown["evidence"][2] | {"latitude": HERE[0]} == shown["evidence"][2]
    sent = await client.get(path_of(shown["evidence"][0]["url"]))
    assert (sent.status_code, sent.headers["content-type"]) == (200, "image/jpeg")
    assert b"Fairphone" not in sent.content
    with Image.open(io.BytesIO(sent.content)) as image:
        assert dict(image.getexif()) == {}
    assert sent.headers["cache-control"] == "private, no-store"


async def test_refusals_say_what_is_missing_and_what_says_so(world, hand_in, make_user):
    player = await make_user("ada")
    first = await world.assignment(player.id, photos=2)
    answer = await hand_in(player, first, [shot()])
    assert answer["__typename"] == "EvidenceIncomplete"
    assert answer["missing"] == [{"kind": "PHOTO", "count": 1}]
    assert answer["code"] == "EVIDENCE_INCOMPLETE"
    late = utc_now() - timedelta(hours=30)
    second = await world.assignment(player.id, accepted=timedelta(days=3))
    answer = await hand_in(
        player, second, [photo(1, at=late)], photos=[{"file": None, "capturedAt": late}]
    )
    assert answer["__typename"] == "EvidenceRejected"
    assert [(check["name"], check["flag"]) for check in answer["checks"]] == [("UPLOAD", "FLAGGED")]
    stranger = await make_user("eve")
    assert (await hand_in(stranger, second, [shot()]))["code"] == "NOT_YOUR_ASSIGNMENT"


async def test_witnesses_see_what_they_judge_and_nobody_else_does(
    world, hand_in, make_user, ask, client
):
    player, witness, stranger = [await make_user(name) for name in ("ada", "wim", "eve")]
    await world.run("INSERT INTO witness (user_id, region) VALUES (:id, 'SI')", id=witness.id)
    assignment = await world.assignment(player.id, reviewers_needed=1)
    answer = await hand_in(player, assignment, [shot()], accuracy=None)
    assert answer["assignment"]["status"] == "UNDER_REVIEW"
    public_id = encode_id("asg", assignment)

    [request] = (await ask(REQUESTS, witness))["me"]["reviewRequests"]["nodes"]
    case = request["case"]
    assert (request["status"], case["assignmentId"]) == ("ASKED", public_id)
    assert case["quest"]["title"] == "Clean the bank"
    assert {"name": "ACCURACY", "flag": "NOT_CHECKED"} in case["checks"]
    assert case["evidence"][0]["cameraWords"] is None  # the player's alone
    assert (await client.get(path_of(case["evidence"][0]["url"]))).status_code == 200
    assert (await ask(REQUESTS, stranger))["me"]["reviewRequests"]["nodes"] == []
    seen = await ask(
        "query ($id: ID!) { node(id: $id) { ... on Assignment { status } } }",
        witness,
        id=public_id,
    )
    assert seen["node"] is None

    vote = {"assignmentId": public_id, "vote": "APPROVE"}
    refused = (await ask(REVIEW, stranger, input=vote))["reviewEvidence"]
    assert refused["code"] == "FORBIDDEN"
    refused = (await ask(REVIEW, player, input=vote))["reviewEvidence"]
    assert (refused["__typename"], refused["relation"]) == ("ConflictOfInterest", "OWN")
    done = (await ask(REVIEW, witness, input=vote))["reviewEvidence"]
    assert done == {"__typename": "ReviewEvidenceSuccess"}
    assert await world.status(assignment) == "REWARDED"


async def test_a_rejection_is_disputed_and_answered(world, hand_in, make_user, ask, execute):
    player, moderator = await make_user("ada"), await make_user("mod", roles=("MODERATOR",))
    assignment = await world.assignment(player.id)
    await hand_in(player, assignment, [shot()], accuracy=None)
    public_id = encode_id("asg", assignment)
    vote = {"assignmentId": public_id, "vote": "REJECT", "comment": "Another river."}
    await ask(REVIEW, moderator, input=vote)
    assert (await ask(TO_DECIDE, moderator))["evidenceToDecide"]["totalCount"] == 0

    objection = {"assignmentId": public_id, "reason": "It is this river."}
    opened = (await ask(DISPUTE, player, input=objection))["openDispute"]
    assert opened["assignment"]["dispute"] == {"status": "OPEN", "reason": "It is this river."}
    assert opened["assignment"]["reviews"] == [
        {"vote": "REJECT", "comment": "Another river.", "byModerator": True, "weight": 100}
    ]
    assert (await ask(DISPUTE, player, input=objection))["openDispute"]["code"] == (
        "ALREADY_DISPUTED"
    )
    waiting = (await ask(TO_DECIDE, moderator))["evidenceToDecide"]
    assert waiting["nodes"] == [{"assignmentId": public_id, "status": "REJECTED"}]
    answer = {"assignmentId": public_id, "uphold": True, "resolution": "So it is."}
    denied = await execute(RESOLVE, player, input=answer)
    assert denied.errors[0].extensions["code"] == "FORBIDDEN"
    denied = await execute(TO_DECIDE, player)
    assert denied.errors[0].extensions["code"] == "FORBIDDEN"
    done = (await ask(RESOLVE, moderator, input=answer))["resolveDispute"]
    assert done["dispute"] == {"status": "UPHELD", "resolution": "So it is."}
    assert await world.status(assignment) == "REWARDED"


@pytest.mark.parametrize("token", ["nothing", "a.b.c"])
async def test_what_is_no_link_opens_nothing(client, token):
    assert (await client.get(f"/evidence/{token}")).status_code == 404


async def test_evidence_is_read_in_few_statements(world, hand_in, make_user, ask, statements):
    player = await make_user("ada")
    for seed in (1, 2, 3):
        assignment = await world.assignment(player.id)
        answer = await hand_in(player, assignment, [shot(seed)], idempotencyKey=f"key {seed}")
        assert answer["__typename"] == "SubmitEvidenceSuccess"
        await world.later()
    statements.clear()
    found = await ask(
        "{ me { assignments { nodes { evidence { kind } checks { name } dispute { status } } } } }",
        player,
    )
    assert [len(each["evidence"]) for each in found["me"]["assignments"]["nodes"]] == [3, 3, 3]
    assert len(statements) == 5  # me, assignments, evidence, checks, disputes
