//! A sign-in's set-up as a form: what is typed becomes the domain's settings, and settings become what stands in the
//! fields.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::federation::preset::GOOGLE_ISSUER;
use crate::domain::federation::settings::{ClaimNames, Core, Signals, Unfit};
use crate::domain::federation::{ClientAuth, Preset, SignInSettings};
use crate::flows::federation::set_up::{LONGEST_SECRET, is_secret};
use crate::kernel::secret::Secret;
use crate::web::pages::admin::form::Form;
use crate::web::pages::admin::wording::sentence;
use crate::web::pages::view::admin::{Choice, Errors};
use crate::web::pages::view::identity_providers::{FormPart, SelectField, TextField, TickField, Typed};
use crate::web::pages::view::person::Fact;

/// The secrets that were typed: the client secret, and the token for fetching events.
pub type Secrets = (Option<Secret>, Option<Secret>);

/// The field that a word of the domain's, or of the door's, is about.
pub fn field(word: &str) -> &'static str {
    match word {
        "core.issuer" | "issuer" => "issuer",
        "core.client_id" => "client_id",
        "client_auth" => "client_auth",
        "client_secret" => "client_secret",
        "scopes" => "scopes",
        "claims.user_name" => "claim_user_name",
        "claims.name" => "claim_name",
        "claims.given_name" => "claim_given_name",
        "claims.family_name" => "claim_family_name",
        "claims.email" => "claim_email",
        "claims.phone_number" => "claim_phone_number",
        "claims.groups" => "claim_groups",
        "scim_claim" => "scim_claim",
        "acr" => "acr",
        "trusted_acr" => "trusted_acr",
        "trusted_amr" => "trusted_amr",
        "signals.issuer" => "events_issuer",
        "signals.audience" => "events_audience",
        "signals.poll_url" => "poll_url",
        "poll_token" => "poll_token",
        _ => "preset",
    }
}

/// What a set-up begins from: what is usual for the kind of provider, with what was typed of who it is.
///
/// # Errors
/// No kind of provider was chosen, or no way to authenticate.
pub fn begun(form: &Form) -> Result<SignInSettings, Errors> {
    let wrong = |field: &str, text: &str| Errors::one(field, text);
    let preset = match form.sent("preset") {
        "" => Preset::Generic,
        word => word.parse::<Preset>().map_err(|_| wrong("preset", "Choose the kind of provider."))?,
    };
    let client_auth = match form.sent("client_auth") {
        "" => ClientAuth::SecretBasic,
        word => word.parse::<ClientAuth>().map_err(|_| wrong("client_auth", "Choose how Muster says who it is."))?,
    };
    let issuer = match (form.given("issuer"), preset) {
        (Some(issuer), _) => issuer,
        (None, Preset::Google) => GOOGLE_ISSUER.to_owned(),
        (None, Preset::Okta | Preset::Entra | Preset::Keycloak | Preset::Generic) => String::new(),
    };
    let core = Core { issuer, client_id: form.text("client_id").to_owned(), client_auth };
    Ok(SignInSettings::begun_from(preset, core))
}

/// The set-up that is meant, but for secrets. A name that was left empty is as it usually is.
///
/// # Errors
/// What can't be meant so.
pub fn read(form: &Form) -> Result<SignInSettings, Errors> {
    let usual = begun(form)?;
    if usual.core.issuer.is_empty() {
        let text = format!("Say who the provider is; it looks like {}.", usual.preset.issuer_hint());
        return Err(Errors::one("issuer", text));
    }
    let name = |field: &str, usual: String| form.given(field).unwrap_or(usual);
    let user_name: Vec<String> = lines(form.sent("claim_user_name")).map(str::to_owned).collect();
    let claims = ClaimNames {
        user_name: if user_name.is_empty() { usual.claims.user_name } else { user_name },
        name: name("claim_name", usual.claims.name),
        given_name: name("claim_given_name", usual.claims.given_name),
        family_name: name("claim_family_name", usual.claims.family_name),
        email: name("claim_email", usual.claims.email),
        phone_number: name("claim_phone_number", usual.claims.phone_number),
        groups: name("claim_groups", usual.claims.groups),
    };
    let mut scopes: BTreeSet<String> = form.sent("scopes").split_whitespace().map(str::to_owned).collect();
    if scopes.is_empty() {
        scopes = usual.scopes;
    }
    scopes.insert("openid".to_owned());
    let signals = Signals {
        issuer: form.given("events_issuer"),
        audience: form.given("events_audience"),
        poll_url: form.given("poll_url"),
        global_token_revocation: form.has("revocation"),
    };
    let settings = SignInSettings {
        preset: usual.preset,
        core: usual.core,
        scopes,
        claims,
        userinfo: form.has("userinfo"),
        provision: form.has("provision"),
        scim_claim: form.given("scim_claim"),
        acr: levels(form.sent("acr"))?,
        amr: form.has("amr"),
        trusted_acr: words(form.sent("trusted_acr")),
        trusted_amr: words(form.sent("trusted_amr")),
        signals,
    };
    let unfit = |Unfit { field: word, reason }| Errors::one(field(word), sentence(&reason));
    settings.check().map_err(unfit)?;
    Ok(settings)
}

