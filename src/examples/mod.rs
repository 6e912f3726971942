//! Applications that show what Muster does for one. `muster dev` mounts them; `muster serve` never does.

pub mod shop;
