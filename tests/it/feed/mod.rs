//! The feed of revocations and the status lists: what services hear that check tokens without asking.

mod places;
mod scene;
mod status;
mod story;
mod stream;
mod verifiers;
