"""Tokens that must not be let in, for the issuer ``issuer`` and the audience ``cafe``, each with what is wrong."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Iterator, Sequence

from tests.tokens import ALGORITHMS, SigningKey, encode, key

Wrong = Iterator[tuple[str, str]]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
CLAIMS = {"iss": "issuer", "aud": "cafe"}
WHOLE = json.dumps(CLAIMS)


def good_tokens(signer: SigningKey) -> Iterator[str]:
    """Yield tokens that are let in."""
    yield signer.token(**CLAIMS)
    yield signer.token(iss="issuer", aud=["x", "bar"], nbf=int(time.time()))
    yield signer.token(CLAIMS, header={"kid": None, "typ": None, "x5c": ["a"], "jku": "https://evil.test"})


def wrong_tokens(signer: SigningKey) -> Wrong:
    """Yield tokens that *signer*, whose ``kid`` is ``one``, or somebody else made."""
    yield from wrong_claims(signer)
    yield from wrong_keys(signer)
    yield from wrong_headers(signer)
    yield from wrong_json(signer)
    yield from wrong_forms(signer)
    yield from wrong_signatures(signer)


def wrong_claims(signer: SigningKey) -> Wrong:
    now = int(time.time())
    faults = {
        "expired": {"exp": now - 5}, "expires now": {"exp": now}, "not valid yet": {"nbf": now + 600},
        "exp is text": {"exp": str(now + 600)}, "exp is null": {"exp": None}, "nbf is a list": {"nbf": [now]},
        "exp is true": {"exp": True}, "iss": {"iss": "other"}, "iss is a list": {"iss": ["issuer"]},
        "aud": {"aud": "other"}, "aud is an object": {"aud": {"cafe": 1}}, "aud is empty": {"aud": []},
        "aud is nested": {"aud": [["cafe"]]},
    }  # fmt: skip
    for what, fault in faults.items():
        yield what, signer.token(**{**CLAIMS, **fault})
    yield "no iss", signer.token({"aud": "cafe"})
    yield "no aud", signer.token({"iss": "issuer"})


def wrong_keys(signer: SigningKey) -> Wrong:
    other = key(signer.algorithm, "one", 1)
    yield "another key", other.token(**CLAIMS)
    yield "another key without kid", other.token(header={"kid": None}, **CLAIMS)
    yield "unknown kid", signer.token(header={"kid": "two"}, **CLAIMS)
    yield "kid is a number", signer.token(header={"kid": 1}, **CLAIMS)
    yield "kid of another key of the set", signer.token(header={"kid": "spare"}, **CLAIMS)


def wrong_headers(signer: SigningKey) -> Wrong:
    _, claims, signature = signer.token(**CLAIMS).split(".")
    others = (each for each in ALGORITHMS if each != signer.algorithm)
    for name in (*others, "none", "None", "NONE", "", signer.algorithm.lower(), f"{signer.algorithm} "):
        changed = encode(signer.header({"alg": name}))
        yield f"alg {name}", f"{changed}.{claims}.{signature}"
        yield f"alg {name}, signed", signer.token(header={"alg": name}, **CLAIMS)
        yield f"alg {name}, no signature", f"{changed}.{claims}."
    yield "no alg", signer.token(header={"alg": None}, **CLAIMS)
    yield "alg is a list", signer.token(header={"alg": [signer.algorithm]}, **CLAIMS)
    for name, value in (("crit", ["exp"]), ("crit", []), ("b64", False), ("zip", "DEF"), ("enc", "A128GCM")):
        yield f"{name} {value}", signer.token(header={name: value}, **CLAIMS)
    yield "huge header", signer.token(header={"x": "x" * 6000}, **CLAIMS)


def wrong_json(signer: SigningKey) -> Wrong:
    header, claims = encode(signer.header()), encode(WHOLE)
    algorithm = signer.algorithm
    yield "twice in the header", signer.signed(encode(f'{{"alg":"none","alg":"{algorithm}"}}'), claims)
    yield "twice in the claims", signer.signed(header, encode(f'{{"iss":"other",{WHOLE[1:]}'))
    yield "twice, escaped", signer.signed(header, encode(rf'{{"\u0069ss":"other",{WHOLE[1:]}'))
    within = WHOLE[:-1]
    for text in (
        f"[{WHOLE}]", '"text"', "1", "null", "", "{", f"{WHOLE}x", WHOLE * 2, f"{within},}}", f"\ufeff{WHOLE}",
        f'{within},"exp":NaN}}', f'{within},"exp":-Infinity}}', f'{within},"exp":0x7fffffffffff}}',
        f'{within},"exp":1e999}}', f'{within},"exp":99999999999999999999}}', f'{within},"nbf":-1e999}}',
        f'{within},"exp":01}}', f'{within},"a":{"[" * 99}{"]" * 99}}}', f'{within},"a":"\n"}}', f"{within}\0}}",
        f"{within},'a':1}}", f'{within},"a":"\\ud800"}}', f'{within},"a":"\\x41"}}', f"{within} /* */ }}",
        f'{within},"a":nul}}', f'{within},"a":.5}}', f'{within},"a":1.}}', f'{within},"a":+1}}',
    ):  # fmt: skip
        yield f"claims {text}", signer.signed(header, encode(text))
    latin = f'{within},"a":"ä"}}'.encode("latin-1")
    yield "not UTF-8", signer.signed(header, encode(latin))
    yield "surrogate in UTF-8", signer.signed(header, encode(latin.replace(b"\xe4", b"\xed\xa0\x80")))
    for text in ("[]", "null", "{", f'{{"alg":{algorithm}}}', f"{{'alg':'{algorithm}'}}", f'"{algorithm}"'):
        yield f"header {text}", signer.signed(encode(text), claims)


def wrong_forms(signer: SigningKey) -> Wrong:
    good = signer.token(**CLAIMS)
    header, claims, signature = good.split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    forms = {
        "no signature": f"{header}.{claims}.", "two parts": f"{header}.{claims}", "no claims": f"{header}..{signature}",
        "four parts": f"{good}.{signature}", "five parts": f"{good}.{signature}.{signature}", "only dots": "..",
        "no header": f".{claims}.{signature}", "not a token": "abc", "padding": f"{good}=",
        "a space": f"{header}.{claims}.{signature[:4]} {signature[4:]}", "a tab": f"{header}.{claims}.\t{signature}",
        "standard base64": f"{header}.{claims}.{base64.b64encode(raw).decode().rstrip('=')}+/",
        "one character more": f"{good}A", "percent": f"{header}.{claims}.%41{signature[1:]}",
        "several": f"{good}, {good}",
    }  # fmt: skip
    yield from forms.items()
    yield "padding of the claims", signer.signed(header, claims + "=" * (-len(claims) % 4 or 4))
    yield "padding of the header", signer.signed(f"{header}==", claims)
    for spare, unused in ((1, 3), (2, 15)):  # the last character has bits that mean nothing
        if -len(signature) % 4 == spare and (last := ALPHABET.index(signature[-1]) | unused):
            loose = f"{signature[:-1]}{ALPHABET[last]}"
            yield ("bits that mean nothing", f"{header}.{claims}.{loose}") if loose != signature else ("two", "a.b")
    yield "huge", signer.token(padding="x" * 20000, **CLAIMS)


def wrong_signatures(signer: SigningKey) -> Wrong:
    good = signer.token(**CLAIMS)
    header, claims, signature = good.split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    size, half = len(raw), len(raw) // 2
    changes = {
        "cut": raw[:-1], "with more": raw + b"x", "with zero before": bytes(1) + raw, "of zeros": bytes(size),
        "of ff": bytes([255]) * size, "half": raw[:half], "twice": raw * 2, "halves swapped": raw[half:] + raw[:half],
        "r is 0": bytes(half) + raw[half:], "s is 0": raw[:half] + bytes(half), "empty": b"", "one byte": b"\0",
    }  # fmt: skip
    for what, changed in changes.items():
        yield f"signature {what}", f"{header}.{claims}.{encode(changed)}"
    for index in (0, half, size - 1):
        flipped = bytearray(raw)
        flipped[index] ^= 1
        yield f"bit of byte {index}", f"{header}.{claims}.{encode(bytes(flipped))}"
    yield "other claims", f"{header}.{encode({**CLAIMS, 'sub': 'root'})}.{signature}"


def mutated(chance: random.Random, tokens: Sequence[str]) -> str:
    """Return one of *tokens* with a few changes, or made of parts of several."""
    token = chance.choice(tokens)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        token = chance.choice(_CHANGES)(chance, token, tokens)
    return token.replace("\n", "") or "."


def _parts(token: str) -> list[str]:
    return [*token.split("."), "", "", ""][:3]


def _replaced(chance: random.Random, token: str, _: Sequence[str]) -> str:
    at = chance.randrange(len(token) or 1)
    return f"{token[:at]}{chance.choice(ALPHABET + '.=+/ ')}{token[at + 1 :]}"


def _removed(chance: random.Random, token: str, _: Sequence[str]) -> str:
    at = chance.randrange(len(token) or 1)
    return token[:at] + token[at + chance.choice((1, 1, 4)) :]


def _added(chance: random.Random, token: str, _: Sequence[str]) -> str:
    at = chance.randrange(len(token) + 1)
    return token[:at] + chance.choice((".", "=", "A", "_", "AAAA", "\0", "ÿ")) + token[at:]


def _exchanged(chance: random.Random, token: str, tokens: Sequence[str]) -> str:
    """Take a part of another token in place of the same one."""
    own, other, at = _parts(token), _parts(chance.choice(tokens)), chance.randrange(3)
    return ".".join([*own[:at], other[at], *own[at + 1 :]])


def _flipped(chance: random.Random, token: str, _: Sequence[str]) -> str:
    """Change a bit of what a part encodes."""
    parts, at = _parts(token), chance.randrange(3)
    try:
        data = bytearray(base64.urlsafe_b64decode(parts[at] + "=" * (-len(parts[at]) % 4)))
    except ValueError:
        return token
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return ".".join([*parts[:at], encode(bytes(data)), *parts[at + 1 :]])


def _relabelled(chance: random.Random, token: str, _: Sequence[str]) -> str:
    """Name another algorithm, or key, in the header."""
    _, *rest = _parts(token)
    header = {"alg": chance.choice((*ALGORITHMS, "none")), "kid": chance.choice(ALGORITHMS)}
    if chance.random() < 0.5:
        del header["kid"]
    return ".".join([encode(header), *rest])


_CHANGES = (_replaced, _removed, _added, _exchanged, _flipped, _flipped, _relabelled)
