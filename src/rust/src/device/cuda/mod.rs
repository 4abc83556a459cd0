//! NVIDIA GPUs, through the driver that is on the machine or not: nothing is linked.

mod card;
mod driver;
pub mod nvrtc;

pub use card::Card;
pub use driver::{CardInfo, cards, version_text};
