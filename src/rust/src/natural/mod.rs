//! A normal guide with full covariance on any density that is taken eight positions at a time ([`steps::InLanes`]): its natural
//! gradient (`guide`), the search with a stopping rule that is a test (`steps`), noise from a counter (`noise`), and bent coordinates
//! of scale parameters in which their posterior is nearly normal (`bend`).

pub mod bend;
pub mod dense;
pub mod guide;
pub mod lane;
pub mod noise;
pub mod steps;
