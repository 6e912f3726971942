"""The conformance harness: a relying party, a browser without JavaScript, and rules to hold an identity provider to.

Reading order: `wire` (HTTP as bytes), `cookies`, `page` and `browser` (a person's side), `jose` (tokens), `listener`
(what the provider sends us), `application` (a relying party), `check` and `flow` (what a module is written with),
`rules/` (one small function a rule), `plans` (which modules a plan runs), `world` (who and what exists).
"""
