"""Documents of people's public profiles, products and lots. Somebody whose profile is private, or
whose account is suspended or closed, has none, nor does anything a stall that is not open sells.
Lots are found as lists show them, those to come as well; but not what was cancelled, for it is of
no use to anybody who looks for something.
"""

from __future__ import annotations

from services.search.tokens import price_token, tag_tokens, token

_USER_SEEN = "u.status = 'ACTIVE' AND f.visibility = 'PUBLIC'"
USER_SEEN = f"""
    SELECT u.id, CAST(NULL AS timestamptz) AS version, CAST(NULL AS bigint) AS popularity
    FROM user_account AS u JOIN profile AS f ON f.user_id = u.id WHERE {_USER_SEEN}
"""
USER_DOCUMENTS = f"""
    SELECT u.id, u.display_name,
        CASE WHEN search_key(u.username) <> search_key(u.display_name)
            THEN ARRAY[u.username] ELSE '{{}}' END,
        '@' || u.username, '', f.bio,
        u.id, CAST(NULL AS smallint), CAST(NULL AS int), CAST(NULL AS smallint),
        CAST(NULL AS bigint), CAST(NULL AS text),
        CAST(NULL AS timestamptz), CAST(NULL AS timestamptz),
        CAST(ln(1 + (SELECT count(*) FROM follow AS w WHERE w.followee_id = u.id)) AS real),
        u.created_at, CAST(NULL AS timestamptz),
        ARRAY[{token("TYPE", "'USER'", "'Members'")}]
    FROM user_account AS u JOIN profile AS f ON f.user_id = u.id
    WHERE u.id = ANY (CAST(:ids AS uuid[])) AND {_USER_SEEN}
"""

_STALL_OPEN = "s.active AND u.status = 'ACTIVE'"


def _shelf(goods: str) -> str:
    """SQL of the summary and the details of what a stall sells."""
    return f"""
        concat_ws(' · ', {goods}.category, s.name),
        concat_ws('. ', {goods}.category, array_to_string({goods}.tags, ', '), s.name)"""


def _goods_tokens(goods: str, price_minor: str) -> str:
    """SQL of the tokens of what a stall sells, but for its tags."""
    return f"""
            {token("CATEGORY", f"lower({goods}.category)", f"{goods}.category")},
            {token("REGION", f"{goods}.region")},
            {price_token(f"{goods}.{price_minor}", f"{goods}.asset")},
            {token("SELLER", "CAST(u.id AS text)", "u.display_name")},
            {token("STALL", "CAST(s.id AS text)", "s.name")}"""


_PRODUCT_SEEN = f"p.deleted_at IS NULL AND {_STALL_OPEN}"
PRODUCT_SEEN = f"""
    SELECT p.id, CAST(NULL AS timestamptz) AS version, CAST(NULL AS bigint) AS popularity
    FROM product AS p JOIN stall AS s ON s.id = p.stall_id
    JOIN user_account AS u ON u.id = s.owner_id WHERE {_PRODUCT_SEEN}
"""
PRODUCT_DOCUMENTS = f"""
    SELECT p.id, p.name, CAST('{{}}' AS text[]),
        {_shelf("p")},
        concat_ws(E'\\n', p.description, p.story),
        s.owner_id, CAST(NULL AS smallint), CAST(NULL AS int), CAST(NULL AS smallint),
        p.price_minor, CASE WHEN p.price_minor IS NOT NULL THEN p.asset END,
        CAST(NULL AS timestamptz), CAST(NULL AS timestamptz),
        CAST(ln(1 + (SELECT count(*) FROM sale_order AS o WHERE o.product_id = p.id)) AS real),
        p.created_at, CAST(NULL AS timestamptz),
        array_remove(ARRAY[
            {token("TYPE", "'PRODUCT'", "'Products'")},
            {_goods_tokens("p", "price_minor")}
        ], NULL) || {tag_tokens("p.tags")}
    FROM product AS p JOIN stall AS s ON s.id = p.stall_id
    JOIN user_account AS u ON u.id = s.owner_id
    WHERE p.id = ANY (CAST(:ids AS uuid[])) AND {_PRODUCT_SEEN}
"""

_AUCTION_SEEN = f"a.status <> 'CANCELLED' AND {_STALL_OPEN}"
AUCTION_SEEN = f"""
    SELECT a.id, CAST(NULL AS timestamptz) AS version, CAST(NULL AS bigint) AS popularity
    FROM auction AS a JOIN stall AS s ON s.id = a.stall_id
    JOIN user_account AS u ON u.id = a.seller_id WHERE {_AUCTION_SEEN}
"""
AUCTION_DOCUMENTS = f"""
    SELECT a.id, a.title, CAST('{{}}' AS text[]),
        {_shelf("a")},
        a.description,
        a.seller_id, CAST(NULL AS smallint), CAST(NULL AS int), CAST(NULL AS smallint),
        a.current_price_minor, a.asset, a.starts_at, a.ends_at,
        CAST(ln(1 + a.bid_count) AS real),
        coalesce(a.opened_at, a.created_at), CAST(NULL AS timestamptz),
        array_remove(ARRAY[
            {token("TYPE", "'AUCTION'", "'Auctions'")},
            {token("AUCTION_STATE", "a.status", "initcap(a.status)")},
            {_goods_tokens("a", "current_price_minor")}
        ], NULL) || {tag_tokens("a.tags")}
    FROM auction AS a JOIN stall AS s ON s.id = a.stall_id
    JOIN user_account AS u ON u.id = a.seller_id
    WHERE a.id = ANY (CAST(:ids AS uuid[])) AND {_AUCTION_SEEN}
"""
