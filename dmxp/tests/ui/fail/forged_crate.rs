//! `crate = …` may lead to another module, but not around the checks.

mod forged {
    pub mod __private {
        pub use dmxp::__private::*;

        pub struct Expansion;

        impl Expansion {
            pub const fn known<T>(field: FieldOf<T>) -> FieldOf<T> {
                field
            }
            pub const fn always_valid(_: &[Field]) -> bool {
                true
            }
            pub const fn zero_is_valid(_: &[Field]) -> bool {
                true
            }
            pub const fn expect_length(_: &[u8], _: usize) -> Result<(), InvalidValue> {
                Ok(())
            }
            pub const fn layout_of(_: &StructDescriptor) -> u64 {
                0
            }
            pub const fn schema_of(_: &StructDescriptor) -> u64 {
                0
            }
            pub const fn check_refusal(_: &str, _: &str, _: Field) {}
            pub const fn check_padding<T>(_: &str, _: &str, _: &str, _: Field, _: usize, _: Option<usize>) {}
            pub const fn check_size<T>(_: &str) {}
            pub const fn check_align<T>(_: &str) {}
            pub const fn check_drop<T>(_: &str, _: bool) {}
            pub const fn check_schema(_: &StructDescriptor) {}
            pub const fn same_type<T: ?Sized>(_: &T, _: std::marker::PhantomData<T>) {}
        }
    }
}

#[derive(dmxp::DmxpMessage)]
#[dmxp(crate = crate::forged)]
#[repr(C)]
struct Padded {
    kind: u8,
    price: u32,
}

fn main() {}
