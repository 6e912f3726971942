//! The apply file's tables and checks.

use std::collections::BTreeMap;

use super::*;
use crate::domain::access::{Role, Scope};
use crate::domain::keys::Alg;
use crate::domain::oauth::application::{ApplicationState, AuthMethod, GrantType};
use crate::kernel::id::{ApplicationId, ProjectId};

const WORLD: &str = r#"
[[organisation]]
slug = "acme"
name = "Acme"
policy = "standing"
owner = "olivia"
  [[organisation.project]]
  key = "web"
  name = "Web shop"
  [[organisation.person]]
  user_name = "olivia"
  email = "olivia@acme.test"
  [[organisation.person]]
  user_name = "ana"
  name = "Ana Kim"
  nickname = ""
  email = "ana@acme.test"
  phone = "+82 2 1234 5678"
  phone_verified = true
  password_hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"
  address = { country = "KR" }
  state = "suspended"
  roles = ["org.reader", "project.admin:web", "release-manager:*"]
  [[organisation.group]]
  name = "Web team"
  members = ["ana"]
  roles = ["project.member:web"]
  [[organisation.role]]
  key = "release-manager"
  name = "Release manager"
  permissions = ["project.read"]
  [[organisation.binding]]
  group = "Web team"
  role = "billing.viewer"
  not_before = "2026-01-01T00:00:00Z"
  not_after = "2027-01-01T09:00:00+09:00"
[[application]]
client_id = "shop"
name = "Shop"
organisation = "acme"
redirect_uris = ["http://127.0.0.1:9000/callback"]
[[application]]
client_id = "machine"
name = "Machine"
"#;

/// The reasons why a changed world is refused.
fn refused(from: &str, to: &str) -> Vec<String> {
    assert!(WORLD.contains(from), "{from}");
    match ApplyFile::parse(&WORLD.replacen(from, to, 1)) {
        Err(FileError::Faults(faults)) => faults.iter().map(ToString::to_string).collect(),
        Err(FileError::Syntax(error)) => vec![error.message().to_owned()],
        Ok(_) => Vec::new(),
    }
}

#[test]
fn a_whole_file_is_read_and_absent_keys_have_their_defaults() {
    let file = ApplyFile::parse(WORLD).expect("a good file");
    let acme = &file.organisations[0];
    assert_eq!((acme.policy, acme.prune, acme.owner.as_deref()), (Some(Policy::Standing), false, Some("olivia")));
    let window = acme.bindings[0].window();
    assert_eq!((window.not_before, window.not_after), (UnixMillis(1_767_225_600_000), UnixMillis(1_798_761_600_000)));
    let profile = acme.people[1].standard_claims(7);
    assert_eq!(profile.preferred_username.as_deref(), Some("ana"));
    assert_eq!(profile.phone_number.as_deref(), Some("+82 2 1234 5678"));
    assert_eq!((profile.nickname, profile.updated_at, profile.email_verified), (None, 7, false));
    assert_eq!((acme.people[0].state, acme.people[1].state), (None, Some(PersonState::Suspended)));
}

