"""What is made and sold in a seeded world, and the sentences that tell of it. Data alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Craft:
    """One trade. `low` and `high` are usual prices of a piece, in whole US dollars."""

    category: str
    low: int
    high: int
    things: tuple[str, ...]
    materials: tuple[str, ...]
    techniques: tuple[str, ...]
    tags: tuple[str, ...]
    workshop: tuple[str, ...]
    digital: bool = False


def _craft(
    category: str,
    low: int,
    high: int,
    *,
    things: str,
    materials: str,
    techniques: str,
    tags: str,
    workshop: str,
    digital: bool = False,
) -> Craft:
    return Craft(
        category=category,
        low=low,
        high=high,
        things=_list(things),
        materials=_list(materials),
        techniques=_list(techniques),
        tags=_list(tags),
        workshop=_list(workshop),
        digital=digital,
    )


def _list(words: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in words.split(","))


CRAFTS: tuple[Craft, ...] = (
    _craft(
        "Pottery",
        18,
        420,
        things="tea bowl, water jar, serving plate, storage jar, oil lamp, vase, set of six cups",
        materials="red earthenware, stoneware, black clay, porcelain, local terracotta",
        techniques="wood-fired, hand-thrown, coil-built, pit-fired, salt-glazed, slip-painted",
        tags="ceramics, tableware, kiln, clay",
        workshop="Kiln, Clay & Ash, Pottery, Wheel House",
    ),
    _craft(
        "Textiles",
        35,
        1900,
        things="shawl, wall hanging, table runner, wedding cloth, blanket, ceremonial sash, rug",
        materials="hand-spun cotton, mulberry silk, highland wool, nettle, baby alpaca, linen",
        techniques="backstrap-woven, ikat-dyed, block-printed, indigo-dyed, embroidered",
        tags="weaving, natural dye, loom, cloth",
        workshop="Loom, Weavers, Thread & Dye, Cloth House",
    ),
    _craft(
        "Jewellery",
        25,
        1400,
        things="necklace, pair of earrings, cuff, ring, brooch, anklet",
        materials="recycled silver, brass, freshwater pearl, amber, glass beads, lapis and silver",
        techniques="filigree, lost-wax cast, hand-beaten, granulated, strung, enamelled",
        tags="silver, beads, adornment, handmade",
        workshop="Silver, Goldsmiths, Bead House, Ornaments",
    ),
    _craft(
        "Woodwork",
        22,
        1100,
        things="stool, mask, carved spoon set, bread bowl, puppet, jewellery box, walking stick",
        materials="walnut, olive wood, teak offcuts, curly birch, cedar, mango wood",
        techniques="hand-carved, turned, inlaid, steam-bent, lacquered, chip-carved",
        tags="carving, wood, home, heirloom",
        workshop="Woodworks, Carvers, Joinery, Tree & Tool",
    ),
    _craft(
        "Baskets",
        15,
        360,
        things="market basket, storage basket, winnowing tray, lidded box, sun hat",
        materials="elephant grass, willow, palm leaf, bamboo, sweetgrass, toquilla straw",
        techniques="coiled, twined, plaited, open-worked, tightly woven",
        tags="basketry, plant fibre, home, natural",
        workshop="Baskets, Willow Yard, Weave, Grass & Palm",
    ),
    _craft(
        "Leather",
        30,
        640,
        things="satchel, pair of slippers, book cover, belt, saddle bag, pouf",
        materials="vegetable-tanned goatskin, reindeer hide, oak-bark leather, saddle leather",
        techniques="hand-stitched, tooled, embossed, braided, dyed with pomegranate",
        tags="leather, bags, hand-stitched, durable",
        workshop="Leather, Saddlers, Tannery, Hide & Awl",
    ),
    _craft(
        "Metalwork",
        28,
        980,
        things="coffee pot, knife, bell, lantern, tray, candle holder, garden gate latch",
        materials="copper, brass, forged iron, pattern-welded steel, bronze",
        techniques="hand-hammered, chased, forged, pierced, repoussé, sand-cast",
        tags="metal, forge, home, lantern",
        workshop="Forge, Coppersmiths, Foundry, Anvil",
    ),
    _craft(
        "Instruments",
        60,
        2600,
        things="frame drum, thumb piano, bamboo flute, lute, rattle, fiddle, talking drum",
        materials="goatskin and ash, spruce and maple, bamboo, calabash, apricot wood",
        techniques="hand-tuned, carved from one block, bent over fire, voiced by ear",
        tags="music, instrument, drum, strings",
        workshop="Luthiers, Drums, Music Workshop, Sound House",
    ),
    _craft(
        "Glass",
        20,
        520,
        things="tumbler set, hanging lamp, bowl, paperweight, carafe, bead curtain",
        materials="recycled bottle glass, crystal, sea-green glass, cobalt glass",
        techniques="mouth-blown, fused, cut, lampworked, mould-blown",
        tags="glass, light, table, recycled",
        workshop="Glass, Furnace, Lights, Blowers",
    ),
    _craft(
        "Paper and prints",
        8,
        260,
        things="woodblock print, notebook, paper lantern, calligraphy sheet, set of cards, kite",
        materials="mulberry paper, cotton rag, lokta paper, amate bark paper, banana fibre",
        techniques="hand-printed, stitched, folded, marbled, letterpress",
        tags="paper, print, stationery, art",
        workshop="Press, Paper Mill, Print Room, Ink & Paper",
    ),
    _craft(
        "Patterns",
        4,
        60,
        things="embroidery pattern, knitting chart, stencil set, loom draft, typeface, print file",
        materials="vector files, a 24-page PDF, high-resolution scans, charts and notes",
        techniques="hand-drawn, charted, scanned from an archive cloth, redrawn",
        tags="digital, pattern, download, learn",
        workshop="Patterns, Drafts, Archive, Drawing Room",
        digital=True,
    ),
)

CHARACTERS: tuple[str, ...] = (
    "small",
    "large",
    "old-style",
    "two-tone",
    "festive",
    "everyday",
    "one-of-a-kind",
    "signed",
    "deep blue",
    "ochre",
    "undyed",
    "moss green",
)

DESCRIPTIONS: tuple[str, ...] = (
    "{Technique}, of {material}. Made for every day; small differences are the maker's hand.",
    "A {thing} of {material}, {technique} in {town}. Packed by us, sent within three days.",
    "Made of {material} from within a day's walk of the workshop. No two are alike.",
    "{Technique} by one pair of hands from beginning to end; it took {days} days.",
    "The form is old, the use is yours. {Material}, {technique}, without a machine but the lathe.",
)

STORIES: tuple[str, ...] = (
    "{name} learned the trade from a grandmother in {town}, and teaches two apprentices now.",
    "In {town} this work was nearly given up; {name} found the last maker who knew it and stayed.",
    "The family has worked near {town} for four generations. {name} signs each piece underneath.",
    "Every spring {name} gathers what is needed around {town}; the rest of the year is for making.",
    "{name} began with repairs for neighbours in {town}, and the neighbours asked for new ones.",
)

BIOS: tuple[str, ...] = (
    "Collects {category}, slowly.",
    "From {town}. Here for {category} and the stories behind it.",
    "Learning to make {category} at weekends.",
    "Buys one good thing a year.",
    "Maker, mender, and early riser in {town}.",
    "Bids late, pays early.",
    "",
)
