"""How CatBoost numbers categories: a hash of the text, and what is made of it for its statistics.

CatBoost keeps no levels, only hashes, so that a table's categories are found by hashing them alike:
CityHash64 in its first version, of which the lower 32 bits are kept.
"""

_BITS = 2**64 - 1
_K0, _K1, _K2, _K3 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F, 0xC949D7C7509E6557
_OF_PAIRS, _OF_STATISTICS = 0x9DDFEA08EB382D69, 0x4906BA494954CB65
MOST_BYTES = 64


def hash_of(category: str) -> int:
    """The hash by which CatBoost knows a category: a whole number of 32 bits, with its sign.

    Args:
        category: The category as text, of at most 64 bytes.

    Example:
        >>> hash_of("u"), hash_of("a text of more than sixteen bytes")
        (1981898051, -790554958)
    """
    low = _city(category.encode()) & 0xFFFFFFFF
    return low - (low >> 31 << 32)


def key_of(number: int) -> int:
    """The key of one column's category in CatBoost's tables of statistics.

    Args:
        number: What `hash_of` gives.
    """
    return _OF_STATISTICS * (_OF_STATISTICS * number & _BITS) & _BITS


def _city(text: bytes) -> int:
    if len(text) <= 16:
        return _up_to_16(text)
    return _up_to_32(text) if len(text) <= 32 else _up_to_64(text)


def _up_to_16(text: bytes) -> int:
    n = len(text)
    if n > 8:
        a, b = _word(text, 0), _word(text, n - 8)
        return _pair(a, _turned(b + n, n)) ^ b
    if n >= 4:
        return _pair(n + (_word(text, 0, 4) << 3), _word(text, n - 4, 4))
    if not n:
        return _K2
    y, z = text[0] + (text[n >> 1] << 8), n + (text[-1] << 2)
    return _mixed(y * _K2 ^ z * _K3) * _K2 & _BITS


def _up_to_32(text: bytes) -> int:
    n = len(text)
    a, b = _word(text, 0) * _K1, _word(text, 8)
    c, d = _word(text, n - 8) * _K2, _word(text, n - 16) * _K0
    return _pair(_turned(a - b, 43) + _turned(c, 30) + d, a + _turned(b ^ _K3, 20) - c + n)


def _up_to_64(text: bytes) -> int:
    n, tail = len(text), len(text) - 32
    first = _half(text, 0, _word(text, 24), _word(text, 0) + (n + _word(text, n - 16)) * _K0)
    last = _half(text, tail, _word(text, n - 8), _word(text, 16) + _word(text, tail))
    whole = _mixed((first[0] + last[1]) * _K2 + (last[0] + first[1]) * _K0)
    return _mixed(whole * _K0 + first[1]) * _K2 & _BITS


def _half(text: bytes, start: int, z: int, a: int) -> tuple[int, int]:
    b, c = _turned(a + z, 52), _turned(a, 37)
    a += _word(text, start + 8)
    c += _turned(a, 7)
    a += _word(text, start + 16)
    return a + z, b + _turned(a, 31) + c


def _word(text: bytes, start: int, size: int = 8) -> int:
    return int.from_bytes(text[start : start + size], "little")


def _turned(value: int, by: int) -> int:
    value &= _BITS
    return (value >> by | value << (64 - by)) & _BITS


def _mixed(value: int) -> int:
    value &= _BITS
    return value ^ value >> 47


def _pair(low: int, high: int) -> int:
    a = _mixed((low ^ high) * _OF_PAIRS)
    return _mixed((high & _BITS ^ a) * _OF_PAIRS) * _OF_PAIRS & _BITS