/// The lines of a field, without those that are empty.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// The words of a field, wherever its lines end.
fn words(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// What the provider's `acr` values mean here: one of theirs and one of ours a line.
fn levels(text: &str) -> Result<BTreeMap<String, String>, Errors> {
    let mut levels = BTreeMap::new();
    for line in lines(text) {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(theirs), Some(ours), None) => levels.insert(theirs.to_owned(), ours.to_owned()),
            _ => {
                return Err(Errors::one(
                    "acr",
                    "Write the provider's value and ours on each line, with a space between.",
                ));
            }
        };
    }
    Ok(levels)
}

/// The secrets that were typed; one that stayed empty stays as it is.
///
/// # Errors
/// One that nothing makes use of, or that is none.
pub fn secrets(form: &Form, settings: &SignInSettings) -> Result<Secrets, Errors> {
    let by_secret = matches!(settings.core.client_auth, ClientAuth::SecretBasic | ClientAuth::SecretPost);
    let polls = settings.signals.poll_url.is_some();
    Ok((secret(form, "client_secret", by_secret)?, secret(form, "poll_token", polls)?))
}

fn secret(form: &Form, field: &str, is_used: bool) -> Result<Option<Secret>, Errors> {
    let Some(text) = form.given(field) else { return Ok(None) };
    if !is_used {
        return Err(Errors::one(field, "Nothing here makes use of it; leave it empty."));
    }
    if !is_secret(&text) {
        let reason = format!("Give it as the provider did: 1 to {LONGEST_SECRET} characters.");
        return Err(Errors::one(field, reason));
    }
    Ok(Some(Secret::presented(text)))
}

/// What stands in the fields for a set-up.
#[must_use]
pub fn of(settings: &SignInSettings) -> Form {
    let SignInSettings { preset, core, scopes, claims, userinfo, provision, scim_claim, acr, .. } = settings;
    let SignInSettings { amr, signals, trusted_acr, trusted_amr, .. } = settings;
    let several = |words: &BTreeSet<String>| words.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
    let text = |given: &Option<String>| given.clone().unwrap_or_default();
    let acr: Vec<String> = acr.iter().map(|(theirs, ours)| format!("{theirs} {ours}")).collect();
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let pairs = [
        ("preset", preset.as_str().to_owned()),
        ("issuer", core.issuer.clone()),
        ("client_id", core.client_id.clone()),
        ("client_auth", core.client_auth.as_str().to_owned()),
        ("scopes", scopes.join(" ")),
        ("claim_user_name", claims.user_name.join("\n")),
        ("claim_name", claims.name.clone()),
        ("claim_given_name", claims.given_name.clone()),
        ("claim_family_name", claims.family_name.clone()),
        ("claim_email", claims.email.clone()),
        ("claim_phone_number", claims.phone_number.clone()),
        ("claim_groups", claims.groups.clone()),
        ("scim_claim", text(scim_claim)),
        ("acr", acr.join("\n")),
        ("trusted_acr", several(trusted_acr)),
        ("trusted_amr", several(trusted_amr)),
        ("events_issuer", text(&signals.issuer)),
        ("events_audience", text(&signals.audience)),
        ("poll_url", text(&signals.poll_url)),
    ];
    let ticks = [
        ("userinfo", *userinfo),
        ("provision", *provision),
        ("amr", *amr),
        ("revocation", signals.global_token_revocation),
    ];
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs.iter().map(|(name, value)| (*name, value.as_str())));
    query.extend_pairs(ticks.iter().filter(|(_, ticked)| *ticked).map(|(name, _)| (*name, "1")));
    Form::parse(query.finish().as_bytes()).unwrap_or_default()
}

fn line(form: &Form, id: &'static str, label: &'static str, hint: &'static str) -> TextField {
    TextField { id, label, hint, value: form.sent(id).to_owned(), typed: Typed::Line }
}

fn tick(form: &Form, id: &'static str, label: &'static str, hint: &'static str) -> TickField {
    TickField { id, label, hint, ticked: form.has(id) }
}

/// The parts of the form, with what stands in it. Secrets never do.
#[must_use]
pub fn parts(form: &Form, has_secret: bool) -> Vec<FormPart> {
    vec![who(form, has_secret), what(form), claims(form), ends(form)]
}

