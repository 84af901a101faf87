use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::admin::listener::{CONNECTIONS_OF_ONE_MAX, HEADERS_MAX, REQUEST_BYTES_MAX, REQUEST_TIME_MAX};
use crate::admin::*;

/// A gateway that is whatever the test says.
#[derive(Default)]
struct Told {
    dead: Mutex<Option<String>>,
    unready: Mutex<Vec<String>>,
}

impl Health for Told {
    fn live(&self) -> Result<(), String> {
        self.dead.lock().expect("unpoisoned").clone().map_or(Ok(()), Err)
    }

    fn ready(&self) -> Result<(), Vec<String>> {
        let reasons = self.unready.lock().expect("unpoisoned").clone();
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }
}

struct Page {
    address: SocketAddr,
    told: Arc<Told>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

async fn start() -> Page {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        metrics::counter!("tidegate_test_total").increment(3)
    });
    let (told, stop) = (Arc::new(Told::default()), CancellationToken::new());
    let health: Arc<dyn Health> = Arc::clone(&told) as _;
    let serving = tokio::spawn(serve(
        listener,
        None,
        pages(health, recorder.handle()),
        stop.clone(),
    ));
    Page {
        address,
        told,
        stop,
        serving,
    }
}

impl Page {
    /// Sends raw bytes and returns everything that comes back until the connection ends.
    async fn send(&self, request: &str) -> String {
        let stream = TcpStream::connect(self.address).await.expect("connected");
        self.say(stream, request).await
    }

    async fn say(&self, mut stream: TcpStream, request: &str) -> String {
        // The gateway may have closed before it has read everything.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).expect("text")
    }

    async fn get(&self, path: &str) -> String {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await
    }
}

#[tokio::test]
async fn the_pages_say_how_the_gateway_is() {
    let page = start().await;
    let healthy = page.get("/healthz").await;
    assert!(
        healthy.starts_with("HTTP/1.1 200") && healthy.contains(r#"{"alive":true}"#),
        "{healthy}"
    );
    let ready = page.get("/readyz").await;
    assert!(
        ready.starts_with("HTTP/1.1 200") && ready.contains(r#"{"ready":true}"#),
        "{ready}"
    );
    assert!(
        ready.to_lowercase().contains("cache-control: no-store"),
        "{ready}"
    );
    let metrics = page.get("/metrics?x=y").await;
    assert!(
        metrics.contains("# TYPE tidegate_test_total counter\ntidegate_test_total 3"),
        "{metrics}"
    );
    let index = page.get("/").await;
    assert!(
        ["/healthz", "/readyz", "/metrics"]
            .iter()
            .all(|path| index.contains(path)),
        "{index}"
    );
}

#[tokio::test]
async fn what_keeps_it_from_serving_is_listed() {
    let page = start().await;
    *page.told.unready.lock().expect("unpoisoned") =
        vec!["draining".to_owned(), "a \"quoted\" reason".to_owned()];
    let unready = page.get("/readyz").await;
    assert!(unready.starts_with("HTTP/1.1 503"), "{unready}");
    assert!(
        unready.contains(r#"{"ready":false,"reasons":["draining","a \"quoted\" reason"]}"#),
        "{unready}"
    );
    assert!(page.get("/healthz").await.starts_with("HTTP/1.1 200"));
    *page.told.dead.lock().expect("unpoisoned") = Some("the journal cannot be written".to_owned());
    let dead = page.get("/healthz").await;
    assert!(
        dead.starts_with("HTTP/1.1 503") && dead.contains("the journal cannot be written"),
        "{dead}"
    );
}

#[tokio::test]
async fn nothing_else_is_answered() {
    let page = start().await;
    assert!(page.get("/nothing").await.starts_with("HTTP/1.1 404"));
    assert!(page.get("/healthz/").await.starts_with("HTTP/1.1 404"));
    let posted = page
        .send("POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(
        posted.starts_with("HTTP/1.1 405") && posted.to_lowercase().contains("allow: get, head"),
        "{posted}"
    );
    let head = page.send("HEAD /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn one_connection_serves_one_request() {
    let page = start().await;
    let twice = "GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2);
    let answer = page.send(&twice).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
}

#[tokio::test]
async fn a_request_beyond_its_bounds_is_refused() {
    let page = start().await;
    let long = page.get(&format!("/{}", "x".repeat(REQUEST_BYTES_MAX))).await;
    assert!(long.starts_with("HTTP/1.1 4") || long.is_empty(), "{long}");
    let headers: String = (0..=HEADERS_MAX).map(|n| format!("x-{n}: y\r\n")).collect();
    let many = page
        .send(&format!("GET / HTTP/1.1\r\nhost: x\r\n{headers}\r\n"))
        .await;
    assert!(many.starts_with("HTTP/1.1 4") || many.is_empty(), "{many}");
    let nonsense = page.send("\u{1}\u{2}nonsense\r\n\r\n").await;
    assert!(
        nonsense.starts_with("HTTP/1.1 400") || nonsense.is_empty(),
        "{nonsense}"
    );
    assert!(
        page.get("/").await.starts_with("HTTP/1.1 200"),
        "others are served as before"
    );
}

#[tokio::test]
async fn whoever_holds_all_the_connections_they_may_shuts_out_nobody_else() {
    let page = start().await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_OF_ONE_MAX {
        held.push(TcpStream::connect(page.address).await.expect("connected"));
    }
    assert_eq!(page.get("/").await, "");
    let elsewhere = TcpSocket::new_v4().expect("a socket");
    elsewhere
        .bind("127.0.0.2:0".parse().expect("an address"))
        .expect("bound");
    let elsewhere = elsewhere.connect(page.address).await.expect("connected");
    let probe = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    assert!(page.say(elsewhere, probe).await.starts_with("HTTP/1.1 200"));
    // A place comes back as soon as one of them has gone.
    held.truncate(CONNECTIONS_OF_ONE_MAX - 1);
    let answer = async {
        loop {
            let answer = page.get("/").await;
            if !answer.is_empty() {
                return answer;
            }
        }
    };
    assert!(answer.await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_cut_off() {
    let page = start().await;
    let mut stream = TcpStream::connect(page.address).await.expect("connected");
    stream.write_all(b"GET / HT").await.expect("sent");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(
        !answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_asked_for_nothing_lives_for_moments() {
    let page = start().await;
    let began = tokio::time::Instant::now();
    let mut stream = TcpStream::connect(page.address).await.expect("connected");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
    assert!(began.elapsed() <= 2 * REQUEST_TIME_MAX, "{:?}", began.elapsed());
}

#[tokio::test]
async fn it_stops_when_told() {
    let page = start().await;
    page.stop.cancel();
    page.serving.await.expect("it ends");
    assert!(TcpStream::connect(page.address).await.is_err());
}
