"""A secret that the redactor knows appears in no text that passes it."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus, urlencode

from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.redaction import Redactor

SECRET = st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=4, max_size=40)


@given(SECRET, st.text())
def test_a_secret_is_masked_however_it_is_spelled(secret: str, around: str) -> None:
    assume(secret not in "***")
    redactor = Redactor()
    redactor.add(secret)
    for spelling in (
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret),
        urlencode({"s": secret}),
    ):
        assert secret not in redactor(f"{around}|{spelling}|") or secret in around + "||"
    assert redactor(f"[{secret}]") == "[***]"


def test_a_longer_secret_is_masked_whole() -> None:
    redactor = Redactor()
    redactor.add("hunter22")
    redactor.add("hunter22-and-more")
    assert redactor("x hunter22-and-more y") == "x *** y"


def test_text_without_secrets_is_left_alone() -> None:
    redactor = Redactor()
    redactor.add("abc")
    assert redactor("abc def") == "abc def"


def test_a_secret_learnt_later_is_masked_from_then_on() -> None:
    redactor = Redactor()
    redactor.add("hunter22")
    assert redactor("hunter22 and swordfish") == "*** and swordfish"
    redactor.add("swordfish")
    assert redactor("hunter22 and swordfish") == "*** and ***"
