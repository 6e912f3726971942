//! The door, held to a plain model: whatever is changed, on either database, exactly those lose, gain and end who should.
//!
//! [`model`] is an organisation as sets and maps; [`batch`] says what each change does to it; [`deeds`] draws changes at
//! random; [`books`] signs people in and knows what is live; [`snapshot`] reads what the database says; [`story`] puts
//! them side by side. [`lists`], [`race`] and [`reach`] are examples of what no random walk should have to find;
//! [`owner`], [`identity`], [`leaving`] and [`policies`] what holds for people whatever they hold, [`directory`] how
//! they are listed, and [`audit`] what is written down of it all. [`invitations`] and [`mailed_links`] are about how people
//! come in.

mod audit;
mod batch;
mod books;
mod deeds;
mod directory;
mod identity;
mod invitations;
mod leaving;
mod lists;
mod mailed_links;
mod model;
mod owner;
mod policies;
mod race;
mod reach;
mod scene;
mod snapshot;
mod story;
