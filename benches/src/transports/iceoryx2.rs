//! iceoryx2, publish-subscribe: the publisher waits where the subscriber's buffer is full, since none of the others loses messages
//! either. Payloads are written into loaned memory and read where they lie.

use crate::payload::Payload;
use crate::transport::{Failure, Place, Receiver, Sender, Transport};
use ::iceoryx2::config::Config;
use ::iceoryx2::node::{Node, NodeBuilder};
use ::iceoryx2::port::publisher::Publisher;
use ::iceoryx2::port::subscriber::Subscriber;
use ::iceoryx2::prelude::{
    BackpressureStrategy, FileName, LogLevel, SemanticString, SignalHandlingMode, ipc, set_log_level,
};
use ::iceoryx2::service::port_factory::publish_subscribe::PortFactory;
use core::marker::PhantomData;

type Service<P> = PortFactory<ipc::Service, P, ()>;

pub(crate) struct Iceoryx2<P> {
    place: Place,
    message: PhantomData<fn(P)>,
}

pub(crate) struct Publishing<P: Payload> {
    publisher: Publisher<ipc::Service, P, ()>,
    _service: Service<P>,
    _node: Node<ipc::Service>,
}

pub(crate) struct Subscribed<P: Payload> {
    subscriber: Subscriber<ipc::Service, P, ()>,
    _service: Service<P>,
    _node: Node<ipc::Service>,
}

/// All files of a run begin with its name, so that those which outlive its nodes can be removed.
fn node(place: &Place) -> Result<Node<ipc::Service>, Failure> {
    set_log_level(LogLevel::Error);
    let mut config = Config::default();
    config.global.prefix = FileName::new(place.name.as_bytes()).map_err(|error| format!("{error:?}"))?;
    let builder = NodeBuilder::new()
        .config(&config)
        .signal_handling_mode(SignalHandlingMode::Disabled);
    builder.create().map_err(|error| format!("{error:?}").into())
}

/// What a run has made beforehand.
pub(crate) struct Prepared<P: Payload> {
    services: Vec<Service<P>>,
    node: Option<Node<ipc::Service>>,
    name: String,
}

impl<P: Payload> Drop for Prepared<P> {
    fn drop(&mut self) {
        self.services.clear();
        self.node = None;
        // iceoryx2 keeps a segment for all nodes of a prefix.
        let files = std::fs::read_dir("/dev/shm").into_iter().flatten().flatten();
        for file in files.filter(|file| file.file_name().as_encoded_bytes().starts_with(self.name.as_bytes())) {
            if let Err(error) = std::fs::remove_file(file.path()) {
                eprintln!("{}: {error}", file.path().display());
            }
        }
    }
}

fn service<P: Payload>(node: &Node<ipc::Service>, place: &Place, lane: usize) -> Result<Service<P>, Failure> {
    let name = format!("{}/{lane}", place.name);
    let name = name.as_str().try_into().map_err(|error| format!("{error:?}"))?;
    node.service_builder(&name)
        .publish_subscribe::<P>()
        .subscriber_max_buffer_size(place.capacity)
        .enable_safe_overflow(false)
        .history_size(0)
        .subscriber_max_borrowed_samples(1)
        .max_publishers(place.ends)
        .max_subscribers(place.ends)
        .open_or_create()
        .map_err(|error| format!("{error:?}").into())
}

impl<P: Payload> Transport<P> for Iceoryx2<P> {
    type Sender = Publishing<P>;
    type Receiver = Subscribed<P>;
    type Prepared = Prepared<P>;

    fn prepare(place: &mut Place) -> Result<Self::Prepared, Failure> {
        let node = node(place)?;
        let services: Result<_, _> = (0..place.lanes).map(|lane| service(&node, place, lane)).collect();
        Ok(Prepared {
            services: services?,
            node: Some(node),
            name: place.name.clone(),
        })
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        Ok(Self {
            place: place.clone(),
            message: PhantomData,
        })
    }

    fn sender(&self, lane: usize) -> Result<Publishing<P>, Failure> {
        let node = node(&self.place)?;
        let service = service(&node, &self.place, lane)?;
        let publisher = service
            .publisher_builder()
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .max_loaned_samples(1)
            .create()
            .map_err(|error| format!("{error:?}"))?;
        Ok(Publishing {
            publisher,
            _service: service,
            _node: node,
        })
    }

    fn receiver(&self, lane: usize) -> Result<Subscribed<P>, Failure> {
        let node = node(&self.place)?;
        let service = service(&node, &self.place, lane)?;
        let subscriber = service
            .subscriber_builder()
            .buffer_size(self.place.capacity)
            .create()
            .map_err(|error| format!("{error:?}"))?;
        Ok(Subscribed {
            subscriber,
            _service: service,
            _node: node,
        })
    }
}

impl<P: Payload> Sender<P> for Publishing<P> {
    #[inline]
    fn try_send(&mut self, message: &P) -> Result<bool, Failure> {
        let sample = self.publisher.loan_uninit().map_err(|error| format!("{error:?}"))?;
        let recipients = sample.write_payload(*message).send();
        // None when the buffer is full and the subscriber has not looked since this publisher came: the message is dropped then.
        Ok(recipients.map_err(|error| format!("{error:?}"))? > 0)
    }
}

impl<P: Payload> Receiver<P> for Subscribed<P> {
    #[inline]
    fn try_receive(&mut self, max: usize, mut visit: impl FnMut(&P)) -> Result<usize, Failure> {
        for received in 0..max {
            match self.subscriber.receive().map_err(|error| format!("{error:?}"))? {
                Some(sample) => visit(sample.payload()),
                None => return Ok(received),
            }
        }
        Ok(max)
    }
}
