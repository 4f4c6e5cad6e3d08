//! What instances of a message class keep of the slots that they lie over.
//!
//! Instances refer to a lease: one that was received alone to its own, those of a batch to a common one. The claim goes with the lease,
//! and the lease with the last instance. A `Message` is made of it when one is asked for, which is rare.

use crate::message::{Borrowed, Hold, Message, Place, Reading};
use crate::message_type::MessageType;
use crate::slot::{Block, Slot};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The slot of one instance.
#[pyclass(frozen, module = "dmxp._dmxp")]
pub(crate) struct Lease {
    place: Place,
    kept: Mutex<Kept>,
    /// That of the `with` block over the instance. Weak: it has the instance.
    block: Mutex<Weak<Block>>,
    /// What the instance lies over if not the slot.
    _copy: Vec<u8>,
}

/// What a `with` block over an instance gets.
fn enter<'py>(block: &Mutex<Weak<Block>>, instance: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Slot>> {
    let mut place = block.lock().unwrap_or_else(PoisonError::into_inner);
    if place.upgrade().is_some() {
        return Err(PyValueError::new_err("the message is in use by another with block"));
    }
    let new = Arc::<Block>::default();
    let slot = new.slot(instance)?;
    *place = Arc::downgrade(&new);
    Ok(slot)
}

/// Cuts off what the block got.
fn leave(block: &Mutex<Weak<Block>>) {
    let block = core::mem::take(&mut *block.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(block) = block.upgrade() {
        block.end();
    }
}

enum Kept {
    /// `None` only while it is made a message.
    Claim(Option<Reading>),
    /// The message counts the instance among its views.
    Message(Arc<Borrowed>),
}

/// An instance over the slot of a claim of one. Its length is the class's, as [`place`](crate::message::place) has checked.
#[inline]
pub(crate) fn one<'py>(
    py: Python<'py>,
    reading: Reading,
    place: Place,
    form: &MessageType,
) -> PyResult<Bound<'py, PyAny>> {
    let mut copy = Vec::new();
    let seen = match reading.received().shares_slots {
        // SAFETY: the claim is held.
        true => unsafe { copied(&[place], &mut copy) },
        false => place,
    };
    let kept = Mutex::new(Kept::Claim(Some(reading)));
    let lease = Lease {
        place,
        kept,
        block: Mutex::default(),
        _copy: copy,
    };
    form.borrow(seen, Bound::new(py, lease)?.as_any())
}

/// An instance over the slot of a message that somebody has, of a length as for [`one`].
pub(crate) fn again<'py>(py: Python<'py>, message: Arc<Borrowed>, form: &MessageType) -> PyResult<Bound<'py, PyAny>> {
    let place = message.place();
    let shares_slots = message.add_view()?;
    let mut lease = Lease {
        place,
        kept: Mutex::new(Kept::Message(message)),
        block: Mutex::default(),
        _copy: Vec::new(),
    };
    let seen = match shares_slots {
        // SAFETY: counting the view keeps the claim.
        true => unsafe { copied(&[place], &mut lease._copy) },
        false => place,
    };
    form.borrow(seen, Bound::new(py, lease)?.as_any())
}

/// Copies the payloads to `copy`, one after the other, and gives the place of the first copy.
///
/// # Safety
/// The claims of the messages are held.
unsafe fn copied(places: &[Place], copy: &mut Vec<u8>) -> Place {
    for place in places {
        // SAFETY: the claim is held: the bytes are mapped, initialised and written by nobody.
        copy.extend_from_slice(unsafe { place.bytes().as_ref() });
    }
    Place::of(copy)
}

#[pymethods]
impl Lease {
    fn enter<'py>(&self, instance: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Slot>> {
        enter(&self.block, instance)
    }

    /// The end of the block, with an exception on its way or without.
    fn leave(&self, raised: bool) {
        leave(&self.block);
        if raised {
            self.fail();
        }
    }

    /// Has the message given back when it is let go.
    fn fail(&self) {
        match &*self.kept.lock().unwrap_or_else(PoisonError::into_inner) {
            Kept::Claim(Some(reading)) => reading.fail(),
            Kept::Claim(None) => {}
            Kept::Message(message) => message.fail(),
        }
    }

    /// The message of the instance at that address, the only one.
    fn message(&self, _address: usize) -> Message {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Kept::Claim(reading) = &mut *kept {
            let reading = reading.take().expect("it is there until the next line but two");
            let message = Borrowed::new(Hold::One(reading), self.place);
            message.add_view().expect("it was not released");
            *kept = Kept::Message(message);
        }
        let Kept::Message(message) = &*kept else {
            unreachable!("it was made one")
        };
        Message(message.clone())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Kept::Message(message) = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner) {
            message.end_view();
        }
    }
}

/// The slots of a batch.
#[pyclass(frozen, module = "dmxp._dmxp")]
pub(crate) struct BatchLease {
    reading: Arc<Reading>,
    places: Vec<Place>,
    /// What the instances lie over: the slots or copies.
    seen: Vec<Place>,
    _copies: Vec<u8>,
    /// That of the `with` block over one of the instances.
    block: Mutex<Weak<Block>>,
    /// Messages that were asked for, each of which counts the instances of the batch as one view.
    messages: Mutex<Vec<Arc<Borrowed>>>,
}

/// A list of instances over the slots of a claim. Their lengths are the class's, as for [`one`].
pub(crate) fn several<'py>(
    py: Python<'py>,
    reading: Reading,
    places: Vec<Place>,
    form: &MessageType,
) -> PyResult<Bound<'py, PyList>> {
    let mut copies = Vec::new();
    let mut seen = places.clone();
    if reading.received().shares_slots && form.size() > 0 {
        // SAFETY: the claim is held.
        unsafe { copied(&places, &mut copies) };
        seen = copies.chunks_exact_mut(form.size()).map(Place::of).collect();
    }
    let lease = BatchLease {
        reading: Arc::new(reading),
        places,
        seen,
        _copies: copies,
        block: Mutex::default(),
        messages: Mutex::default(),
    };
    let lease = Bound::new(py, lease)?;
    let instances = lease.get().seen.iter().map(|&place| form.borrow(place, lease.as_any()));
    PyList::new(py, instances.collect::<PyResult<Vec<_>>>()?)
}

#[pymethods]
impl BatchLease {
    fn enter<'py>(&self, instance: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Slot>> {
        enter(&self.block, instance)
    }

    /// The end of the block, with an exception on its way or without.
    fn leave(&self, raised: bool) {
        leave(&self.block);
        if raised {
            self.fail();
        }
    }

    /// Has the batch given back when it is let go.
    fn fail(&self) {
        self.reading.fail();
    }

    /// The message of the instance at that address.
    fn message(&self, address: usize) -> PyResult<Message> {
        let lies_there = |place: &Place| place.bytes().cast::<u8>().addr().get() == address;
        let Some(index) = self.seen.iter().position(lies_there) else {
            return Err(PyValueError::new_err("no instance of the batch lies there"));
        };
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let place = self.places[index];
        if let Some(known) = messages.iter().find(|known| known.place() == place) {
            return Ok(Message(known.clone()));
        }
        let message = Borrowed::new(Hold::Part(self.reading.clone(), index as u32), place);
        message.add_view()?;
        messages.push(message.clone());
        Ok(Message(message))
    }
}

impl Drop for BatchLease {
    fn drop(&mut self) {
        for message in self.messages.get_mut().unwrap_or_else(PoisonError::into_inner) {
            message.end_view();
        }
    }
}
