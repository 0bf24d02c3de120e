//! Accepting connections and speaking HTTP over them. Connections are bounded in number, in the time
//! that the first request may take to arrive, and in the time without one.

use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

/// Connections that wait to be accepted. The system takes less where it allows less.
const BACKLOG: u32 = 65_535;
/// How soon accepting is tried again when the system lacks something, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Bytes of a request that are kept while its headers are incomplete, and of a body at once.
const READ_BUFFER_MAX: usize = 64 * 1024;
/// Requests at once over one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// Streams that a client may have opened and reset before they were looked at (CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 20;
/// Streams that this end may have reset for a client's faults before the connection ends.
const MAX_FAULTY_STREAMS: usize = 256;
/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to say so.
const HTTP2_PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// Bounds on connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// How many there may be at once; others wait to be accepted.
    pub connections: usize,
    /// The time from connecting to the end of the first request's headers.
    pub header_timeout: Duration,
    /// The time without a request, and that later headers may take.
    pub keep_alive: Duration,
}

/// Listens on an address, with as long a row of waiting connections as the system allows.
///
/// # Errors
/// When the address cannot be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Lets this process have as many files open as the system allows it; how many, if there is a limit.
pub fn raise_file_limit() -> Option<usize> {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!(%error, "the limit of open files stays as it was");
    }
    usize::try_from(getrlimit(Resource::Nofile).current?).ok()
}

/// Serves until `stopping`; then lets what runs finish. Ends when the last connection has ended.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    stopping: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let server = Arc::new(Server { router, protocols: protocols(&limits), limits, stopping });
    while let Some((stream, peer)) =
        server.stopping.run_until_cancelled(next(&listener, &places)).await
    {
        let server = Arc::clone(&server);
        tokio::spawn(async move { server.converse(stream, peer).await });
    }
    drop(listener);
    // A place is free when its connection has ended, WebSockets too.
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let _ = places.acquire_many(all).await;
}

/// The next connection, once there is a place for it.
async fn next(listener: &TcpListener, places: &Arc<Semaphore>) -> (Accepted, SocketAddr) {
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(places).acquire_owned().await else {
            std::future::pending::<()>().await;
            continue;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let _ = stream.set_nodelay(true);
                return (Accepted { stream, _place: place }, peer);
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "connections cannot be accepted at the moment");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether a connection failed before it was accepted, which is nobody's concern here.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn protocols(limits: &ConnectionLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.keep_alive)
        .max_buf_size(READ_BUFFER_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_FAULTY_STREAMS)
        .keep_alive_interval(HTTP2_PING.0)
        .keep_alive_timeout(HTTP2_PING.1)
        // For WebSockets over HTTP/2 (RFC 8441).
        .enable_connect_protocol();
    builder
}

struct Server {
    router: Router,
    protocols: Builder<TokioExecutor>,
    limits: ConnectionLimits,
    stopping: CancellationToken,
}

impl Server {
    /// Answers what comes over one connection, until either end has had enough.
    async fn converse(&self, stream: Accepted, peer: SocketAddr) {
        let activity = Arc::new(Activity::default());
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let running = Running::begin(&activity);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let answer = self.router.clone().call(request);
            async move {
                let answer = answer.await;
                drop(running);
                answer
            }
        });
        let connection =
            self.protocols.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut deadline = pin!(tokio::time::sleep(self.limits.header_timeout));
        let mut is_ending = false;
        loop {
            tokio::select! {
                // An error here is the client's: it broke off, or did not speak HTTP.
                _ = connection.as_mut() => return,
                () = self.stopping.cancelled(), if !is_ending => {
                    connection.as_mut().graceful_shutdown();
                    is_ending = true;
                }
                () = deadline.as_mut(), if !is_ending => match activity.idle() {
                    None => return,
                    Some(idle) if idle < self.limits.keep_alive => {
                        deadline.as_mut().reset(Instant::now() + self.limits.keep_alive.saturating_sub(idle));
                    }
                    Some(_) => {
                        connection.as_mut().graceful_shutdown();
                        is_ending = true;
                    }
                }
            }
        }
    }
}

/// What a connection is used for.
struct Activity {
    opened: Instant,
    running: AtomicUsize,
    /// When the last request began or was answered, in milliseconds from `opened` on, and one more;
    /// 0 before the first.
    last: AtomicU64,
}

impl Default for Activity {
    fn default() -> Self {
        Self { opened: Instant::now(), running: AtomicUsize::new(0), last: AtomicU64::new(0) }
    }
}

impl Activity {
    fn note(&self) {
        let since = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.last.store(since + 1, Ordering::Relaxed);
    }

    /// For how long no request has run; none before the first.
    fn idle(&self) -> Option<Duration> {
        let last = self.last.load(Ordering::Relaxed).checked_sub(1)?;
        if self.running.load(Ordering::Relaxed) > 0 {
            return Some(Duration::ZERO);
        }
        Some(self.opened.elapsed().saturating_sub(Duration::from_millis(last)))
    }
}

/// A request that runs.
struct Running(Arc<Activity>);

impl Running {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.running.fetch_add(1, Ordering::Relaxed);
        activity.note();
        Self(Arc::clone(activity))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.note();
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection with the place that it takes, whoever reads from it: a WebSocket lives longer than the
/// HTTP that it began with.
struct Accepted {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
