//! OpenID Connect and OAuth 2.0 as applications meet them.

mod backchannel_logout;
mod browser_origins;
mod code_flow;
mod device;
mod discovery;
mod redirect_uri;
