//! What must be told to somebody outside: that it is, in its order, how far the receipt says it is, and who is not held up.

mod commands;
mod expiry;
mod front_channel;
mod order;
mod receipts;
mod ten;
