//! The vocabulary of changes: every mutation that can alter who may do what, and what the door answers.
//!
//! Whoever asks (a page, an API, the command line, a sweep) says it in these words.

mod actor;
mod receipt;

use std::collections::BTreeSet;

pub use self::actor::{Actor, Mode, Origin, Tool};
pub use self::receipt::{Ended, MemberReceipt, Receipt, Told};
use super::access::{Binding, Policy, Role, Scope};
use super::alert::Rule;
use super::connection::{ConnectionState, NewConnection, NewScimCredential};
use super::federation::{CameThrough, Ended as EndedUpstream, Mapping, NewSignIn, Stage, Upstream};
use super::language::Language;
use super::mail::NewLink;
use super::oauth::application::Application;
use super::oidc::claims::Profile;
use super::people::factor::{NewFactor, Which};
use super::people::invitation::Access;
use super::people::user::{AccessType, Kind, MembershipState, OrgState, UserState};
use super::settings::OrgSettings;
use super::source::Source;
use crate::kernel::id::{
    AccessKeyId, AdoptionId, AlertId, ApplicationId, BindingId, BundleId, ConnectionId, DomainId, EntryId, GroupId,
    IdentityId, InvitationId, MembershipId, OrgId, PasskeyId, ProjectId, RoleId, ScimCredentialId, SessionId, UserId,
};
use crate::kernel::secret::Digest;
use crate::kernel::time::UnixMillis;

/// A new account. Its identifiers must be free in its realm.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Its id, minted by the caller; the `sub` claim.
    pub id: UserId,
    /// Whose it is.
    pub kind: Kind,
    /// User name as typed.
    pub user_name: String,
    /// The standard claims, e-mail and phone among them.
    pub profile: Profile,
    /// Its first state.
    pub state: UserState,
    /// Where it comes from.
    pub source: Source,
    /// Its password as a PHC string, if it has one.
    pub password: Option<String>,
    /// Whether the password must be changed at the next sign-in, before any token.
    pub must_change: bool,
}

/// A new invitation.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    /// Its id, minted by the caller.
    pub id: InvitationId,
    /// Into which organisation.
    pub org: OrgId,
    /// Whom: the address that the mail goes to, and that whoever accepts must have.
    pub email: String,
    /// The whole name, as shown.
    pub name: String,
    /// First name; may be empty.
    pub given_name: String,
    /// Surname; may be empty.
    pub family_name: String,
    /// What the person becomes.
    pub access: Access,
    /// The language of its mails.
    pub language: Language,
    /// The link, and the mail that carries it.
    pub link: NewLink,
}

/// How somebody shows that an invitation is theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented {
    /// By the mailed link.
    Link(Digest),
    /// By being signed in with an own account whose verified address is the invited one.
    Account,
}

/// A new access key. Its secret is shown to whoever asked for it, once.
#[derive(Clone, Debug)]
pub struct NewAccessKey {
    /// Its id, minted by the caller.
    pub id: AccessKeyId,
    /// Whose: a member, or a service account's membership.
    pub member: MembershipId,
    /// The project that it is for.
    pub project: ProjectId,
    /// What people call it.
    pub name: String,
    /// The secret's digest.
    pub secret: Digest,
    /// When it ends; at most 365 days ahead.
    pub expires_at: UnixMillis,
}

/// A rule of alerts, new or instead of the one before.
#[derive(Clone, Debug)]
pub struct NewAlert {
    /// Its id.
    pub id: AlertId,
    /// What people call it.
    pub name: String,
    /// Whether it tells.
    pub active: bool,
    /// Which events, and how.
    pub rule: Rule,
    /// The webhook's signing secret, sealed and bound to the id; `None` keeps the one that is there.
    pub sealed: Option<Vec<u8>>,
}

/// What a connection says of an account that it owns: the row beside the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserResource {
    /// `externalId`.
    pub external_id: Option<String>,
    /// The user name, prepared for comparing.
    pub user_name_key: String,
    /// What upstream says.
    pub active: bool,
    /// The attributes in canonical form, as JSON, without id, meta, groups and password.
    pub attributes: String,
    /// The e-mail addresses: their types in lower case (empty where none was said), and their keys.
    pub emails: BTreeSet<(String, String)>,
}

/// An account that a connection makes, takes over or changes.
#[derive(Clone, Debug)]
pub struct Provisioned {
    /// User name as sent.
    pub user_name: String,
    /// The standard claims that follow from what was sent.
    pub profile: Profile,
    /// The rest.
    pub resource: UserResource,
}

/// What a connection says of a group that it owns: the row beside the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupResource {
    /// `displayName`: 1 to 256 characters.
    pub name: String,
    /// `externalId`.
    pub external_id: Option<String>,
    /// The attributes in canonical form, as JSON, without id, meta and members.
    pub attributes: String,
}