fn who(form: &Form, has_secret: bool) -> FormPart {
    let choice = |value: &'static str, label: &str, chosen: &str| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        chosen: value == chosen,
    };
    let preset = Some(form.sent("preset")).filter(|word| !word.is_empty()).unwrap_or(Preset::Generic.as_str());
    let presets = Preset::ALL.iter().map(|one| choice(one.as_str(), one.label(), preset)).collect();
    let way = |one: &ClientAuth| match one {
        ClientAuth::SecretBasic => "Secret in the header (client_secret_basic)",
        ClientAuth::SecretPost => "Secret in the body (client_secret_post)",
        ClientAuth::PrivateKeyJwt => "Signed with a key of its own (private_key_jwt)",
        ClientAuth::None => "Not at all: a public client (none)",
    };
    let auth = form.sent("client_auth");
    let ways = ClientAuth::ALL.iter().map(|one| choice(one.as_str(), way(one), auth)).collect();
    let kept = if has_secret {
        "One is kept, and never shown. Type another to replace it; for another issuer one is needed."
    } else {
        "As the provider gave it. It is sealed, and never shown again."
    };
    let secret = TextField {
        id: "client_secret",
        label: "Client secret",
        hint: kept,
        value: String::new(),
        typed: Typed::Secret,
    };
    FormPart {
        id: "who",
        title: "The provider",
        selects: vec![
            SelectField { id: "preset", label: "Kind", hint: "What is usual follows from it.", choices: presets },
            SelectField {
                id: "client_auth",
                label: "How Muster says who it is",
                hint: "With a key, Muster makes one; its address stands above once this is saved.",
                choices: ways,
            },
        ],
        texts: vec![
            line(
                form,
                "issuer",
                "Issuer",
                "Exactly as in the provider's tokens, slash for slash. It is read on the spot.",
            ),
            line(form, "client_id", "Client id", "As the provider gave it."),
            secret,
        ],
        ticks: Vec::new(),
    }
}

fn what(form: &Form) -> FormPart {
    FormPart {
        id: "what",
        title: "Who comes in",
        selects: Vec::new(),
        texts: vec![
            line(form, "scopes", "Scopes", "With spaces between; openid is asked for in any case."),
            line(
                form,
                "scim_claim",
                "Claim that is the SCIM external id (optional)",
                "By it accounts are recognised that the same connection pushes.",
            ),
            TextField {
                id: "acr",
                label: "What its levels (acr) mean here (optional)",
                hint: "The provider's value and ours, one pair a line, with a space between.",
                value: form.sent("acr").to_owned(),
                typed: Typed::Lines,
            },
            TextField {
                id: "trusted_acr",
                label: "Levels (acr) that mean a second factor (optional)",
                hint: "Whoever comes with one of the provider's values need show no factor here. One a line.",
                value: form.sent("trusted_acr").to_owned(),
                typed: Typed::Lines,
            },
            TextField {
                id: "trusted_amr",
                label: "Means (amr) that are a second factor (optional)",
                hint: "For example mfa, or hwk. One a line.",
                value: form.sent("trusted_amr").to_owned(),
                typed: Typed::Lines,
            },
        ],
        ticks: vec![
            tick(
                form,
                "provision",
                "Somebody unknown gets an account",
                "At the first sign-in. Otherwise only who is known already comes in.",
            ),
            tick(form, "userinfo", "Ask userinfo", "For what the ID token lacks."),
            tick(form, "amr", "Tell its means (amr) on", "Applications hear how somebody signed in there."),
        ],
    }
}

fn claims(form: &Form) -> FormPart {
    let name = |id, label| line(form, id, label, "The claim's name; a dot leads into an object.");
    FormPart {
        id: "claims",
        title: "Names of claims",
        selects: Vec::new(),
        texts: vec![
            TextField {
                id: "claim_user_name",
                label: "User name",
                hint: "One claim a line; the first that is there is taken.",
                value: form.sent("claim_user_name").to_owned(),
                typed: Typed::Lines,
            },
            name("claim_name", "Whole name"),
            name("claim_given_name", "First name"),
            name("claim_family_name", "Surname"),
            name("claim_email", "E-mail address"),
            name("claim_phone_number", "Phone number"),
            name("claim_groups", "Groups"),
        ],
        ticks: Vec::new(),
    }
}

