//! The door, held to a plain model: whatever is changed, on either database, exactly those lose, gain and end who should.
//!
//! [`model`] is an organisation as sets and maps; [`batch`] says what each change does to it; [`deeds`] draws changes at
//! random; [`books`] signs people in and knows what is live; [`snapshot`] reads what the database says; [`story`] puts
//! them side by side. [`lists`], [`race`] and [`reach`] are examples of what no random walk should have to find.

mod batch;
mod books;
mod deeds;
mod lists;
mod model;
mod race;
mod reach;
mod scene;
mod snapshot;
mod story;
