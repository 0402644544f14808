"""English words that a query may be asked in, and what they stand for. Data alone: what the
catalogue itself has (its genres, platforms, tags) comes from dictionaries.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from services.search.understanding.words import phrases

Head = Literal["", "one", "many", "lead"]
"""How a word may name what is looked for: `films` (many), `film` (one), `posts` (lead: only where
the query begins with it); others say of what sort it is."""


def _many(words: str) -> frozenset[str]:
    return frozenset(words.split())


STOP = _many(
    "a an the of some any all and or in with to for from by on at that which is are be me please "
    "my i it its this those these into also just really very but"
)
"""Words that say nothing by themselves: those beside what was understood go with it."""

FOLLOWERS = _many(
    "about like similar with that where which who featuring set starring without and or for by "
    "from in on directed made released available ending starting under over streaming to not"
)
"""What may come after a word that names what is looked for. In `film camera` it names nothing."""

KINDS: Mapping[str, tuple[str, Head]] = {
    **dict.fromkeys(("film", "movie", "motion picture", "flick"), ("MOVIE", "one")),
    **dict.fromkeys(("films", "movies", "motion pictures", "flicks"), ("MOVIE", "many")),
    **dict.fromkeys(
        ("tv series", "tv shows", "television series", "miniseries"), ("SERIES", "many")
    ),
    **dict.fromkeys(("television shows", "tv programmes", "sitcoms"), ("SERIES", "many")),
    **dict.fromkeys(("tv show", "television show", "tv programme", "sitcom"), ("SERIES", "one")),
    "series": ("SERIES", "one"),
    "shows": ("SERIES", "lead"),
    **dict.fromkeys(("documentaries", "docs", "documentary films"), ("DOCUMENTARY", "many")),
    "documentary movies": ("DOCUMENTARY", "many"),
    **dict.fromkeys(("documentary", "docuseries", "documentary film"), ("DOCUMENTARY", "one")),
    **dict.fromkeys(("short films", "short movies", "film shorts"), ("SHORT", "many")),
    "shorts": ("SHORT", "lead"),
    "short film": ("SHORT", "one"),
    **dict.fromkeys(("auctions", "auction lots"), ("AUCTION", "many")),
    "auction": ("AUCTION", "one"),
    "quests": ("QUEST", "lead"),
    **dict.fromkeys(("products", "items", "goods", "things to buy"), ("PRODUCT", "lead")),
    **dict.fromkeys(("posts", "blog posts", "articles"), ("POST", "lead")),
    **dict.fromkeys(("people", "persons"), ("PEOPLE", "lead")),
    **dict.fromkeys(("actors", "actresses", "directors", "filmmakers"), ("PERSON", "lead")),
    **dict.fromkeys(("users", "members", "artisans", "sellers", "profiles"), ("USER", "lead")),
}
TITLE_KINDS = _many("MOVIE SERIES DOCUMENTARY SHORT")

GENRES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("scary", "spooky", "frightening", "creepy", "terrifying"), ("horror",)),
    **dict.fromkeys(("funny", "hilarious", "humorous", "comedic", "comic"), ("comedy",)),
    **dict.fromkeys(("sci fi", "scifi", "science fiction", "sf"), ("science fiction", "sci fi")),
    **dict.fromkeys(("romantic", "love stories", "love story"), ("romance",)),
    **dict.fromkeys(("romcom", "rom com", "romantic comedy"), ("romance+comedy",)),
    **dict.fromkeys(("romcoms", "rom coms", "romantic comedies"), ("romance+comedy",)),
    **dict.fromkeys(("animated", "animation", "cartoon", "cartoons"), ("animated", "animation")),
    **dict.fromkeys(("biopic", "biopics", "biographical"), ("biography", "biographical")),
    **dict.fromkeys(("historical", "history", "period"), ("historical", "history")),
    **dict.fromkeys(("sport", "sports"), ("sports", "sport")),
    **dict.fromkeys(("kung fu", "karate", "martial arts"), ("martial arts",)),
    **dict.fromkeys(("whodunit", "whodunits", "detective", "mysteries"), ("mystery",)),
    **dict.fromkeys(("suspenseful", "gripping"), ("thriller", "suspense")),
    **dict.fromkeys(("film noir", "films noir", "noir films", "noirs"), ("noir", "film noir")),
    **dict.fromkeys(("superheroes", "super hero"), ("superhero",)),
    **dict.fromkeys(("spies", "espionage"), ("spy",)),
    **dict.fromkeys(("gangster", "heist", "mafia"), ("crime",)),
    **dict.fromkeys(("slashers", "gory"), ("slasher", "horror")),
    **dict.fromkeys(("tearjerker", "tearjerkers", "dramatic"), ("drama",)),
    **dict.fromkeys(("westerns", "cowboy"), ("western",)),
    **dict.fromkeys(("silents",), ("silent",)),
    "anime": ("anime", "animated", "animation"),
    "comedies": ("comedy",),
    "dramas": ("drama",),
    "thrillers": ("thriller",),
    "musicals": ("musical",),
    "satires": ("satire",),
    "romances": ("romance",),
}
"""Everyday words, and the genres they may mean as the catalogue calls them: the first that it has.
`a+b` is both."""

GENRES_MANY = _many(
    "comedies dramas thrillers musicals romances westerns mysteries noirs slashers romcoms biopics "
    "whodunits cartoons tearjerkers satires silents"
) | {"rom coms", "romantic comedies", "films noir", "noir films", "love stories"}
"""Of those: the ones that name what is looked for by themselves."""

FREE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("for free", "free to watch", "free to stream"), ("FREE", "ADS")),
    **dict.fromkeys(("watch for free", "free of charge", "at no cost"), ("FREE", "ADS")),
    **dict.fromkeys(("with ads", "with adverts", "ad supported"), ("ADS",)),
    **dict.fromkeys(("to rent", "for rent", "available to rent", "rentable"), ("RENT",)),
    **dict.fromkeys(("to buy", "for purchase", "to purchase", "to own"), ("BUY",)),
    **dict.fromkeys(("included with subscription", "with subscription"), ("SUBSCRIPTION",)),
    **dict.fromkeys(("with a subscription", "by subscription"), ("SUBSCRIPTION",)),
}
"""Ways to watch. `free on …`, `rent on …` stand in the grammar."""
TIER_WORDS: Mapping[str, tuple[str, ...]] = {
    "free": ("FREE", "ADS"),
    "rent": ("RENT",),
    "rental": ("RENT",),
    "rentals": ("RENT",),
    "buy": ("BUY",),
    "subscription": ("SUBSCRIPTION",),
    "stream": ("SUBSCRIPTION", "FREE", "ADS"),
}

RATINGS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("pg 13", "rated pg 13", "pg13", "rated pg13"), ("PG_13",)),
    **dict.fromkeys(("rated g", "g rated"), ("G",)),
    **dict.fromkeys(("rated pg", "pg rated", "pg"), ("PG",)),
    **dict.fromkeys(("rated r", "r rated"), ("R",)),
    **dict.fromkeys(("nc 17", "rated nc 17", "nc17"), ("NC_17",)),
    **dict.fromkeys(("for kids", "for children", "for the kids"), ("G", "PG")),
    **dict.fromkeys(("for small children", "for toddlers", "for little kids"), ("G",)),
    **dict.fromkeys(("family friendly", "kid friendly", "child friendly"), ("G", "PG")),
    **dict.fromkeys(("suitable for kids", "suitable for children"), ("G", "PG")),
    **dict.fromkeys(("kids", "children's", "kids'"), ("G", "PG")),
}
RATINGS_LOOSE = _many("pg kids children's kids'") | {
    "for kids", "for children", "for the kids", "for small children", "for toddlers",
    "for little kids", "suitable for kids", "suitable for children", "kid friendly",
    "child friendly", "family friendly",
}  # fmt: skip
"""Of those: words that mean it only beside what is looked for."""

LANGUAGES: Mapping[str, str] = {
    "mandarin": "zh",
    "cantonese": "yue",
    "farsi": "fa",
    "tagalog": "tl",
}
COUNTRIES: Mapping[str, str] = {
    **dict.fromkeys(("us", "u s", "usa", "u s a", "america", "the states"), "US"),
    **dict.fromkeys(("united states of america",), "US"),
    **dict.fromkeys(("uk", "u k", "britain", "great britain", "england", "scotland"), "GB"),
    **dict.fromkeys(("korea",), "KR"),
    **dict.fromkeys(("holland", "the netherlands"), "NL"),
    **dict.fromkeys(("uae", "emirates"), "AE"),
    "czech republic": "CZ",
    "turkey": "TR",
    "ivory coast": "CI",
    "russia": "RU",
    "vietnam": "VN",
}

ASSETS: Mapping[str, str] = {
    **dict.fromkeys(("$", "dollar", "dollars", "usd", "bucks", "us dollars"), "USD"),
    **dict.fromkeys(("€", "euro", "euros", "eur"), "EUR"),
    **dict.fromkeys(("₹", "rupee", "rupees", "inr", "rs"), "INR"),
    **dict.fromkeys(("¥", "yen", "jpy"), "JPY"),
    **dict.fromkeys(("coin", "coins", "spark", "sparks", "token", "tokens"), "SPARK"),
}
_TO_TWELVE = "one two three four five six seven eight nine ten eleven twelve"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety hundred"
NUMBERS: Mapping[str, int] = {
    **{word: value for value, word in enumerate(_TO_TWELVE.split(), start=1)},
    **{word: value * 10 for value, word in enumerate(_TENS.split(), start=2)},
    "fifteen": 15,
    "an": 1,
    "a": 1,
}
HOURS = _many("h hr hrs hour hours")
MINUTES = _many("m min mins minute minutes")
DAYS = _many("day days")

DECADES: Mapping[str, int] = {
    "thirties": 1930,
    "forties": 1940,
    "fifties": 1950,
    "sixties": 1960,
    "seventies": 1970,
    "eighties": 1980,
    "nineties": 1990,
    "noughties": 2000,
    "aughts": 2000,
}

LESS = phrases(
    "under | below | less than | shorter than | at most | up to | no more than | not more "
    "than | cheaper than | within | no longer than | max | maximum | for under | for less "
    "than"
)
MORE = phrases(
    "over | above | more than | longer than | at least | no less than | from | min | minimum "
    "| starting at"
)
ABOUT = phrases(
    "about | around | approximately | roughly | circa | some | nearly | for about | for around"
)

NEGATIONS = phrases(
    "but not | not a | not | no | without | except for | except | excluding | non | anything "
    "but | other than"
)

ORDERS: Mapping[str, str] = {
    **dict.fromkeys(("best", "top", "popular", "most popular", "top rated"), "POPULAR"),
    **dict.fromkeys(("highest rated", "best rated", "greatest", "trending"), "POPULAR"),
    **dict.fromkeys(("new", "newest", "latest", "recent", "most recent"), "NEWEST"),
}

DIRECTED = phrases(
    "directed by | director | made by | a film by | written by | produced by | created by"
)
STARRING = phrases(
    "starring | featuring | stars | with actor | with actress | played by | acted by | actor "
    "| actress"
)
BY = phrases("with | by | from director | from | of")
"""Weaker words before a name: `with love` and `by the sea` are no one's."""

RECOMMEND = phrases(
    "recommend me something like | recommend something like | something similar to | "
    "something like | anything like | what should i watch | what should we watch | what to "
    "watch | what can i watch | something to watch | recommend me something | recommend me | "
    "recommend something | recommend | suggest me | suggest something | suggest | "
    "recommendations for | in the mood for | i'm in the mood for | movies like | films like | "
    "shows like | series like | movies similar to | films similar to | similar to"
)
ASKING = phrases(
    "show me all | show me | i want to watch | i want to see | i want to buy | i want | i'm "
    "looking for | looking for | search for | find me | find | give me | list of | list all | "
    "list | browse | where can i watch | where to watch | are there any | do you have any | "
    "watch | any | something"
)
