//! NVIDIA GPUs, through the driver that is on the machine or not: nothing is linked.

use super::cache::Cache;
use super::error::Result;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

mod card;
mod driver;
pub mod nvrtc;

pub use card::Card;
pub use driver::{CardInfo, cards, version_text};

/// The cards in use by this process, with their kernels.
static OPENED: Mutex<Option<HashMap<i32, Arc<Card>>>> = Mutex::new(None);

/// The GPU of this number, opened at first use.
///
/// # Errors
/// As [`Card::new`].
pub fn open(ordinal: i32, cache: &str) -> Result<Arc<Card>> {
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    let cards = opened.get_or_insert_default();
    if let Some(card) = cards.get(&ordinal) {
        return Ok(card.clone());
    }
    let card = Arc::new(Card::new(ordinal, Cache::new(cache))?);
    cards.insert(ordinal, card.clone());
    Ok(card)
}