#[test]
fn an_application_that_says_little_is_confidential_with_pkce_and_every_scope() {
    let file = ApplyFile::parse(WORLD).expect("a good file");
    let built = |table: &ApplicationTable| {
        table.registration(ApplicationId::from_u128(1), None, ApplicationState::Active, vec![])
    };
    let shop = built(&file.applications[0]);
    assert_eq!(shop.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
    assert_eq!((shop.id_token_alg, shop.access_token_alg, shop.claims_budget), (Alg::Rs256, Alg::Es256, 4096));
    assert_eq!(shop.auth_method, AuthMethod::ClientSecretBasic);
    assert!(shop.require_pkce && shop.roles_in_id_token && !shop.trusted && !shop.allow_no_org);
    assert_eq!(shop.scopes.len(), 8);
    assert_eq!(built(&file.applications[1]).grant_types, [GrantType::ClientCredentials]);
}

#[test]
fn a_key_that_nobody_knows_is_refused_rather_than_passed_over() {
    for (from, to) in [
        ("policy =", "polcy ="),
        ("nickname =", "nick_name ="),
        ("country =", "land ="),
        ("name = \"Shop\"", "name = \"Shop\"\nredirect_uri = \"x\""),
    ] {
        assert!(refused(from, to).concat().contains("unknown field"), "{to}");
    }
    assert!(refused("\"suspended\"", "\"deleted\"").concat().contains("unknown variant"));
    assert!(refused("2026-01-01T00:00:00Z", "tomorrow").concat().contains("\"tomorrow\" is no moment"));
}

#[test]
fn names_that_stand_twice_are_named_with_their_table() {
    let again = |table: &str| format!("{WORLD}\n{table}");
    let faults = |text: &str| ApplyFile::parse(text).map(|_| ()).expect_err("a doubled name").to_string();
    assert!(
        faults(&again("[[application]]\nclient_id = \"shop\"\nname = \"S\""))
            .contains("application: client_id \"shop\" stands twice")
    );
    assert!(
        faults(&again("[[organisation]]\nslug = \"acme\"\nname = \"A\"\nowner = \"o\""))
            .contains("organisation: slug \"acme\" stands twice")
    );
    let second = |table: &str| refused("[[organisation.role]]", &format!("{table}\n  [[organisation.role]]"));
    assert_eq!(
        second("[[organisation.group]]\nname = \"WEB TEAM\""),
        ["organisation \"acme\", group: name \"WEB TEAM\" stands twice"]
    );
    assert_eq!(
        second("[[organisation.project]]\nkey = \"web\"\nname = \"W\""),
        ["organisation \"acme\", project: key \"web\" stands twice"]
    );
    assert_eq!(
        second("[[organisation.person]]\nuser_name = \"Ana\""),
        ["organisation \"acme\", person: user_name \"Ana\" stands twice"]
    );
}

#[test]
fn an_identifier_belongs_to_one_person() {
    let found = refused("\"olivia@acme.test\"", "\"ANA@acme.test\"");
    assert_eq!(
        found,
        ["organisation \"acme\", person \"ana\": email \"ana@acme.test\" identifies person \"olivia\" too"]
    );
}

#[test]
fn an_organisation_has_one_owner_who_is_one_of_its_people() {
    assert_eq!(
        refused("owner = \"olivia\"", "owner = \"bo\""),
        ["organisation \"acme\": owner \"bo\" is none of its people"]
    );
    assert!(refused("\"org.reader\"", "\"org.owner\"").concat().contains("an organisation has one owner"));
    assert!(refused("owner = \"olivia\"", "owner = \"olivia\"\nowner = \"ana\"").concat().contains("duplicate key"));
}

#[test]
fn a_role_that_is_none_or_stands_in_the_wrong_place_is_named() {
    assert_eq!(
        refused("\"org.reader\"", "\"org.redaer\""),
        ["organisation \"acme\", person \"ana\": roles: \"org.redaer\" is no role"]
    );
    assert!(refused("\"project.admin:web\"", "\"project.admin\"").concat().contains("needs a project"));
    assert!(refused("\"org.reader\"", "\"org.reader:web\"").concat().contains("is held on the organisation"));
    assert!(refused("\"billing.viewer\"", "\"billing viewer\"").concat().contains("binding \"billing viewer\""));
    assert!(
        refused("[\"project.read\"]", "[\"project.raed\"]")
            .concat()
            .contains("\"project.raed\" is not in the catalogue")
    );
}

#[test]
fn a_role_word_finds_its_project_or_says_which_is_missing() {
    let projects = BTreeMap::from([("web".to_owned(), ProjectId::from_u128(1))]);
    let scope = |text: &str| text.parse::<RoleWord>().and_then(|word| word.scope(&projects));
    assert_eq!(scope("project.member:web"), Ok(Scope::Project(ProjectId::from_u128(1))));
    assert_eq!(scope("project.member:*"), Ok(Scope::AllProjects));
    assert_eq!(scope("org.reader"), Ok(Scope::Org));
    assert_eq!(scope("project.member:wbe"), Err("\"project.member:wbe\": there is no project \"wbe\"".to_owned()));
    let own = "clerk".parse::<RoleWord>().map(|word| word.role);
    assert_eq!(own, Ok(Role::Own("clerk".to_owned())));
}

#[test]
fn a_binding_has_one_holder_and_a_window() {
    assert!(
        refused("group = \"Web team\"", "group = \"Web team\"\nperson = \"ana\"")
            .concat()
            .contains("either a group or a person")
    );
    assert!(refused("not_after = \"2027", "not_after = \"2025").concat().contains("not_after must lie after"));
    let open = refused("not_before = \"2026-01-01T00:00:00Z\"\n  not_after = \"2027-01-01T09:00:00+09:00\"", "");
    assert!(open.concat().contains("belongs into the roles"));
}

#[test]
fn passwords_and_secrets_come_from_one_place_and_never_print() {
    assert!(refused("state =", "password_env = \"X\"\n  state =").concat().contains("can't both be given"));
    assert!(refused("$argon2id$", "$2b$").concat().contains("password_hash: this hash is damaged"));
    assert!(refused("$argon2id$", "md5$").concat().contains("password_hash: this is no hash that Muster knows"));
    let bcrypt = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";
    assert!(refused("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g", bcrypt).is_empty());
    let public = refused("organisation = \"acme\"", "secret_env = \"S\"\nauth_method = \"none\"");
    assert_eq!(public, ["application \"shop\": secret_env: none has no secret"]);
    let printed = format!("{:?}", ApplyFile::parse(WORLD).expect("a good file"));
    assert!(!printed.contains("argon2id"));
}

#[test]
fn a_registration_that_would_be_refused_is_refused_by_name() {
    let found = refused("http://127.0.0.1:9000/callback", "javascript:alert(1)");
    assert!(found.concat().starts_with("application \"shop\": redirect_uris:"), "{found:?}");
}

/// A file that uses everything that a file can say, spelled as an export spells it.
const ALL: &str = include_str!("../../../tests/it/operating/whole.toml");

#[test]
fn a_file_that_is_written_reads_back_and_is_written_alike() {
    let file = ApplyFile::parse(ALL).unwrap_or_else(|error| panic!("{error}"));
    let text = file.to_text();
    let again = ApplyFile::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(again.to_text(), text);
    assert_eq!(text, ALL);
}

#[test]
fn no_text_breaks_out_of_its_place_when_it_is_written() {
    let mut file = ApplyFile::parse(WORLD).expect("a good file");
    for nasty in ["\"]\n[[organisation]]", "'''", "\\", "a\u{1}b", "\"\"\"", "Zoë \u{202e}", "a\r\nb"] {
        nasty.clone_into(&mut file.organisations[0].name);
        file.organisations[0].groups[0].members = vec![nasty.to_owned()];
        let read: ApplyFile = toml::from_str(&file.to_text()).unwrap_or_else(|error| panic!("{nasty:?}: {error}"));
        assert_eq!(read.organisations[0].name, nasty);
        assert_eq!(read.organisations[0].groups[0].members, [nasty]);
        assert_eq!(read.organisations.len(), 1);
    }
}

#[test]
fn settings_are_exact_and_an_absent_table_is_none() {
    let file = ApplyFile::parse(ALL).expect("a good file");
    let table = file.organisations[0].settings.as_ref().expect("it has settings");
    assert_eq!((table.max_sessions, table.default_project.as_deref()), (Some(5), Some("web")));
    assert!(table.settings(None).faults().is_empty());
    let none = ALL.replace("max_sessions = 5", "max_sessions = 0");
    let faults = ApplyFile::parse(&none).map(|_| ()).expect_err("no session at all").to_string();
    assert!(faults.contains("organisation \"acme\", settings: max_sessions:"), "{faults}");
    assert!(ApplyFile::parse(WORLD).expect("a good file").organisations[0].settings.is_none());
    let short = ALL.replace("min_length = 14", "min_length = 5");
    let faults = ApplyFile::parse(&short).map(|_| ()).expect_err("too short").to_string();
    assert!(faults.contains("organisation \"acme\", settings: passwords.min_length:"), "{faults}");
    let empty: SettingsTable = toml::from_str("").expect("an empty table");
    assert_eq!(empty.settings(None), crate::domain::settings::OrgSettings::default());
}

#[test]
fn service_accounts_bundles_and_alerts_are_checked() {
    let faults = |from: &str, to: &str| {
        assert!(ALL.contains(from), "{from}");
        ApplyFile::parse(&ALL.replacen(from, to, 1)).map(|_| ()).expect_err(to).to_string()
    };
    assert!(faults("webhook = ", "mail = []\n  webhook = ").contains("either mail or webhook"));
    assert!(faults("\"group.*\"", "\"groups.*\"").contains("\"groups.*\" is no kind of event"));
    let key = "access_type = \"key\"";
    assert!(faults(key, &format!("{key}\n  password_env = \"X\"")).contains("has no password"));
    let tool = "service_account = \"web/deploy\"";
    assert!(faults(tool, &format!("{tool}\n  person = \"ana\"")).contains("either a group or a person"));
    assert!(faults("name = \"build\"", "name = \"deploy\"").contains("\"web/deploy\" stands twice"));
    let bundle = "[\"org.reader\", \"project.member:web\", \"release-manager:*\"]";
    assert!(faults(bundle, "[]").contains("roles: name one at least"));
}