/// What an administrator decides of an account that stands in a connection's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdoptionDecision {
    /// The connection takes it over.
    Adopt,
    /// It stays as it is, and is not asked for again.
    KeepApart,
    /// It stays as it is; the next push asks again.
    Reject,
}

/// One mutation. Ids of new things are minted by the caller, so that later changes of one batch can name them.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are the words of the sentence above each variant")]
pub enum Change {
    /// Makes an organisation without an owner.
    CreateOrg { org: OrgId, slug: String, name: String, policy: Policy },
    /// Renames an organisation.
    RenameOrg { org: OrgId, name: String },
    /// Sets an organisation's rule for losses.
    SetPolicy { org: OrgId, policy: Policy },
    /// Sets how long a browser session counts in an organisation, in milliseconds; `None` is the instance's own limit.
    SetSessionLimits { org: OrgId, idle: Option<i64>, absolute: Option<i64> },
    /// Suspends, deletes or revives an organisation.
    SetOrgState { org: OrgId, state: OrgState },
    /// Makes a member the owner, and the one before no longer so.
    TransferOwnership { org: OrgId, to: MembershipId },
    /// Makes a project.
    CreateProject { org: OrgId, project: ProjectId, key: String, name: String },
    /// Renames a project; its key never changes.
    RenameProject { org: OrgId, project: ProjectId, name: String },
    /// Deletes a project with all that hangs on it.
    DeleteProject { org: OrgId, project: ProjectId },
    /// Makes an account.
    CreateUser(Box<NewUser>),
    /// Replaces an account's user name and standard claims.
    SetProfile { user: UserId, user_name: String, profile: Box<Profile> },
    /// Suspends, revives or deletes an account, in every organisation.
    SetUserState { user: UserId, state: UserState },
    /// Sets an account's password (a PHC string) on behalf of an administrator: all its sessions end.
    ResetPassword { user: UserId, password: String, must_change: bool },
    /// Sends the holder of an account a one-time link. Those of the same purpose that were sent before are dead.
    SendLink { user: UserId, link: Box<NewLink> },
    /// Sets a password with a mailed link, which is used up. A pending account is active from then on; every session ends.
    SetPasswordByLink { user: UserId, link: Digest, password: String },
    /// The person's own change of the password whose hash is `old`. The other sessions end, if that is wished; `keep` stays.
    ChangePassword { user: UserId, old: String, password: String, end_others: bool, keep: Option<SessionId> },
    /// Makes the address that a mailed link was sent to the account's own; the link is used up, every session ends.
    ConfirmEmail { user: UserId, link: Digest },
    /// Invites somebody by mail. An address that is invited already, or a member's, is left alone.
    Invite(Box<NewInvitation>),
    /// Sends an invitation's mail again, with a new link.
    ResendInvitation { org: OrgId, invitation: InvitationId, link: Box<NewLink> },
    /// Takes an invitation back.
    CancelInvitation { org: OrgId, invitation: InvitationId },
    /// Says no to an invitation.
    DeclineInvitation { org: OrgId, invitation: InvitationId, by: Presented },
    /// Makes an account a member with what its invitation brings.
    AcceptInvitation { org: OrgId, invitation: InvitationId, user: UserId, member: MembershipId, by: Presented },
    /// Makes an own account for whoever holds a mailed link to the address; the link is used up.
    SelfRegister { user: Box<NewUser>, link: Digest },
    /// Sends a one-time link to an address that has no account yet.
    SendRegistrationLink { link: Box<NewLink> },
    /// Makes an account a member.
    AddMember { org: OrgId, member: MembershipId, user: UserId, state: MembershipState, source: Source },
    /// Suspends or revives a membership.
    SetMemberState { org: OrgId, member: MembershipId, state: MembershipState },
    /// Ends a member's sessions and tokens in the organisation; the access stays.
    EndSessions { org: OrgId, member: MembershipId },
    /// Ends a membership, with its direct bindings and its places in groups.
    RemoveMember { org: OrgId, member: MembershipId },
    /// Makes a group.
    CreateGroup { org: OrgId, group: GroupId, name: String, description: String },
    /// Renames a group or describes it anew.
    RenameGroup { org: OrgId, group: GroupId, name: String, description: String },
    /// Deletes a group with its bindings.
    DeleteGroup { org: OrgId, group: GroupId },
    /// Puts members into a group.
    AddToGroup { org: OrgId, group: GroupId, members: Vec<MembershipId> },
    /// Takes members out of a group.
    RemoveFromGroup { org: OrgId, group: GroupId, members: Vec<MembershipId> },
    /// Makes a role of the organisation's own.
    CreateRole { org: OrgId, role: RoleId, key: String, name: String, permissions: BTreeSet<String> },
    /// Replaces what an own role is made of.
    SetRole { org: OrgId, role: RoleId, name: String, permissions: BTreeSet<String> },
    /// Deletes an own role with its bindings.
    DeleteRole { org: OrgId, role: RoleId },
    /// Gives a role.
    Bind { org: OrgId, binding: Binding },
    /// Takes a role.
    Unbind { org: OrgId, binding: BindingId },
    /// Ends the bindings of an organisation whose windows are over.
    EndWindows { org: OrgId },
    /// Registers an application, or replaces its registration.
    PutApplication(Box<Application>),
    /// Removes an application; its tokens die.
    RemoveApplication { application: ApplicationId },
    /// Makes a member answer for an application of the organisation.
    SetApplicationOwner { org: OrgId, application: ApplicationId, owner: MembershipId },
    /// Replaces an organisation's settings.
    SetOrgSettings { org: OrgId, settings: Box<OrgSettings> },
    /// Refuses the whole, unless the organisation stands at this access version: nothing was edited since it was read.
    ExpectVersion { org: OrgId, version: i64 },
    /// Sets how a managed account is used: by people with a password, or by tools with keys alone.
    SetAccessType { user: UserId, access: AccessType },
    /// Restricts a member to some applications; `None` lifts it.
    RestrictMember { org: OrgId, member: MembershipId, to: Option<BTreeSet<ApplicationId>> },
    /// Moves a membership, with its bindings and groups, from its account to another; both lose their sessions here.
    ReplaceIdentity { org: OrgId, member: MembershipId, by: UserId },
    /// Takes a member's direct roles on one project.
    LeaveProject { org: OrgId, member: MembershipId, project: ProjectId },
    /// Puts a member into exactly these groups.
    SetGroupsOf { org: OrgId, member: MembershipId, groups: BTreeSet<GroupId> },
    /// Makes another member answer for the applications and service accounts of one.
    Reassign { org: OrgId, from: MembershipId, to: MembershipId },
    /// Ends one session entry of a member.
    EndSession { org: OrgId, member: MembershipId, entry: EntryId },
    /// Makes a service account of a project.
    CreateServiceAccount {
        org: OrgId,
        project: ProjectId,
        user: UserId,
        member: MembershipId,
        name: String,
        description: String,
        owner: Option<MembershipId>,
    },
    /// Renames a service account or describes it anew.
    SetServiceAccount { org: OrgId, user: UserId, name: String, description: String },
    /// Makes a member answer for a service account.
    SetServiceAccountOwner { org: OrgId, user: UserId, owner: MembershipId },
    /// Removes a service account with its keys and tokens.
    RemoveServiceAccount { org: OrgId, user: UserId },
    /// Makes an access key.
    CreateAccessKey { org: OrgId, key: Box<NewAccessKey> },
    /// Renames, disables or enables an access key.
    SetAccessKey { org: OrgId, key: AccessKeyId, name: String, active: bool },
    /// Removes an access key; tokens that were made from it die.
    RemoveAccessKey { org: OrgId, key: AccessKeyId },
    /// Makes a bundle of roles, or replaces its content.
    PutBundle { org: OrgId, bundle: BundleId, name: String, grants: Vec<(Role, Scope)> },
    /// Removes a bundle; what was given with it stays.
    RemoveBundle { org: OrgId, bundle: BundleId },
    /// Makes a rule of alerts, or replaces it.
    PutAlert { org: OrgId, alert: Box<NewAlert> },
    /// Removes a rule of alerts.
    RemoveAlert { org: OrgId, alert: AlertId },
    /// Makes a connection, or replaces its settings.
    PutConnection(Box<NewConnection>),
    /// Disables, enables or deletes a connection. What came through one that no longer works ends.
    SetConnectionState { org: OrgId, connection: ConnectionId, state: ConnectionState },
    /// Makes what a connection that no longer works owned the organisation's own.
    ReleaseConnection { org: OrgId, connection: ConnectionId },
    /// Gives a connection's client a token or an OAuth client.
    AddScimCredential { org: OrgId, credential: Box<NewScimCredential> },
    /// Takes a token or an OAuth client away.
    RemoveScimCredential { org: OrgId, credential: ScimCredentialId },
    /// Makes an account that a connection owns, and its membership.
    ProvisionUser { org: OrgId, connection: ConnectionId, user: UserId, member: MembershipId, new: Box<Provisioned> },
    /// Replaces what a connection says of an account; with a `version`, only if the row stands at it.
    SetProvisionedUser {
        org: OrgId,
        connection: ConnectionId,
        user: UserId,
        new: Box<Provisioned>,
        version: Option<i64>,
    },
    /// Deletes an account that a connection owns, for good.
    DeprovisionUser { org: OrgId, connection: ConnectionId, user: UserId, version: Option<i64> },
    /// Hands a managed account of the organisation over to a connection.
    AdoptUser { org: OrgId, connection: ConnectionId, user: UserId, new: Box<Provisioned> },
    /// Decides of an account that stands in a connection's way.
    DecideAdoption { org: OrgId, adoption: AdoptionId, decision: AdoptionDecision },
    /// Makes a group that a connection owns.
    ProvisionGroup { org: OrgId, connection: ConnectionId, group: GroupId, new: Box<GroupResource> },
    /// Replaces what a connection says of a group, its members aside; with a `version`, only if the row stands at it.
    SetProvisionedGroup {
        org: OrgId,
        connection: ConnectionId,
        group: GroupId,
        new: Box<GroupResource>,
        version: Option<i64>,
    },
    /// Deletes a group that a connection owns, with its bindings.
    DeprovisionGroup { org: OrgId, connection: ConnectionId, group: GroupId, version: Option<i64> },
    /// Refuses the whole, unless a group that a connection owns stands at this version.
    ExpectGroup { org: OrgId, connection: ConnectionId, group: GroupId, version: i64 },
    /// Puts exactly these members into a group that a connection owns; only the difference is written.
    SetGroupMembers { org: OrgId, group: GroupId, members: BTreeSet<MembershipId> },
    /// Names an e-mail domain that an organisation says is its own.
    AddDomain { org: OrgId, domain: DomainId, name: String, token: String },
    /// Notes that a domain's record was found.
    VerifyDomain { org: OrgId, domain: DomainId },
    /// Takes an e-mail domain away.
    RemoveDomain { org: OrgId, domain: DomainId },
    /// Says which connection the people of a verified domain sign in through; `None` leaves it to the organisation's only one.
    SetDomainConnection { org: OrgId, domain: DomainId, connection: Option<ConnectionId> },
    /// Sets a connection's sign-in up, or anew. What concerns who the provider is makes it a draft again.
    PutSignIn(Box<NewSignIn>),
    /// Opens a connection's sign-in to people, or closes it.
    SetSignInStage { org: OrgId, connection: ConnectionId, stage: Stage },
    /// Notes that somebody came through in a trial, with the set-up of this revision.
    PassSignInTest { org: OrgId, connection: ConnectionId, revision: i64 },
    /// Takes a connection's sign-in away. What came through it ends; its people and their identities stay.
    RemoveSignIn { org: OrgId, connection: ConnectionId },
    /// Replaces the rules by which a connection's people come into groups; everybody's place is worked out again at once.
    SetMapping { org: OrgId, connection: ConnectionId, mapping: Box<Mapping> },
    /// Somebody came through a connection's sign-in: the account is made, taken over, or brought up to date.
    SignInThrough(Box<CameThrough>),
    /// The person says that somebody upstream is they, having proven both in one browser.
    LinkIdentity { org: OrgId, connection: ConnectionId, user: UserId, identity: IdentityId, upstream: Upstream },
    /// Forgets who somebody is upstream; what came through it ends.
    UnlinkIdentity { org: OrgId, user: UserId, identity: IdentityId },
    /// The provider says that sessions are over: what came through them ends.
    EndUpstream { org: OrgId, connection: ConnectionId, ended: EndedUpstream },
    /// The provider says at `at` that an account is disabled there, or is not any more.
    SetUpstreamAccount { org: OrgId, connection: ConnectionId, user: UserId, active: bool, at: UnixMillis },
    /// Lets a local administrator sign in with a password though a connection is enforced, or no longer.
    SetBreakGlass { org: OrgId, member: MembershipId, on: bool },
    /// Gives an account a second factor, or a passkey. With `first_only`, refused where it has one: who is in the middle of
    /// a sign-in, and has shown a password alone, adds none to those that guard the account.
    PutFactor { user: UserId, factor: Box<NewFactor>, first_only: bool },
    /// Gives an account an app that shows codes in the place of the one that it has: on another phone, for example.
    ReplaceFactor { user: UserId, factor: Box<NewFactor> },
    /// Renames a passkey.
    RenamePasskey { user: UserId, passkey: PasskeyId, name: String },
    /// Takes a second factor or a passkey away; with the last one the recovery codes go.
    RemoveFactor { user: UserId, factor: Which },
    /// Takes everything away that an account has besides its password, on behalf of an administrator: all its sessions end.
    ResetFactors { user: UserId },
    /// Gives an account a new set of recovery codes; those before are dead.
    SetRecoveryCodes { user: UserId, codes: Vec<Digest> },
    /// Lifts the lock of an account after too many failures.
    Unlock { user: UserId },
    /// Uses the one-time link up that makes the first operator; refused once an operator exists.
    UseSetupLink { link: Digest },
}
