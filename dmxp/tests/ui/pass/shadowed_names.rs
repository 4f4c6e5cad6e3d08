//! The expansion names nothing that the user may have named otherwise.

#![no_implicit_prelude]
#![deny(warnings)]
#![allow(dead_code, non_camel_case_types)]

pub struct Option;
pub struct Some;
pub struct None;
pub struct Result;
pub struct Ok;
pub struct Err;
pub struct Send;
pub struct Sync;
pub struct Sized;
pub struct Copy;
pub struct Field;
pub struct DmxpField;
pub struct TypeDescriptor;
pub struct Text;
pub struct u64;
pub struct u32;
pub struct bool;
pub mod core {}
pub mod std {}

/// A message that is called `String`, used as a field.
#[derive(::dmxp::DmxpMessage)]
#[repr(C)]
pub struct String {
    bytes: [u8; Self::LENGTH],
}

impl String {
    const LENGTH: usize = 8;
}

/// An enum that is called `Vec`, used as a field.
#[derive(::dmxp::DmxpMessage)]
#[repr(u8)]
pub enum Vec {
    Some,
    None,
}

#[derive(::dmxp::DmxpMessage)]
#[dmxp(flags)]
#[repr(u16)]
pub enum Cell {
    Ok = 1,
    Err = 2,
}

#[derive(::dmxp::DmxpMessage)]
pub enum Tagged {
    Some(String),
    None,
}

#[derive(::dmxp::DmxpMessage)]
#[repr(C)]
pub struct Message {
    text: String,
    message: Vec,
    bytes: u8,
    cell: ::dmxp::message::Flags<Cell>,
    field_1: ::dmxp::message::Tagged<Tagged>,
    field_0: [Vec; 3],
}

#[::dmxp::message]
pub struct Sugared {
    bytes: u8,
}

fn main() {}
