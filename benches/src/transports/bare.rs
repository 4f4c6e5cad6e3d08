//! What no transport can do without: a number in a cache line, and a futex to sleep on. They carry the first word of a message only,
//! and a new number must differ from the one before.

use crate::lines::{Line, Lines, LinesFile};
use crate::payload::Payload;
use crate::transport::{Failure, Place, Receiver, Sender, Transport};
use std::sync::atomic::Ordering;

/// A number in a line, which the receiver looks at all the time.
pub(crate) struct BareLines(Lines);

/// The same, with a futex beside it.
pub(crate) struct BareFutexes(Lines);

pub(crate) struct LineSender(&'static Line);

pub(crate) struct LineReceiver {
    line: &'static Line,
    last: u64,
}

pub(crate) struct FutexSender(&'static Line);

pub(crate) struct FutexReceiver(LineReceiver);

impl<P: Payload> Transport<P> for BareLines {
    type Sender = LineSender;
    type Receiver = LineReceiver;
    type Prepared = LinesFile;

    fn prepare(place: &mut Place) -> Result<LinesFile, Failure> {
        Lines::create(place, "bare", place.lanes)
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        Ok(Self(Lines::attach(place, "bare")?))
    }

    fn sender(&self, lane: usize) -> Result<LineSender, Failure> {
        Ok(LineSender(&self.0.all()[lane]))
    }

    fn receiver(&self, lane: usize) -> Result<LineReceiver, Failure> {
        Ok(LineReceiver {
            line: &self.0.all()[lane],
            last: 0,
        })
    }
}

impl<P: Payload> Transport<P> for BareFutexes {
    type Sender = FutexSender;
    type Receiver = FutexReceiver;
    type Prepared = LinesFile;

    fn prepare(place: &mut Place) -> Result<LinesFile, Failure> {
        Lines::create(place, "bare", place.lanes)
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        Ok(Self(Lines::attach(place, "bare")?))
    }

    fn sender(&self, lane: usize) -> Result<FutexSender, Failure> {
        Ok(FutexSender(&self.0.all()[lane]))
    }

    fn receiver(&self, lane: usize) -> Result<FutexReceiver, Failure> {
        Ok(FutexReceiver(LineReceiver {
            line: &self.0.all()[lane],
            last: 0,
        }))
    }
}

impl<P: Payload> Sender<P> for LineSender {
    #[inline]
    fn try_send(&mut self, message: &P) -> Result<bool, Failure> {
        // Pairs with the load of `try_receive`.
        self.0.number.store(message.number(), Ordering::Release);
        Ok(true)
    }
}

impl<P: Payload> Receiver<P> for LineReceiver {
    #[inline]
    fn try_receive(&mut self, _: usize, mut visit: impl FnMut(&P)) -> Result<usize, Failure> {
        // Pairs with the store of `try_send`.
        let number = self.line.number.load(Ordering::Acquire);
        if number == self.last {
            return Ok(0);
        }
        self.last = number;
        visit(&P::numbered(number));
        Ok(1)
    }
}

impl<P: Payload> Sender<P> for FutexSender {
    fn try_send(&mut self, message: &P) -> Result<bool, Failure> {
        LineSender(self.0).try_send(message)?;
        // Pairs with the load before the wait: who saw the number from before sees the word from before as well.
        self.0.futex.fetch_add(1, Ordering::Release);
        // SAFETY: FUTEX_WAKE only uses the address of the word.
        unsafe { libc::syscall(libc::SYS_futex, self.0.futex.as_ptr(), libc::FUTEX_WAKE, 1) };
        Ok(true)
    }
}

impl<P: Payload> Receiver<P> for FutexReceiver {
    fn try_receive(&mut self, max: usize, visit: impl FnMut(&P)) -> Result<usize, Failure> {
        self.0.try_receive(max, visit)
    }

    fn receive_blocking(&mut self, mut visit: impl FnMut(&P)) -> Result<(), Failure> {
        let second = libc::timespec { tv_sec: 1, tv_nsec: 0 };
        for _ in 0..10 {
            let futex = &self.0.line.futex;
            // Pairs with the addition of `try_send`.
            let before = futex.load(Ordering::Acquire);
            if Receiver::<P>::try_receive(&mut self.0, 1, &mut visit)? == 1 {
                return Ok(());
            }
            // SAFETY: the word outlives the call, and the kernel only reads the timespec.
            unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    futex.as_ptr(),
                    libc::FUTEX_WAIT,
                    before,
                    core::ptr::from_ref(&second),
                )
            };
        }
        Err("nothing came for 10 s".into())
    }
}
