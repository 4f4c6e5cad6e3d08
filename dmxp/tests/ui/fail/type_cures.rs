//! Types of the standard library that cannot be stored, and what to use instead: all of them in one compile.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use dmxp::DmxpMessage;

#[derive(DmxpMessage)]
#[repr(C)]
struct Refused {
    text: String,
    path: std::path::PathBuf,
    list: Vec<u8>,
    optional: Option<u32>,
    boxed: Box<u32>,
    counted: Rc<u32>,
    shared: Arc<u32>,
    map: HashMap<u32, u32>,
    tree: BTreeMap<u32, u32>,
    cell: Cell<u32>,
    ref_cell: RefCell<u32>,
    mutex: Mutex<u32>,
    atomic: AtomicU64,
    non_zero: NonZeroU32,
    time: SystemTime,
    duration: Duration,
    marker: std::marker::PhantomData<u32>,
}

#[derive(DmxpMessage)]
enum Reading {
    Text(String),
}

fn main() {}