fn ends(form: &Form) -> FormPart {
    let token = TextField {
        id: "poll_token",
        label: "Token for fetching events (optional)",
        hint: "Left empty, the one that is kept stays, as long as the address does.",
        value: String::new(),
        typed: Typed::Secret,
    };
    FormPart {
        id: "ends",
        title: "How it says that something is over",
        selects: Vec::new(),
        texts: vec![
            line(form, "events_issuer", "Issuer of security events (optional)", "Without one, no events are heard."),
            line(form, "events_audience", "Audience of events (optional)", "Without one, the events address."),
            line(form, "poll_url", "Address where events are fetched (optional)", "Without one, they are pushed."),
            token,
        ],
        ticks: vec![tick(
            form,
            "revocation",
            "Honour Okta's Universal Logout",
            "Back-channel logout is heard in any case.",
        )],
    }
}

/// The set-up for whoever may only read it.
#[must_use]
pub fn facts(form: &Form, has_secret: bool) -> Vec<Fact> {
    let shown = |text: &str| if text.is_empty() { "None".to_owned() } else { text.replace('\n', ", ") };
    let mut facts = Vec::new();
    for part in parts(form, has_secret) {
        for select in part.selects {
            let chosen = select.choices.iter().find(|choice| choice.chosen).map_or("", |choice| choice.label.as_str());
            facts.push(Fact { name: select.label, value: shown(chosen) });
        }
        for text in part.texts.into_iter().filter(|text| text.typed != Typed::Secret) {
            facts.push(Fact { name: text.label, value: shown(&text.value) });
        }
        for tick in part.ticks {
            let value = if tick.ticked { "Yes" } else { "No" };
            facts.push(Fact { name: tick.label, value: value.to_owned() });
        }
    }
    let value = if has_secret { "Kept, and never shown" } else { "None" };
    facts.push(Fact { name: "Client secret", value: value.to_owned() });
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_set_up_stands_in_the_fields_and_is_read_back_as_it_was() {
        let core = Core {
            issuer: "https://acme.okta.com".to_owned(),
            client_id: "m".to_owned(),
            client_auth: ClientAuth::SecretPost,
        };
        let mut settings = SignInSettings::begun_from(Preset::Okta, core);
        assert_eq!(read(&of(&settings)).unwrap(), settings);
        settings.acr.insert("phr".to_owned(), "urn:x".to_owned());
        settings.scim_claim = None;
        settings.amr = true;
        settings.trusted_acr.insert("phr".to_owned());
        settings.trusted_amr.extend(["mfa", "hwk"].map(str::to_owned));
        settings.userinfo = false;
        settings.claims.user_name = vec!["upn".to_owned(), "email".to_owned()];
        settings.claims.groups = "realm_access.roles".to_owned();
        settings.signals = Signals {
            issuer: Some("https://acme.okta.com".to_owned()),
            audience: Some("https://x.test".to_owned()),
            poll_url: Some("https://acme.okta.com/poll".to_owned()),
            global_token_revocation: true,
        };
        assert_eq!(read(&of(&settings)).unwrap(), settings);
    }

    #[test]
    fn what_cannot_be_meant_so_is_said_at_its_field() {
        let wrong = |text: &str| read(&form(text)).unwrap_err().list()[0].field.clone();
        assert_eq!(wrong("preset=okta&client_id=m"), "issuer");
        assert_eq!(wrong("preset=auth0"), "preset");
        assert_eq!(wrong("issuer=http%3A%2F%2Fidp.example&client_id=m"), "issuer");
        let with = |more: &str| wrong(&format!("issuer=https%3A%2F%2Fidp.example&client_id=m&{more}"));
        assert_eq!((with("acr=one"), with("claim_groups=sub")), ("acr".to_owned(), "claim_groups".to_owned()));
        assert_eq!(
            (with("client_auth=tls"), with("poll_url=x")),
            ("client_auth".to_owned(), "events_issuer".to_owned())
        );
        let google = read(&form("preset=google&client_id=m&provision=1")).unwrap();
        assert_eq!((google.core.issuer.as_str(), google.provision, google.userinfo), (GOOGLE_ISSUER, true, false));
    }

    #[test]
    fn a_secret_is_taken_where_it_is_used_and_never_stands_in_a_field() {
        let of = |text: &str| {
            let form = form(&format!("issuer=https%3A%2F%2Fidp.example&client_id=m&{text}"));
            let settings = read(&form).unwrap();
            secrets(&form, &settings).map(|(client, _)| client.is_some())
        };
        assert!(of("client_secret=s").unwrap() && !of("client_secret=").unwrap());
        assert!(of("client_secret=s&client_auth=none").is_err() && of("poll_token=t").is_err());
        let shown = parts(&form("client_secret=hush&poll_token=hush"), true);
        assert!(shown.iter().flat_map(|part| &part.texts).all(|text| text.value != "hush"));
        assert!(facts(&form("client_secret=hush"), true).iter().all(|fact| fact.value != "hush"));
    }
}
