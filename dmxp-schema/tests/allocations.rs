//! Reading fields allocates nothing.

mod corpus;

use corpus::{EVERYTHING, schema};
use dmxp_schema::codec::field::{FieldValue, Record};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<u32> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: the system's allocator, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps what `alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps what `dealloc` asks for, and `alloc` above is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn read_all(value: FieldValue<'_>) -> u64 {
    let mut sum = 0;
    if value.is_null() {
        return 1;
    }
    match value.ty() {
        dmxp_schema::model::Type::Struct(_) => {
            sum += value
                .as_record()
                .unwrap()
                .fields()
                .map(|(_, value)| read_all(value))
                .sum::<u64>();
        }
        dmxp_schema::model::Type::Array { .. } | dmxp_schema::model::Type::Vec { .. } => {
            sum += value.elements().unwrap().map(read_all).sum::<u64>();
        }
        dmxp_schema::model::Type::Union(_) => {
            sum += value
                .as_union()
                .unwrap()
                .and_then(|stored| stored.value)
                .map_or(1, read_all);
        }
        _ => sum += value.bytes().len() as u64,
    }
    sum
}

#[test]
fn reading_fields_allocates_nothing() {
    let schema = schema(&EVERYTHING);
    let mut bytes = [0; 448];
    bytes[112] = 5;
    bytes[128] = 2;
    bytes[164] = 1;
    bytes[208] = 2;
    let before = ALLOCATIONS.get();
    let record = Record::new(&schema, &bytes).unwrap();
    let mut sum: u64 = record.fields().map(|(_, value)| read_all(value)).sum();
    sum += record.field("points[1].x").unwrap().as_f64().unwrap() as u64;
    sum += record.field("shape.Line[1].y").unwrap().as_f64().unwrap() as u64;
    sum += record.field("venue").unwrap().as_str().unwrap().len() as u64;
    sum += record.field("rights").unwrap().as_flags().unwrap().names().count() as u64;
    assert!(!record.field("class_").unwrap().as_bool().unwrap());
    let allocated = ALLOCATIONS.get() - before;
    assert!(sum > 100, "{sum}");
    assert_eq!(allocated, 0);
    drop(std::hint::black_box(Box::new(sum)));
    assert!(ALLOCATIONS.get() > before, "the counter counts");
}
