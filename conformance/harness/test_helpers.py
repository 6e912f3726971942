"""The harness's own helpers, held to a few facts: `python -m unittest harness.test_helpers`."""

import json
import tomllib
import unittest
from pathlib import Path

from . import jose
from .browser import Arrival
from .cookies import Jar
from .page import Page
from .plans import PLANS, entries
from .rules import standard_claims
from .rules.authorization_response import Answered, goes_to_the_redirect_uri, shannon
from .rules.metadata import is_secure
from .wire import Response, origin

HERE = Path(__file__).resolve().parent.parent


def page(body: str, url: str = "https://op.test/authorize?x=1") -> Page:
    return Page(Response("GET", url, 200, (("Content-Type", "text/html; charset=utf-8"),), body.encode(), 0.0))


class Cookies(unittest.TestCase):
    def test_a_lax_cookie_stays_at_home_on_a_post_from_elsewhere(self) -> None:
        jar = Jar()
        jar.take("https://op.test/login", ["__Host-s=1; Secure; HttpOnly; SameSite=Lax; Path=/"])
        self.assertEqual(jar.give("https://op.test/authorize", same_site=False, safe=True), "__Host-s=1")
        self.assertIsNone(jar.give("https://op.test/authorize", same_site=False, safe=False))
        self.assertEqual(jar.give("https://op.test/authorize", same_site=True, safe=False), "__Host-s=1")

    def test_a_host_prefix_without_secure_is_refused_and_max_age_zero_deletes(self) -> None:
        jar = Jar()
        jar.take("https://op.test/", ["__Host-s=1; Path=/", "a=1", "b=2"])
        jar.take("https://op.test/", ["a=; Max-Age=0"])
        self.assertEqual([c.name for c in jar.cookies], ["b"])


class Pages(unittest.TestCase):
    def test_a_form_sends_what_a_browser_would(self) -> None:
        form = page(
            '<h1>Sign  in</h1><form id="login-form" method="post" action="/login"><input type="hidden" name="csrf" value="a&amp;b">'
            '<input id="username" name="username" value="x"><input type="checkbox" name="keep"><button id="go" name="act" value="in">'
            "Go</button><button name=act value=cancel>No</button></form>"
        ).form("login-form")
        assert form is not None
        self.assertEqual(form.action, "https://op.test/login")
        self.assertEqual(form.pairs(form.control("go"), {"username": "ana"}), [("csrf", "a&b"), ("username", "ana"), ("act", "in")])

    def test_inline_scripts_and_handlers_are_noticed(self) -> None:
        seen = page('<script src="/a.js"></script><script>x()</script><b onclick="x()" style="color:red">').inline
        self.assertEqual(len(seen), 3)


class Tokens(unittest.TestCase):
    def test_a_signature_is_judged_by_the_key_that_the_kid_names(self) -> None:
        for alg in ("ES256", "RS256"):
            key = jose.SigningKey.generate("k", alg)
            token = key.sign({"sub": "x"})
            jose.verify(jose.read(token), {"keys": [key.jwk()]})
            for bad in (jose.flip_signature(token), jose.unsigned({"sub": "x"}, kid="k"), *jose.confused({}, key.jwk(), kid="k").values()):
                with self.assertRaises(jose.BadToken):
                    jose.verify(jose.read(bad), {"keys": [key.jwk()]})

    def test_stray_bits_and_padding_are_no_base64url(self) -> None:
        good = jose.b64(b"abcd")
        for bad in (good + "=", jose.stray_bits(good), good + "\n", "a+/b"):
            with self.assertRaises(jose.BadToken):
                jose.unb64(str(bad))


class Rules(unittest.TestCase):
    def test_the_query_of_a_redirect_uri_must_be_kept(self) -> None:
        request = {"redirect_uri": "https://rp.test/cb?d=1"}
        by = Response("GET", "", 302, (), b"", 0.0)
        kept = Answered(request, Arrival("https://rp.test/cb?d=1&code=x", "GET", None, [], by), "", [])
        lost = Answered(request, Arrival("https://rp.test/cb?code=x", "GET", None, [], by), "", [])
        self.assertIsNone(goes_to_the_redirect_uri(kept))
        self.assertEqual(kept.params, {"code": "x"})
        self.assertIsNotNone(goes_to_the_redirect_uri(lost))

    def test_claims_of_the_wrong_type_are_named(self) -> None:
        bad = {"name": "", "email_verified": "true", "updated_at": "1", "birthdate": "16.10.1987", "address": "x", "gender": None}
        self.assertEqual(len(standard_claims.faults(bad)), 6)
        good = {"name": "A", "email_verified": True, "updated_at": 1_700_000_000, "birthdate": "0000-10-16", "address": {"country": "KR"}}
        self.assertEqual(standard_claims.faults(good), [])

    def test_http_is_secure_on_the_loopback_issuer_alone(self) -> None:
        self.assertTrue(is_secure("http://127.0.0.1:1/token", "http://127.0.0.1:1"))
        self.assertFalse(is_secure("http://127.0.0.1:2/token", "http://127.0.0.1:1"))
        self.assertFalse(is_secure("http://op.test/token", "https://op.test"))
        self.assertEqual(origin("https://op.test:443/x"), "https://op.test")
        self.assertGreater(shannon("abcdefghijklmnopqrstuvwxyz0123456789ABCDEF"), 96)


class Files(unittest.TestCase):
    def test_every_module_of_every_plan_is_there_and_says_what_it_checks(self) -> None:
        for entry in entries([], None):
            module = entry.load()
            self.assertTrue(callable(module.run), entry.module)
            self.assertRegex(module.__doc__ or "", r"\[[FW]\]", entry.module)

    def test_every_file_of_modules_is_in_a_plan(self) -> None:
        planned = {f"{e.plan.folder}/{e.name.replace('-', '_')}" for e in entries([], None)}
        there = {f"{p.parent.name}/{p.stem}" for p in (HERE / "modules").glob("*/*.py") if p.stem != "__init__"}
        self.assertEqual(planned, there)
        self.assertEqual(len(PLANS), 7)

    def test_the_suites_files_can_be_read(self) -> None:
        for path in (HERE / "oidf").glob("*.json"):
            self.assertEqual(json.loads(path.read_text())["alias"], "muster")
        for path in (HERE / "world.toml", HERE / "oidf" / "world.toml"):
            self.assertIn("application", tomllib.loads(path.read_text()))


if __name__ == "__main__":
    unittest.main()
