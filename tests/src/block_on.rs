//! The simplest executor: the thread sleeps until its future is woken.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future when it is woken, for at most `bound`; then it is dropped, and the answer is `None`.
pub fn block_on<T>(bound: Duration, future: impl Future<Output = T>) -> Option<T> {
    let started = Instant::now();
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        let left = bound.checked_sub(started.elapsed())?;
        std::thread::park_timeout(left);
    }
}
