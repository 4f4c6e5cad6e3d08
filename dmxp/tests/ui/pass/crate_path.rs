//! A crate that passes `dmxp` on under another name.

#![deny(warnings)]

mod vendor {
    pub mod ipc {
        pub use ::dmxp::*;
    }
}

// What `::dmxp` would be is nobody's business.
#[derive(vendor::ipc::DmxpMessage)]
#[dmxp(crate = vendor::ipc)]
#[repr(C)]
struct Tick {
    price: u32,
}

#[derive(vendor::ipc::DmxpMessage)]
#[dmxp(crate = "crate::vendor::ipc")]
#[repr(u8)]
enum Side {
    Buy,
}

#[vendor::ipc::message(crate = vendor::ipc)]
enum Reading {
    Tick(u16),
}

#[vendor::ipc::message(version = 2, crate = vendor::ipc)]
struct Sugared {
    #[dmxp(since = 2)]
    price: u32,
}

fn main() {
    use vendor::ipc::DmxpMessage;
    assert_eq!(Tick::SCHEMA.name, "Tick");
    assert_eq!(Sugared::SCHEMA.version, 2);
}
