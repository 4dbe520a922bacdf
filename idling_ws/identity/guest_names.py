"""Names for guests who gave none: an adjective, an animal and a number, like "Quiet Heron 42"."""

from __future__ import annotations

from collections.abc import Callable

Draw = Callable[[int], int]
"""A number from 0 up to, not including, its argument: ``secrets.randbelow``, or a test's own."""

_ADJECTIVES = """
Amber Ancient Autumn Blithe Bold Brave Breezy Bright Calm Careful Cheerful Clever Cosy Crimson
Curious Dapper Daring Dreamy Drifting Drowsy Early Easy Fabled Fluffy Fond Free Frosty Gallant
Gentle Gilded Glad Golden Graceful Happy Hazy Hidden Humble Hushed Idle Jolly Keen Kind Lazy Light
Lively Lucky Mellow Merry Mild Misty Modest Mossy Nimble Noble Patient Peaceful Placid Plucky Polite
Proud Quiet Rested Rosy Serene Shy Silent Silver Sleepy Slow Smiling Snowy Soft Sunny Swift Tender
Tidy Tranquil Velvet Wandering Warm Wise Witty Zesty
"""
ADJECTIVES = tuple(_ADJECTIVES.split())

_ANIMALS = """
Albatross Alpaca Badger Bear Beaver Bison Capybara Caribou Chamois Cormorant Crane Curlew Deer
Dolphin Dormouse Dove Dunlin Eagle Egret Eider Elk Falcon Fawn Ferret Finch Fox Gannet Gecko Gibbon
Goose Grebe Hare Hedgehog Heron Hoopoe Ibex Ibis Jackdaw Jay Kestrel Kingfisher Koala Lark Lemur
Linnet Llama Lynx Magpie Manatee Marmot Marten Mole Narwhal Newt Nuthatch Ocelot Oriole Otter Owl
Panda Pelican Penguin Petrel Pika Plover Puffin Quail Rabbit Raven Robin Sandpiper Seal Shrew Sloth
Sparrow Squirrel Starling Stork Swan Tapir Teal Tern Toucan Turtle Vole Walrus Warbler Whale Wombat
Wren Yak
"""
ANIMALS = tuple(_ANIMALS.split())


def guest_name(draw: Draw, attempt: int = 0) -> str:
    """Return a name; each further ``attempt`` draws from ten times as many, up to 90,000."""
    numbers = 90 * 10 ** min(attempt, 3)
    return f"{ADJECTIVES[draw(len(ADJECTIVES))]} {ANIMALS[draw(len(ANIMALS))]} {10 + draw(numbers)}"
