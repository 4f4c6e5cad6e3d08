//! One message as three versions of a program know it.

use dmxp::message::{Open, Reserved};

/// The program that was first, and what the C and Python peers were built with.
pub mod first {
    use super::*;

    /// Whether to buy or to sell.
    #[dmxp::message]
    #[derive(PartialEq)]
    #[repr(u8)]
    pub enum Side {
        /// To buy.
        Buy = 1,
        /// To sell.
        Sell = 2,
    }

    /// An order with room for what comes later.
    #[dmxp::message]
    #[dmxp(name = "Order", version = 1)]
    pub struct Order {
        /// What one costs at most, or at least.
        pub price: f64,
        /// How many.
        pub quantity: u32,
        /// Which way.
        pub side: Open<Side>,
        /// To the next multiple of eight.
        pub room: Reserved<3>,
        /// For later versions.
        pub more: Reserved<8>,
    }
}

/// Compatible with the first: a field in what was reserved, one renamed, a new value of the open enum.
pub mod second {
    use super::*;

    /// Whether to buy or to sell.
    #[dmxp::message]
    #[derive(PartialEq)]
    #[repr(u8)]
    pub enum Side {
        /// To buy.
        Buy = 1,
        /// To sell.
        Sell = 2,
        /// To sell what one does not have.
        SellShort = 3,
    }

    /// An order that says whose it is.
    #[dmxp::message]
    #[dmxp(name = "Order", version = 2)]
    pub struct Order {
        /// The price under a new name.
        #[dmxp(alias = "price")]
        pub limit_price: f64,
        /// How many.
        pub quantity: u32,
        /// Which way.
        pub side: Open<Side>,
        /// To the next multiple of eight.
        pub room: Reserved<3>,
        /// Whose it is.
        #[dmxp(since = 2)]
        pub client: u64,
    }
}

/// Incompatible with both: the price is another type in another place.
pub mod moved {
    use super::*;

    /// An order of which the others cannot read anything.
    #[dmxp::message]
    #[dmxp(name = "Order", version = 3)]
    pub struct Order {
        /// How many.
        pub quantity: u32,
        /// Which way, as a plain number.
        pub side: u8,
        /// To the next multiple of four.
        pub room: Reserved<3>,
        /// The price, less exactly.
        pub price: f32,
        /// To the size of the others.
        pub more: Reserved<12>,
    }
}
