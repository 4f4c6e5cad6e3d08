//! A message has one layout.

use dmxp::DmxpMessage;

#[derive(DmxpMessage)]
#[repr(C)]
struct Pair<T> {
    a: T,
    b: T,
}

#[derive(DmxpMessage)]
#[repr(C)]
struct Block<const N: usize> {
    bytes: [u8; N],
}

#[derive(DmxpMessage)]
#[repr(C)]
struct Line<'a> {
    text: &'a str,
}

#[derive(DmxpMessage)]
enum Either<A, B> {
    Left(A),
    Right(B),
}

fn main() {}
