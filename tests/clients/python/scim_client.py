"""An unmodified scim2-client as a customer's directory: it reads what the server says of itself, pushes people and groups,
and changes, finds, pages, deactivates and deletes them. What it is answered it validates against the served schemas.

tests/clients/README.md lists the settings and the facts. Whatever it pushed is gone at the end.
"""

import json

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import Error, PatchOp, PatchOperation, SearchRequest
from steps import required, step

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PEOPLE = ("ana", "bo", "carl")


def is_error(answer, status, kind=None):
    assert isinstance(answer, Error), f"no error: {answer}"
    assert (answer.status, answer.scim_type) == (status, kind), f"{answer.status} {answer.scim_type}: {answer.detail}"
    assert answer.detail


class Directory:
    """Pushes to one connection."""

    def __init__(self, url, token, domain):
        headers = {"Authorization": f"Bearer {token}"}
        self.scim = SyncSCIMClient(Client(base_url=url, headers=headers, timeout=30, trust_env=False))
        self.domain = domain
        self.users = {}
        self.groups = {}

    def name(self, person):
        return f"{person.title()}@{self.domain}"

    def discover(self):
        """All that follows is read and written with the models that the server's own schemas make."""
        self.scim.discover()
        config = self.scim.provider.config
        assert config.patch.supported and config.filter.supported and config.etag.supported and config.sort.supported
        assert config.bulk.supported and config.filter.max_results >= 100
        self.user = self.scim.get_resource_model("User")
        self.group = self.scim.get_resource_model("Group")
        assert self.user and self.group

    def push_people(self):
        for number, person in enumerate(PEOPLE, 1):
            asked = {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
                "userName": self.name(person),
                "externalId": f"{person}-{number}",
                "name": {"givenName": person.title(), "familyName": "Kim"},
                "displayName": f"{person.title()} Kim",
                "emails": [{"value": f"{person}@{self.domain}", "type": "work", "primary": True}],
                "active": True,
                ENTERPRISE: {"employeeNumber": str(number), "department": "Research"},
            }
            made = self.scim.create(self.user, asked)
            assert made.id and made.meta.version and made.meta.location.endswith(f"/Users/{made.id}"), made
            assert made.user_name == self.name(person) and made.active is True
            assert made[ENTERPRISE].department == "Research"
            self.users[person] = made
        again = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": self.name("ana").upper(), "active": True}
        is_error(self.scim.create(self.user, again, raise_scim_errors=False), 409, "uniqueness")

    def push_groups(self):
        for name, members in [("Engineering", ("ana", "bo")), ("Everybody", PEOPLE)]:
            asked = {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                "displayName": f"{name} of {self.domain}",
                "externalId": name,
                "members": [{"value": self.users[person].id, "type": "User"} for person in members],
            }
            self.groups[name] = self.scim.create(self.group, asked)
            assert self.members(name) == set(members)

    def members(self, group):
        """Who is in a group, as it says, by their short names."""
        shown = self.scim.query(self.group, self.groups[group].id)
        names = {user.id: person for person, user in self.users.items()}
        return {names[member.value] for member in shown.members or []}

    def groups_of(self, person):
        """In which groups somebody is, as the user says."""
        shown = self.scim.query(self.user, self.users[person].id)
        names = {group.id: name for name, group in self.groups.items()}
        return {names[group.value] for group in shown.groups or []}

    def find(self):
        """By name in any case, by the client's own id, by address, by what lies in an extension."""
        for text, people in [
            (f'userName eq "{self.name("ana").upper()}"', ["ana"]),
            ('externalId eq "bo-2"', ["bo"]),
            ('externalId eq "BO-2"', []),
            (f'emails[type eq "work" and value eq "carl@{self.domain}"]', ["carl"]),
            (f'{ENTERPRISE}:employeeNumber eq "3"', ["carl"]),
            ('name.givenName sw "b" or not (displayName co "a")', ["bo"]),
            ('active eq false', []),
        ]:
            wanted = [self.users[person].id for person in people]
            by_query = self.scim.query(self.user, query_parameters=SearchRequest(filter=text))
            by_body = self.scim.search(self.user, SearchRequest(filter=text))
            for found in (by_query, by_body):
                assert [user.id for user in found.resources or []] == wanted, f"{text}: {found}"
                assert found.total_results == len(wanted)
        ana = self.users["ana"].id
        for text, total in [(f'members eq "{ana}"', 2), (f'externalId eq "Everybody" and members eq "{ana}"', 1)]:
            asked = SearchRequest(filter=text, attributes=["id"])
            assert self.scim.query(self.group, query_parameters=asked).total_results == total, text
        everything = self.scim.search(SearchRequest(filter="meta.created pr"))
        assert everything.total_results == 5
        wrong = self.scim.query(url="/Users?filter=userName+is+1", raise_scim_errors=False, expected_status_codes=[400])
        is_error(wrong, 400, "invalidFilter")

    def page(self):
        """In order, two at a time: by index and by cursor. What each page had."""
        by_name = dict(sort_by="userName", sort_order="descending", count=2)
        names, pages = [], []
        for start in (1, 3):
            found = self.scim.query(self.user, query_parameters=SearchRequest(start_index=start, **by_name))
            assert found.total_results == 3 and found.items_per_page == len(found.resources)
            pages.append(len(found.resources))
            names += [user.user_name for user in found.resources]
        assert names == [self.name(person) for person in reversed(PEOPLE)], names
        cursor, ids = "", []
        while cursor is not None:
            found = self.scim.query(self.user, query_parameters=SearchRequest(cursor=cursor, count=2))
            ids += [user.id for user in found.resources]
            cursor = found.next_cursor
        assert sorted(ids) == sorted(user.id for user in self.users.values())
        return pages

    def update(self):
        """A PUT, which carries the version that was read (scim2-client sends it by itself), and PATCHes."""
        ana = self.scim.query(self.user, self.users["ana"].id)
        stale = ana.meta.version
        ana.title = "Captain"
        ana.nick_name = "Annie"
        ana = self.scim.replace(ana)
        assert (ana.title, ana.nick_name, ana.name.family_name) == ("Captain", "Annie", "Kim")
        assert ana.meta.version != stale
        same = self.scim.query(ana)
        assert same is ana, "304: what the client has is what there is"
        ana.meta.version = stale
        is_error(self.scim.replace(ana, raise_scim_errors=False), 412)
        bo = self.patch("User", self.users["bo"], ("replace", f"{ENTERPRISE}:department", "Sales"), ("add", "title", "Mate"))
        assert (bo[ENTERPRISE].department, bo.title, bo[ENTERPRISE].employee_number) == ("Sales", "Mate", "2")
        renamed = f"Engineers of {self.domain}"
        self.patch("Group", self.groups["Engineering"], ("replace", "displayName", renamed))
        assert self.scim.query(self.group, self.groups["Engineering"].id).display_name == renamed

    def patch(self, kind, resource, *operations):
        model = self.user if kind == "User" else self.group
        listed = [PatchOperation[model](op=op, path=path, value=value) for op, path, value in operations]
        return self.scim.modify(model, resource.id, PatchOp[model](operations=listed))

    def move(self):
        """In and out of a group, one at a time and none of the others."""
        carl, bo = self.users["carl"].id, self.users["bo"].id
        self.patch("Group", self.groups["Engineering"], ("add", "members", [{"value": carl}]))
        assert self.members("Engineering") == {"ana", "bo", "carl"}
        self.patch("Group", self.groups["Engineering"], ("remove", f'members[value eq "{bo}"]', None))
        assert self.members("Engineering") == {"ana", "carl"}
        assert self.groups_of("bo") == {"Everybody"} and self.groups_of("carl") == {"Engineering", "Everybody"}

    def deactivate(self):
        """The person stays where they were, and comes back there."""
        ana = self.patch("User", self.users["ana"], ("replace", "active", False))
        assert ana.active is False
        found = self.scim.query(self.user, query_parameters=SearchRequest(filter="active eq false"))
        assert [user.id for user in found.resources] == [ana.id]
        assert self.members("Engineering") == {"ana", "carl"}
        assert self.patch("User", self.users["ana"], ("replace", "active", True)).active is True

    def delete(self):
        for person in PEOPLE:
            user = self.users[person]
            self.scim.delete(self.user, user.id)
            is_error(self.scim.query(self.user, user.id, raise_scim_errors=False), 404)
        assert self.members("Everybody") == set()
        for group in self.groups.values():
            self.scim.delete(self.group, group.id)
            is_error(self.scim.query(self.group, group.id, raise_scim_errors=False), 404)
        assert self.scim.search(SearchRequest(count=0)).total_results == 0


def main():
    directory = Directory(required("SCIM_URL"), required("SCIM_TOKEN"), required("DOMAIN"))
    step("the server says what it can and what its resources are", directory.discover)
    step("three people are pushed, none twice", directory.push_people)
    step("two groups are pushed with their members", directory.push_groups)
    step("people and groups are found", directory.find)
    pages = step("pages follow each other by index and by cursor", directory.page)
    step("people and groups change, and no change is lost", directory.update)
    step("people move between groups", directory.move)
    step("a person is deactivated and comes back", directory.deactivate)
    step("people and groups are deleted", directory.delete)
    users, groups = len(directory.users), len(directory.groups)
    print(json.dumps({"client": "scim2-client", "users": users, "groups": groups, "pages": pages}))


if __name__ == "__main__":
    main()
