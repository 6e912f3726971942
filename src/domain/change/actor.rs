//! Who asks for a change, from where, and whether it is meant.

use crate::kernel::id::{AccessKeyId, ConnectionId, OrgId, ProjectId, UserId};

/// Who asks for a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Muster itself, and why: `window_over`, `first_start`.
    System(&'static str),
    /// Somebody at the machine's command line, who holds its database anyway.
    CommandLine,
    /// An account with the instance role `instance.admin`.
    Operator(UserId),
    /// A person, with what their grants allow.
    User(UserId),
    /// A tool with an API token, which was made from an access key.
    Tool(Tool),
    /// A connection's client: what the organisation's own identity provider pushes.
    Connection {
        /// The organisation.
        org: OrgId,
        /// The connection.
        connection: ConnectionId,
    },
    /// Somebody who is not signed in: who asks for a mailed link, or holds one. Which.
    Link(&'static str),
}

/// A tool: the account whose key it uses, and how far it reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// The person or the service account.
    pub user: UserId,
    /// The key.
    pub key: AccessKeyId,
    /// A person's key reaches into its project alone; a service account as far as its own bindings (`None`).
    pub within: Option<ProjectId>,
}

impl Actor {
    /// How audit rows name the actor.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::System(why) => format!("system:{why}"),
            Self::CommandLine => "command_line".to_owned(),
            Self::Operator(id) => format!("operator:{id}"),
            Self::User(id) => format!("user:{id}"),
            Self::Connection { connection, .. } => format!("connection:{connection}"),
            Self::Link(which) => format!("link:{which}"),
            Self::Tool(tool) => format!("key:{}:{}", tool.key, tool.user),
        }
    }
}

/// Where a request came from, for the audit record, and under which name it may be repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address that it came from; empty for what begins here.
    pub address: String,
    /// The request's id; empty for what begins here.
    pub request_id: String,
    /// The caller and the key under which the request may be repeated (`Idempotency-Key`).
    pub repeatable: Option<(String, String)>,
}

/// Whether a change is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    Act,
    /// Run every step, and undo it: the answer is what would have happened.
    DryRun,
}
