//! The boundary with R for locks of folders.

use super::{guarded, text};
use crate::lock::{Asked, lock, unlock};
use extendr_api::prelude::*;
use std::path::Path;

/// Asks for a lock: "held", "taken" with who has it, or "impossible".
/// @noRd
#[extendr]
fn engine_lock(path: Robj, owner: Robj) -> Robj {
    guarded(|| {
        let (state, owner) = match lock(Path::new(text("path", &path)?), text("owner", &owner)?) {
            Asked::Held => ("held", String::new()),
            Asked::Taken(owner) => ("taken", owner.replace('\0', "")),
            Asked::Impossible => ("impossible", String::new()),
        };
        Ok(list!(state = state, owner = owner).into())
    })
}

/// Gives a lock back.
/// @noRd
#[extendr]
fn engine_unlock(path: Robj) -> Robj {
    guarded(|| {
        unlock(Path::new(text("path", &path)?));
        Ok(r!(true))
    })
}

extendr_module! {
    mod locks;
    fn engine_lock;
    fn engine_unlock;
}
